package cmd_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// versions is a laptop of this version and one of the version before, of two
// people in one crew, who do as chance wants.
type versions struct {
	*testing.T
	seed    uint64
	chance  *rand.Rand
	office  *world
	laptops map[string]*world // by name
	tasks   []string
	script  []string // what was done in this history
}

// pick is one of several.
func pick[T any](chance *rand.Rand, of ...T) T { return of[chance.IntN(len(of))] }

// does runs a command on a laptop. What the rules refuse is no fault; a program
// that fails is.
func (v *versions) does(name string, args ...string) string {
	v.Helper()
	v.script = append(v.script, name+": "+strings.Join(args, " "))
	out, errs, code := v.laptops[name].try("punchlist", append([]string{"--db", name + ".db"}, args...)...)
	if code != 0 && (code != 1 || !strings.Contains(errs, "punchlist: ")) {
		v.Fatalf("exit %d: %s\n%s", code, errs, v)
	}
	return strings.TrimSpace(out)
}

// String is what it takes to see a history again.
func (v *versions) String() string {
	return fmt.Sprintf("in the histories of seed %d (SEED=%[1]d):\n%s", v.seed, strings.Join(v.script, "\n"))
}

// act does one thing on one of the laptops.
func (v *versions) act(n int) {
	name := pick(v.chance, "new", "old")
	if len(v.tasks) == 0 || v.chance.IntN(5) == 0 {
		if id := v.does(name, "add", fmt.Sprint("Task ", n, " of ", name), "--priority", pick(v.chance, "low", "high", "emergency")); id != "" {
			v.tasks = append(v.tasks, id)
		}
		return
	}
	id := v.tasks[max(0, len(v.tasks)-1-v.chance.IntN(8))] // so that both meet on the same ones
	switch v.chance.IntN(9) {
	case 0:
		v.does(name, "note", id, fmt.Sprint("note ", n))
	case 1:
		v.does(name, "status", id, pick(v.chance, "en_route", "in_progress", "completed"))
	case 2:
		v.does(name, "undo")
	case 3:
		v.does(name, "set", id, "tag."+pick(v.chance, "urgent", "roof")+"="+pick(v.chance, "true", "false"), fmt.Sprint("x.meter=", n))
	case 4, 5:
		v.does(name, "sync")
	default:
		v.does(name, "set", id, pick(v.chance, "contact_name", "asset", "title", "description")+"="+fmt.Sprint(name, " ", n))
	}
}

// history is some actions, until all is sent, and a look whether all are of one mind.
func (v *versions) history(n int) {
	v.script = nil
	for i := range 12 {
		v.act(100*n + i)
	}
	for range 2 {
		for _, name := range []string{"new", "old"} {
			v.does(name, "sync")
			v.settleRefused(name)
		}
	}
	told := map[string]string{}
	for _, name := range []string{"new", "old"} {
		if n := v.laptops[name].pending(name); n != 0 {
			v.Errorf("%s: %d changes wait %s", name, n, v)
		}
		if out, errs, code := v.laptops[name].try("punchlist", "--db", name+".db", "verify"); code != 0 {
			v.Errorf("%s and the server differ: %s%s %s", name, out, errs, v)
		}
		told[name] = v.held(name)
	}
	if told["new"] != told["old"] {
		v.Errorf("new holds\n%s\nold\n%s\n%s", told["new"], told["old"], v)
	}
}

// settleRefused gives up what the server refused, as a person may.
func (v *versions) settleRefused(name string) {
	var rows []struct {
		ID    string `json:"op_id"`
		State string
	}
	v.office.decode(v.does(name, "queue", "--json"), &rows)
	for _, r := range rows {
		if r.State == "parked" {
			v.does(name, "queue", "discard", r.ID)
		}
	}
}

// held is what a laptop shows of all tasks, in what both versions have words for.
func (v *versions) held(name string) string {
	tasks := map[string]map[string]any{}
	for id, task := range v.laptops[name].tasks(name) {
		tasks[id] = map[string]any{}
		for _, field := range []string{"title", "status", "number", "priority", "contact_name", "asset", "description", "x.meter", "tags", "version"} {
			tasks[id][field] = task[field]
		}
	}
	text, err := json.MarshalIndent(tasks, "", " ")
	if err != nil {
		v.Fatal(err)
	}
	return string(text)
}

// TestVersionsInHistories (G17): the programs of this version and of the one before,
// over a server of either, in many short histories that chance made. After each of
// them both laptops hold what the server does.
func TestVersionsInHistories(t *testing.T) {
	const each = 25 // histories that two laptops live through, one after the other
	n, from := size(4, 500), uint64(1)
	if seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		n, from = each, seed
	}
	older := buildOlder(t)
	for _, name := range []string{"the server is newer", "the server is older"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := 0
			for seed := from; done < n && !t.Failed(); seed++ {
				now := newWorld(t)
				before := *now
				before.bin = older
				v := &versions{T: t, seed: seed, chance: rand.New(rand.NewPCG(seed, 17)), office: now, laptops: map[string]*world{"new": now, "old": &before}}
				if name == "the server is older" {
					v.office = &before
				}
				v.office.office("user", "add", "ann", "--crew", "north", "--role", "technician")
				v.office.office("user", "add", "bob", "--crew", "north", "--role", "technician")
				v.office.serve()
				v.laptops["new"].laptop("new", "enroll", v.office.inviteFor("ann", "--url", "http://"+now.address))
				v.laptops["old"].laptop("old", "enroll", v.office.inviteFor("bob", "--url", "http://"+now.address))
				for range min(each, n-done) {
					v.history(done)
					done++
				}
				v.office.office("audit", "verify")
				v.office.killServer()
			}
			t.Logf("%d histories, seeds from %d", done, from)
		})
	}
}
