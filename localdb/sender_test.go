package localdb_test

import (
	"context"
	"os"
	"testing"
	"time"
)

// heard waits for a word; the limit is for a machine that is busy.
func heard(t *testing.T, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(time.Minute):
		t.Fatal("nobody was told that", what)
	}
}

// TestTheSendersEndIsTold to who waits for it.
func TestTheSendersEndIsTold(t *testing.T) {
	f := newFixture(t)
	other := f.second()
	release, ok, err := other.TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	left := f.SenderLeft(ctx)
	if left == nil {
		t.Skip("this kernel tells nothing")
	}
	for range 3 {
		if _, ok, err := f.TryLock(); ok || err != nil {
			t.Fatal("two senders", err)
		}
	}
	release()
	heard(t, left, "the sender ended")
	mine, ok, err := f.TryLock()
	if err != nil || !ok {
		t.Fatal("no takeover:", ok, err)
	}
	if _, ok, _ := f.TryLock(); ok {
		t.Error("two senders in one program")
	}
	if _, ok, _ := other.TryLock(); ok {
		t.Error("two senders")
	}
	mine()
	heard(t, left, "this one ended")
}

// TestALockOnARemovedFileIsNone: the next sender makes a file of its own.
func TestALockOnARemovedFileIsNone(t *testing.T) {
	f := newFixture(t)
	other := f.second()
	release, _, _ := other.TryLock()
	if _, ok, _ := f.TryLock(); ok {
		t.Fatal("two senders")
	}
	f.must(os.Remove(f.path + ".sender"))
	again, ok, err := f.second().TryLock()
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer again()
	if _, ok, _ := f.TryLock(); ok {
		t.Error("a lock on a file that nobody else locks")
	}
	release()
}
