package main

import (
	"strings"
	"testing"
)

// TestOneServerADatabase: a second server would take over the address that new
// invites name. The commands go on beside the first.
func TestOneServerADatabase(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	base, stop := p.served()
	code, out, errs := p.run("serve", "--listen", "127.0.0.1:0")
	if code != 1 || out != "" || !strings.Contains(errs, "another punchlistd serves the database "+p.db) || !strings.Contains(errs, "Try: ") {
		t.Errorf("a second server: %d\n%s%s", code, out, errs)
	}
	if invite := p.ok("invite", "ann"); !strings.Contains(invite, strings.TrimPrefix(base, "http://")) {
		t.Errorf("an invite is %s, the server is at %s", invite, base)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	p.served() // the lock has ended with it
}

// TestARefusedServerLeavesNoAddress: invites lead to a server that listened, and
// say so where none has yet.
func TestARefusedServerLeavesNoAddress(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	if code, _, errs := p.run("serve", "--listen", "127.0.0.1:0", "--tls-auto", "--url", "https://localhost:18443"); code != 1 || !strings.Contains(errs, "Try: ") {
		t.Fatalf("exit %d\n%s", code, errs)
	}
	code, out, errs := p.run("invite", "ann")
	if code != 0 || strings.Contains(out, "18443") || !strings.Contains(errs, "No server has run with this database yet") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	base, _ := p.served()
	code, out, errs = p.run("invite", "ann")
	if code != 0 || !strings.Contains(out, strings.TrimPrefix(base, "http://")) || strings.Contains(errs, "No server") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}
