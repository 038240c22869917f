package localdb_test

import (
	"os"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// Two programs on one laptop hear from a server that was restored that it does not
// know the newest token. It is offered again to the one that asks; the other, told
// that its older one was replaced, must not go on showing that: it would look like a
// copy's.
func TestATokenThatIsKnownAgainIsShownByAll(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: "t0"}))
	f.must(f.Renew(f.ctx, "t0", "t1"))
	other, err := localdb.Open(f.ctx, f.Path(), localdb.Options{})
	f.must(err)
	defer other.Close()
	shows := func(db *localdb.DB, want, when string) {
		t.Helper()
		dev, err := db.Device(f.ctx)
		f.must(err)
		if dev.Token != want {
			t.Errorf("%s it shows %s, want %s", when, dev.Token, want)
		}
	}
	for _, db := range []*localdb.DB{f.DB, other} {
		shows(db, "t1", "at first")
		if !db.Refused("t1") {
			t.Error("there is no other token to show")
		}
		shows(db, "t0", "where t1 is not known")
	}
	f.must(f.Renew(f.ctx, "t0", "t1"))
	shows(f.DB, "t1", "offered again")
	other.Renewed()
	shows(other, "t1", "told that t0 was replaced")
}

// TestAnOlderProgramReadsTheToken (G17): before tokens were renewed, a program took
// all of the file for the token. It still can; and what the first program that
// renewed them left, all in one file, is read.
func TestAnOlderProgramReadsTheToken(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: "t0"}))
	holds := func(want string) {
		t.Helper()
		text, err := os.ReadFile(f.Path() + ".token")
		f.must(err)
		if string(text) != want+"\n" {
			t.Errorf("the file holds %q, want %s alone", text, want)
		}
	}
	holds("t0")
	f.must(f.Renew(f.ctx, "t0", "t1"))
	holds("t1")
	f.must(os.WriteFile(f.Path()+".token", []byte("t3\nt2\nt1\n"), 0o600))
	for _, token := range []string{"t3", "t2"} {
		if dev, err := f.Device(f.ctx); err != nil || dev.Token != token || !f.Refused(token) {
			t.Errorf("it shows %s, want %s: %v", dev.Token, token, err)
		}
	}
	f.must(f.Renew(f.ctx, "t2", "t4"))
	holds("t4")
	f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: "n0"}))
	holds("n0")
	if _, err := os.Stat(f.Path() + ".token.older"); err == nil {
		t.Error("tokens of the device before are kept")
	}
}

// A program of before tokens were renewed enrols anew and leaves the older tokens of
// the device before: they are never shown, and go once the newest is refused.
func TestTokensOfTheDeviceBefore(t *testing.T) {
	f := newFixture(t)
	enrol := func(token string) {
		f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: token}))
	}
	enrol("t0")
	f.must(f.Renew(f.ctx, "t0", "t1"))
	f.must(f.Renew(f.ctx, "t1", "t2"))
	kept, err := os.ReadFile(f.Path() + ".token.older")
	f.must(err)
	enrol("n0")
	f.must(os.WriteFile(f.Path()+".token.older", kept, 0o600)) // as that program would have left it
	if f.Refused("n0") {
		dev, err := f.Device(f.ctx)
		t.Errorf("it shows %s, of the device before: %v", dev.Token, err)
	}
	if dev, err := f.Device(f.ctx); err != nil || dev.Token != "n0" {
		t.Errorf("it shows %s: %v", dev.Token, err)
	}
	if _, err := os.Stat(f.Path() + ".token.older"); err == nil {
		t.Error("another device's tokens are kept")
	}
	// Killed between the two files, the older ones are this device's.
	f.must(f.Renew(f.ctx, "n0", "n1"))
	f.must(os.WriteFile(f.Path()+".token", []byte("n0\n"), 0o600))
	f.must(f.Renew(f.ctx, "n0", "n1"))
	f.must(f.Renew(f.ctx, "n1", "n2"))
	f.must(os.WriteFile(f.Path()+".token", []byte("n1\n"), 0o600))
	if !f.Refused("n1") {
		t.Error("the token before was not kept through a kill")
	}
}
