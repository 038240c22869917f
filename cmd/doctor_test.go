package cmd_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
)

// found is what doctor says of each check; the last word counts.
type found map[string]struct{ Level, Message, Cure string }

// doctor runs it; ok is whether nothing needs a person.
func (w *world) doctor(name string) (f found, ok bool) {
	w.t.Helper()
	out, errs, code := w.try("punchlist", "--db", name+".db", "doctor", "--json")
	var told struct {
		OK       bool
		Findings []struct{ Check, Level, Message, Cure string }
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		w.t.Fatalf("%v in %s%s", err, out, errs)
	}
	if told.OK != (code == 0) || code > 1 || !told.OK && !strings.Contains(errs, "Try: ") {
		w.t.Errorf("ok %v, exit %d: %s", told.OK, code, errs)
	}
	f = found{}
	for _, x := range told.Findings {
		if x.Message == "" || x.Level == "trouble" && x.Cure == "" {
			w.t.Errorf("a finding without words or cure: %+v", x)
		}
		f[x.Check] = struct{ Level, Message, Cure string }{x.Level, x.Message, x.Cure}
	}
	return f, told.OK
}

// is checks one finding.
func (f found) is(t *testing.T, check, level, says string) {
	t.Helper()
	if got := f[check]; got.Level != level || !strings.Contains(got.Message+"\n"+got.Cure, says) {
		t.Errorf("%s is %+v, want %s and %q", check, got, level, says)
	}
}

func TestDoctor(t *testing.T) {
	w := newWorld(t)
	f, ok := w.doctor("a")
	if f.is(t, "database", "note", "there is no database"); !ok {
		t.Error("a laptop without a database is no trouble")
	}
	if _, err := os.Stat(filepath.Join(w.dir, "a.db")); err == nil {
		t.Error("doctor made a database")
	}
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.add("a", "Pump")
	f, ok = w.doctor("a")
	for check, says := range map[string]string{"files": "nobody else", "integrity": "whole", "schema": "this program knows", "sqlite": "SQLite 3.", "clock": "clock", "server": "answers and knows this laptop"} {
		f.is(t, check, "ok", says)
	}
	if f.is(t, "waiting", "note", "1 change waits"); !ok {
		t.Errorf("%+v", f)
	}
	w.killServer()
	if f, ok = w.doctor("a"); !ok {
		t.Error("to be offline is no trouble")
	}
	f.is(t, "server", "note", "refused the connection")
	w.serve()
	var devices []struct {
		ID string `json:"device_id"`
	}
	w.decode(w.office("device", "list", "--json"), &devices)
	w.office("device", "revoke", devices[0].ID)
	if f, ok = w.doctor("a"); ok {
		t.Error("a revoked laptop needs a person")
	}
	f.is(t, "server", "trouble", "new invite")
	token := filepath.Join(w.dir, "a.db.token")
	if err := os.Chmod(token, 0o644); err != nil {
		t.Fatal(err)
	}
	f, _ = w.doctor("a")
	f.is(t, "token", "trouble", "chmod 600")
	f.is(t, "files", "trouble", "a.db.token may be used by others")
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	f, _ = w.doctor("a")
	f.is(t, "token", "trouble", "missing")
	if out, _, _ := w.try("punchlist", "--db", "a.db", "doctor"); !strings.Contains(out, "trouble  token") || !strings.Contains(out, "Try: ask the office") {
		t.Error(out)
	}
}

// TestDoctorSeesWhatWaitsForAPerson: refusals and conflicts.
func TestDoctorSeesWhatWaitsForAPerson(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.office("user", "add", "bob", "--crew", "north")
	w.office("task", "add", "Boiler", "external_ref=B-1", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.enrol("bob", "b")
	w.sync("a", "b")
	for id := range w.tasks("a") {
		w.laptop("a", "set", id, "asset=K-1")
		w.laptop("b", "set", id, "asset=K-2")
	}
	w.laptop("a", "add", "Another", "--ref", "B-1")
	w.sync("b", "a", "b")
	f, ok := w.doctor("a")
	if f.is(t, "refused", "trouble", "refused 1 change"); ok {
		t.Error("a refusal needs a person")
	}
	f, _ = w.doctor("b")
	f.is(t, "conflicts", "trouble", "punchlist conflicts")
	if _, told := f["kept"]; told {
		t.Error("no second copy was put aside")
	}
	w.file("b.db.queue.log.kept-2", "{}\n")
	f, _ = w.doctor("b")
	f.is(t, "kept", "note", "b.db.queue.log.kept-2 holds changes")
}

// TestDoctorRepairs: a damaged page is found, the cure is named, and works.
func TestDoctorRepairs(t *testing.T) {
	w := newWorld(t)
	for range 30 {
		w.add("a", "Pump")
	}
	w.spoilPages("a.db")
	f, ok := w.doctor("a")
	if f.is(t, "database", "trouble", "punchlist doctor --repair"); ok {
		t.Error("a damaged database needs a person")
	}
	_, errs, code := w.try("punchlist", "--db", "a.db", "doctor", "--repair")
	if code != 0 || !strings.Contains(errs, "with 30 changes") || !strings.Contains(errs, "The old file is kept") {
		t.Fatalf("%d %s", code, errs)
	}
	if f, ok = w.doctor("a"); !ok {
		t.Errorf("after the repair: %+v", f)
	}
	f.is(t, "integrity", "ok", "whole")
	if n := w.pending("a"); n != 30 {
		t.Errorf("%d changes wait after the repair, want 30", n)
	}
}

// spoilPages overwrites pages in the middle of a database that nobody has open.
func (w *world) spoilPages(name string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	for at := len(text) / 2; at < len(text)-4096; at++ {
		text[at] ^= 0x5a
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// TestI42TheBundleHoldsNothingSecret: canaries in every place that people and
// servers write to.
func TestI42TheBundleHoldsNothingSecret(t *testing.T) {
	const canary = "CANARYINTHECOALMINE"
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	invite := w.inviteFor("ann")
	w.laptop("a", "enroll", invite)
	id := w.add("a", canary+" title")
	w.laptop("a", "note", id, canary+" note")
	w.laptop("a", "set", id, "contact_name="+canary, "external_ref="+canary)
	w.sync("a")
	w.laptop("a", "add", "Another", "--ref", canary) // refused, with words of the server
	w.sync("a")
	w.laptop("a", "add", canary+" waits")
	token, err := os.ReadFile(filepath.Join(w.dir, "a.db.token"))
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(w.dir, "state", "punchlist", "punchlist.log")
	line := `time=now level=WARN msg=push err="the title \"` + canary + `\" is bad" header="Bearer ` + strings.TrimSpace(string(token)) + `" text=“` + canary + `” invite=` + invite + "\n"
	if err := os.WriteFile(log, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	w.laptop("a", "support-bundle", "-o", "bundle.tar.gz")
	w.refused(1, []string{"there is a file", "Try: name a new one"}, "punchlist", "--db", "a.db", "support-bundle", "-o", "bundle.tar.gz")
	files := w.unpack("bundle.tar.gz")
	secret := invite[strings.Index(invite, "#")+1:]
	for name, text := range files {
		for what, bad := range map[string]string{"text of a task": canary, "the token": strings.TrimSpace(string(token)), "the invite's code": secret[:14]} {
			if strings.Contains(text, bad) {
				t.Errorf("%s holds %s:\n%s", name, what, text)
			}
		}
	}
	for _, name := range []string{"doctor.json", "system.json", "state.json", "queue.json", "punchlist.log"} {
		if files["punchlist-support/"+name] == "" {
			t.Errorf("the bundle lacks %s", name)
		}
	}
	if q := files["punchlist-support/queue.json"]; !strings.Contains(q, `"duplicate_ref"`) || !strings.Contains(q, id[:4]) {
		t.Errorf("the queue tells too little:\n%s", q)
	}
}

func (w *world) unpack(name string) map[string]string {
	w.t.Helper()
	f, err := os.Open(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		w.t.Fatal(err)
	}
	files := map[string]string{}
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			w.t.Fatal(err)
		}
		files[h.Name] = string(text)
	}
}

func TestReset(t *testing.T) {
	w := newWorld(t)
	w.refused(1, []string{"there is no database"}, "punchlist", "--db", "a.db", "reset", "--yes")
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.add("a", "Pump")
	w.refused(3, []string{"1 unsent change of 1 task would be lost", "Try: ", "queue export FILE"}, "punchlist", "--db", "a.db", "reset", "--yes")
	w.laptop("a", "queue", "export", "unsent")
	w.refused(1, []string{"This forgets 1 task", "ann's at http://", "Try: punchlist reset --yes"}, "punchlist", "--db", "a.db", "reset")
	if n := w.pending("a"); n != 1 {
		t.Errorf("after a refusal %d changes wait", n)
	}
	open, err := localdb.Open(t.Context(), filepath.Join(w.dir, "a.db"), localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.refused(1, []string{"another program has", "Try: close it"}, "punchlist", "--db", "a.db", "reset", "--yes")
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	w.laptop("a", "reset", "--yes")
	left, err := filepath.Glob(filepath.Join(w.dir, "a.db*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if len(w.tasks("a")) != 0 {
		t.Error("tasks are there still")
	}
	w.enrol("ann", "a") // and the work comes back from the file
	w.laptop("a", "queue", "import", "unsent")
	w.sync("a")
	if len(w.tasks("a")) != 1 || w.pending("a") != 0 {
		t.Errorf("%v", w.tasks("a"))
	}
}

// Work that comes while the question stands is not forgotten, nor what another
// program has open.
func TestResetLooksAgainAfterTheQuestion(t *testing.T) {
	w := newWorld(t)
	w.add("a", "Pump")
	w.laptop("a", "queue", "export", "unsent")
	asked := w.session(200, 24, nil, "punchlist", "--db", "a.db", "reset").tells("Type yes to go on")
	w.add("a", "Late")
	if asked.types("yes\r"); asked.code() != 3 {
		t.Errorf("%v", asked.cmd.ProcessState)
	}
	asked.tells("1 unsent change")
	if n := w.pending("a"); n != 2 {
		t.Errorf("%d changes wait", n)
	}
}

func TestVersionManAndCompletion(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"punchlist", "punchlistd"} {
		var v map[string]any
		w.decode(w.run(name, "version", "--json"), &v)
		for _, member := range []string{"name", "version", "built", "sqlite", "schema", "protocol", "go", "system"} {
			if _, ok := v[member]; !ok {
				t.Errorf("%s version --json lacks %s", name, member)
			}
		}
		if v["name"] != name || v["schema"].(float64) < 4 || !strings.HasPrefix(v["sqlite"].(string), "3.") {
			t.Errorf("%v", v)
		}
		w.run(name, "man", "man-"+name)
		page, err := os.ReadFile(filepath.Join(w.dir, "man-"+name, name+".1"))
		if err != nil || !strings.Contains(string(page), ".TH") {
			t.Errorf("%v: %.80s", err, page)
		}
		pages, err := filepath.Glob(filepath.Join(w.dir, "man-"+name, "*.1"))
		if err != nil || len(pages) < 15 {
			t.Errorf("%d pages, %v", len(pages), err)
		}
		for _, shell := range []string{"bash", "zsh", "fish"} {
			if out := w.run(name, "completion", shell); !strings.Contains(out, name) {
				t.Errorf("%s completion %s: %.80s", name, shell, out)
			}
		}
		w.refused(2, []string{"Try: "}, name, "nonsense")
	}
}
