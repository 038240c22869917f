package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3" // to change what nobody may change

	"example.com/punchlist/sync/server"
)

// office is a small history: people, tasks, an edit.
func (p *program) office() {
	p.Helper()
	p.ok("user", "add", "ann", "--crew", "north")
	for i := range 4 {
		p.ok("task", "add", fmt.Sprint("Task ", i))
	}
	p.ok("task", "set", "T-10001", "status=in_progress")
	if code, _, _ := p.run("task", "set", "T-10002", "priority=never"); code != 1 {
		p.Fatalf("exit %d", code)
	}
	p.ok("invite", "ann")
}

func TestAudit(t *testing.T) {
	p := newProgram(t)
	p.office()
	var list []entryJSON
	p.json(&list, "audit")
	var what []string
	for _, e := range list {
		what = append(what, e.What)
		if e.At == 0 || e.No == 0 || e.Seal == "" || e.User != "office" || e.Entity == "" {
			t.Errorf("%+v", e)
		}
	}
	slices.Sort(what)
	if want := []string{"applied", "applied", "applied", "applied", "applied", "invited", "rejected", "user added"}; !slices.Equal(what, want) {
		t.Errorf("%q, want %q", what, want)
	}
	out := p.ok("audit", "--since", "1h")
	if strings.Count(out, "\n") != len(list) || !strings.Contains(out, "insert task") || !strings.Contains(out, "priority") || strings.Contains(out, "never") {
		t.Error(out)
	}
	if !strings.Contains(out, "(T-10001 Task 0)") || !strings.Contains(out, "(T-10001 Task 0): ") {
		t.Errorf("records are not named:\n%s", out)
	}
	if out := p.ok("audit", "--since", "1.1.2100"); out != "" {
		t.Error(out)
	}
	if out := p.ok("audit", "--since", "2199-01-01"); out != "" {
		t.Error(out)
	}
	if code, _, errs := p.run("audit", "--since", "yesterday-ish"); code != 2 || !strings.Contains(errs, "Try: --since 24h") {
		t.Errorf("%d %s", code, errs)
	}
	var v struct {
		OK                    bool
		Entries, Fingerprints int64
		Faults                []string
	}
	p.json(&v, "audit", "verify")
	if !v.OK || v.Entries != 8 || v.Fingerprints != 5 || v.Faults == nil {
		t.Errorf("%+v", v)
	}
	if out := p.ok("audit", "verify"); out != "8 entries, 5 fingerprints proved\n" {
		t.Error(out)
	}
}

// TestI45AnyChangeOfTheAuditIsFound: each kind of tampering, done with SQL by
// somebody who may write to the file.
func TestI45AnyChangeOfTheAuditIsFound(t *testing.T) {
	p := newProgram(t)
	p.office()
	whole, err := os.ReadFile(p.db)
	if err != nil {
		t.Fatal(err)
	}
	free := `DROP TRIGGER audit_stays; DROP TRIGGER audit_keeps; `
	for name, tc := range map[string]struct{ sql, want string }{
		"somebody else did it":         {free + `UPDATE audit SET user = 'ann' WHERE crew = 'north' AND no = 2`, "crew north: entry 2 was changed"},
		"it happened at another time":  {free + `UPDATE audit SET at = at + 1 WHERE crew = '' AND no = 1`, "the server's own chain: entry 1 was changed"},
		"one in the middle is gone":    {free + `DELETE FROM audit WHERE crew = 'north' AND no = 3`, "crew north: entry 3 is missing"},
		"the last one is gone":         {free + `DELETE FROM audit WHERE crew = 'north' AND no = 6`, "crew north: it ends with entry 5"},
		"the server's last is gone":    {free + `DELETE FROM audit WHERE crew = '' AND no = 2`, "the server's own chain: it ends with entry 1"},
		"all are gone":                 {free + `DELETE FROM audit`, "it ends with entry 0"},
		"a fingerprint is another":     {`UPDATE chain SET fingerprint = 'x' WHERE version = 2`, "version 2 of north is not what the audit tells of"},
		"a fingerprint is gone":        {`DELETE FROM chain WHERE version = 5`, "version 5 of north is not what the audit tells of"},
		"sealed anew, but not history": {"", "is not what the audit tells of"},
	} {
		t.Run(name, func(t *testing.T) {
			q := newProgram(t)
			if err := os.WriteFile(q.db, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite3", q.db)
			if err != nil {
				t.Fatal(err)
			}
			if tc.sql == "" {
				forge(t, db)
			} else if _, err := db.ExecContext(t.Context(), tc.sql); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			code, _, errs := q.run("audit", "verify")
			if code != 1 || !strings.Contains(errs, tc.want) || !strings.Contains(errs, "Try: ") {
				t.Errorf("exit %d, want 1 and %q:\n%s", code, tc.want, errs)
			}
		})
	}
	db, err := sql.Open("sqlite3", p.db)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{"UPDATE audit SET user = 'ann'", "DELETE FROM audit"} {
		if _, err := db.ExecContext(t.Context(), query); err == nil {
			t.Errorf("%s: nothing stops a slip of the hand", query)
		}
	}
}

// forge changes an entry and seals it, and all that follow, anew, as a careful
// forger would: but the fingerprints stay, because laptops remember them.
func forge(t *testing.T, db *sql.DB) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), `DROP TRIGGER audit_stays; UPDATE audit SET user = 'ann' WHERE crew = 'north' AND no = 2`); err != nil {
		t.Fatal(err)
	}
	rows, err := db.QueryContext(t.Context(), `SELECT crew, no, at, what, user, device, op, kind, entity, detail FROM audit WHERE crew = 'north' ORDER BY no`)
	if err != nil {
		t.Fatal(err)
	}
	var forged []server.Entry
	for rows.Next() {
		var e server.Entry
		if err := rows.Scan(&e.Crew, &e.No, &e.At, &e.What, &e.User, &e.Device, &e.Op, &e.Kind, &e.Entity, &e.Detail); err != nil {
			t.Fatal(err)
		}
		forged = append(forged, e)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	no, seal := int64(0), ""
	for _, e := range forged {
		e = e.Follow(no, seal)
		no, seal = e.No, e.Seal
		if _, err := db.ExecContext(t.Context(), `UPDATE audit SET seal = ? WHERE crew = 'north' AND no = ?`, seal, no); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), `UPDATE crews SET seal = ? WHERE name = 'north'`, seal); err != nil {
		t.Fatal(err)
	}
}

// What hangs on a task is called by it, and a device by its name.
func TestAuditNames(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.in = "label,kind\nPressure,number\n"
	p.ok("template", "add", "inspection", "-")
	p.ok("task", "add", "Boiler", "type=inspection")
	if out := p.ok("audit"); !strings.Contains(out, "(T-10001 Boiler: Pressure)") {
		t.Errorf("%s", out)
	}
	var list []entryJSON
	p.json(&list, "audit")
	if !slices.ContainsFunc(list, func(e entryJSON) bool { return e.Name == "T-10001 Boiler" && e.Kind == "task" }) {
		t.Errorf("%+v", list)
	}
	line := entryJSON{Device: "0123456789", DeviceName: "Ann's van", User: "ann", What: "applied"}.line()
	if !strings.Contains(line, "ann (Ann's van 01234567)") {
		t.Error(line)
	}
}

// counting counts how often the devices are listed.
type counting struct {
	server.Store
	times int
}

func (c *counting) Devices(context.Context) ([]server.Device, error) {
	c.times++
	list := []server.Device{{ID: "a", Name: "van"}, {ID: "b", Name: "desk"}}
	return list[:min(c.times, 2)], nil
}

// TestTheAuditListsDevicesOnce, and again for one that it has not heard of.
func TestTheAuditListsDevicesOnce(t *testing.T) {
	var n names
	c := &counting{}
	for i, want := range []struct {
		device string
		times  int
	}{{"", 0}, {"a", 1}, {"office", 2}, {"office", 2}, {"a", 2}, {"b", 2}, {"gone", 3}, {"gone", 3}, {"a", 3}, {"office", 3}} {
		if err := n.look(t.Context(), c, []server.Entry{{Device: want.device}}); err != nil || c.times != want.times {
			t.Errorf("%d: %s: listed %d times, want %d, %v", i, want.device, c.times, want.times, err)
		}
	}
	if n.devices["a"] != "van" || n.devices["b"] != "desk" || n.devices["office"] != "" {
		t.Errorf("%v", n.devices)
	}
}
