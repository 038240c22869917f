package cmd_test

import (
	"database/sql"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

// Every refusal says what, where and the next step, with the right exit code,
// and leaves nothing half-written.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	id := strings.TrimSpace(w.laptop("a", "add", "Check the pump"))
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	file := w.file
	text := file("list.txt", strings.Repeat("milk, eggs\n", 100))
	newer := filepath.Join(w.dir, "newer.db")
	w.run("punchlist", "--db", newer, "add", "x")
	change(t, newer, "PRAGMA user_version = 4711")
	broken := file("broken.csv", "title,external_ref\nGood,1\n\"Bad,2\nAlso good,3\n")
	long := file("long.csv", "title,external_ref\nGood,1\n"+strings.Repeat("x", 201)+",2\n")
	control := file("control.csv", "title,external_ref\nGood,1\nB\x1b[31mad,2\n")
	stranger := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("<html>Welcome to our hotel</html>")) }))
	defer stranger.Close()
	hotel := strings.TrimPrefix(stranger.URL, "http://")
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := dead.Addr().String()
	dead.Close()
	const code = "/#BCDF-GHJK-LMNP.ABCDEFGHIJKLMNOPQRST"

	p := func(args ...string) []string { return append([]string{"punchlist", "--db", "a.db"}, args...) }
	d := func(args ...string) []string {
		return append([]string{"punchlistd"}, append(args, "--db", "server.db")...)
	}
	for _, c := range []struct {
		code  int
		words []string
		line  []string
	}{
		{2, []string{`"frobnicate" is no command`, "Try: punchlist --help"}, p("frobnicate")},
		{2, []string{"--colour", "Try: punchlist list --help"}, p("list", "--colour")},
		{2, []string{"usage: punchlist show TASK"}, p("show")},
		{1, []string{`there is no task "T-999"`, "Try: punchlist list"}, p("show", "T-999")},
		{1, []string{"title", "Try: punchlist add"}, p("add", "")},
		{1, []string{"title", "201"}, p("add", strings.Repeat("x", 201))},
		{1, []string{"title", "U+001B"}, p("add", "a\x1b]0;owned\a")},
		{1, []string{`no field "colour"`, "Try: one of", "x.NAME; in short: contact, due, estimate, for, parent, phone, recipient, ref, site, window\n"}, p("set", id, "colour=red")},
		{1, []string{"priority", "emergency, high, normal, low", "Try: priority=high"}, p("set", id, "priority=urgent")},
		{1, []string{"priority", "Try: priority=high"}, p("add", "x", "--priority", "urgent")},
		{1, []string{"due_at", `"someday" is no time`, "Try: today, tomorrow 14:00"}, p("set", id, "due=someday")},
		{1, []string{"due_at", "Try: today, tomorrow 14:00"}, p("add", "x", "--due", "someday")},
		{1, []string{"window", "Try: 08:00-10:00"}, p("set", id, "window=someday")},
		{1, []string{"estimate_minutes", "Try: estimate_minutes=30"}, p("set", id, "estimate=long")},
		{1, []string{"not by itself", "Try: punchlist status TASK STATUS"}, p("set", id, "status=done")},
		{1, []string{"cannot be empty", "Try: punchlist note"}, p("note", id, "")},
		{2, []string{"FIELD=VALUE"}, p("set", id, "priority")},
		{1, []string{"FROZEN", "IN_PROGRESS", "Try: punchlist status NEW-"}, p("status", id, "frozen")},
		{1, []string{"cannot become COMPLETED", "from there", "en_route"}, p("status", id, "done")},
		{1, []string{`"colour:red"`}, p("list", "colour:red")},
		{1, []string{"no checklist"}, p("check", id, "1", "pass")},
		{1, []string{"no change", "punchlist queue"}, p("queue", "retry", "nonsense")},
		{1, []string{"no conflict", "punchlist conflicts"}, p("conflicts", "resolve", "nonsense", "mine")},
		{1, []string{"no server", "punchlist enroll"}, p("sync")},
		{1, []string{"invite"}, p("enroll", "hello")},
		{1, []string{"does-not-exist.invalid"}, p("enroll", "punchlist://does-not-exist.invalid:8443"+code)},
		{1, []string{"127.0.0.1"}, p("enroll", "punchlist://"+nobody+code)},
		{1, []string{"answers instead of the server"}, p("enroll", "punchlist://"+hotel+code)},
		{1, []string{"list.txt", "not a SQLite database", "Try:"}, []string{"punchlist", "--db", text, "list"}},
		{1, []string{"newer", "Try: install the newest"}, []string{"punchlist", "--db", newer, "add", "y"}},
		{1, []string{"folder"}, []string{"punchlist", "--db", w.dir, "list"}},
		{1, []string{"missing.csv"}, p("import", "missing.csv")},
		{1, []string{"line 3"}, p("import", broken)},
		{1, []string{"line 3", "201", "--skip-bad"}, p("import", long)},
		{1, []string{"line 3", "control character"}, p("import", control)},
		{1, []string{"south"}, d("task", "list", "--crew", "south")},
		{1, []string{"bob"}, d("invite", "bob")},
		{1, []string{"does not answer", "pg_isready"}, []string{"punchlistd", "serve", "--db", "postgres://127.0.0.1:1/x"}},
		{1, []string{"TLS"}, d("serve", "--listen", "0.0.0.0:0")},
	} {
		w.refused(c.code, c.words, c.line[0], c.line[1:]...)
	}
	if n := len(w.tasks("a")); n != 1 {
		t.Errorf("%d tasks after all these refusals, want the one", n)
	}
	if b, _ := os.ReadFile(text); !strings.HasPrefix(string(b), "milk, eggs") || len(b) != 1100 {
		t.Error("a file that is no database was changed")
	}
}

// TestListBeforeTheFirstSync: an empty laptop is told what it lacks.
func TestListBeforeTheFirstSync(t *testing.T) {
	w := newWorld(t)
	if _, errs, _ := w.try("punchlist", "--db", "a.db", "list"); !strings.Contains(errs, "punchlist enroll") {
		t.Errorf("a laptop of no server: %s", errs)
	}
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	if _, errs, _ := w.try("punchlist", "--db", "a.db", "list"); !strings.Contains(errs, "No tasks on this laptop yet.\nTry: punchlist sync") || strings.Contains(errs, "enroll") {
		t.Errorf("a laptop that has joined: %s", errs)
	}
}

func change(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// A used and an expired invite are refused in words; the laptop stays as it was.
func TestInvitesWorkOnce(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	var first, short struct{ Invite string }
	w.decode(w.office("invite", "ann", "--url", "http://"+w.address, "--json"), &first)
	w.decode(w.office("invite", "ann", "--url", "http://"+w.address, "--ttl", "1ms", "--json"), &short)
	w.laptop("a", "enroll", first.Invite)
	w.refused(1, []string{"used", "Try:"}, "punchlist", "--db", "b.db", "enroll", first.Invite)
	w.refused(1, []string{"expired", "Try:"}, "punchlist", "--db", "b.db", "enroll", short.Invite)
	w.decode(w.office("invite", "ann", "--url", "http://"+w.address, "--json"), &first)
	wrongKey := first.Invite[:len(first.Invite)-4] + "2222"
	w.refused(1, []string{"key"}, "punchlist", "--db", "b.db", "enroll", wrongKey)
	var s struct{ Reach, Server string }
	w.decode(w.laptop("b", "state", "--json"), &s)
	if s.Reach != "not enrolled" || s.Server != "" {
		t.Errorf("after refused invites: %+v", s)
	}
}

// One database is one person's at one server: nobody's unsent work goes out in
// another's name.
func TestADatabaseBelongsToOnePerson(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.office("user", "add", "eve", "--crew", "east", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.laptop("a", "add", "Ann's unsent words")
	var invite struct{ Invite string }
	w.decode(w.office("invite", "eve", "--url", "http://"+w.address, "--json"), &invite)
	w.refused(3, []string{"belongs to ann", "1 unsent", "--db OTHER.db"}, "punchlist", "--db", "a.db", "enroll", invite.Invite)
	w.laptop("a", "sync")
	w.decode(w.office("invite", "eve", "--url", "http://"+w.address, "--json"), &invite)
	w.refused(1, []string{"belongs to ann"}, "punchlist", "--db", "a.db", "enroll", invite.Invite)
	w.enrol("ann", "a") // the same person may, after a revocation for instance
	var s struct{ User string }
	w.decode(w.laptop("a", "state", "--json"), &s)
	if s.User != "ann" {
		t.Errorf("the laptop is %s's", s.User)
	}
}
