package cmd_test

import (
	"strings"
	"testing"
)

// TestTwoLaptopsOfOnePerson: where both sides of a conflict are one person, his
// name tells him nothing; and each laptop's history knows what he did at the other.
func TestTwoLaptopsOfOnePerson(t *testing.T) {
	w := newWorld(t)
	w.crewWith("Shared")
	var invite struct{ Invite string }
	w.decode(w.office("invite", "ann", "--url", "http://"+w.address, "--json"), &invite)
	w.laptop("van", "enroll", "--name", "the van", invite.Invite)
	w.sync("a", "van")
	w.laptop("a", "set", "T-10001", "asset=desk")
	w.laptop("van", "set", "T-10001", "asset=van")
	w.sync("a", "van", "a")
	if out := w.laptop("a", "conflicts"); !strings.Contains(out, `you wrote "desk"`) || !strings.Contains(out, `"van" that ann on the van wrote`) || !strings.Contains(out, " won.") {
		t.Errorf("the desk is told:\n%s", out)
	}
	if out := w.laptop("van", "conflicts"); !strings.Contains(out, `yours won: "van"`) {
		t.Errorf("the van is told:\n%s", out)
	}
	if out := w.laptop("a", "show", "T-10001"); !strings.Contains(out, "ann on the van") {
		t.Errorf("the desk's history:\n%s", out)
	}

	// What won is replaced: nobody is told any more that it stands.
	w.laptop("a", "set", "T-10001", "asset=office")
	w.sync("a", "van")
	if out := w.laptop("van", "conflicts"); !strings.Contains(out, `yours had won: "van"`) || !strings.Contains(out, `By now "office" stands.`) {
		t.Errorf("the van is told, later:\n%s", out)
	}
}
