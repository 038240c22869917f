package terminal_test

import (
	"syscall"
	"testing"
	"time"
)

func TestProgramEndsAtOnceAtTheSecondSignal(t *testing.T) {
	s := ready(t)
	s.send("B")
	s.await("stuck")
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	over := time.After(limit)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for began := time.Now(); ; {
		select {
		case <-again.C:
			_ = s.cmd.Process.Signal(syscall.SIGTERM)
			continue
		case <-over:
			t.Fatal("still running")
		case <-s.exited:
		}
		if took := time.Since(began); took > quick {
			t.Errorf("took %v", took)
		}
		break
	}
	s.expect(modesRestored)
	s.end(quick, 1)
}

// A signal that the caller's context has heard of already is the first one all the
// same: the model saves what it has.
func TestProgramTakesNoSignalForTwo(t *testing.T) {
	for range 5 {
		s := ready(t)
		s.send("X")
		s.expect(modesRestored)
		s.end(quick, 1, "heard of it", "saved: ", "ended: ")
	}
}
