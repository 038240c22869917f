package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/wire"
)

// program runs commands on one database as main does.
type program struct {
	*testing.T
	db string
	in string
}

func newProgram(t *testing.T) *program {
	return &program{T: t, db: filepath.Join(t.TempDir(), "d.db")}
}

// run runs one command and returns its exit code and what it printed.
func (p *program) run(args ...string) (code int, out, errs string) {
	p.Helper()
	var o, e bytes.Buffer
	err := run(p.Context(), append(args, "--db", p.db), cli.Streams{In: strings.NewReader(p.in), Out: &o, Err: &e})
	code = cli.Tell(&e, "punchlistd", err)
	return code, o.String(), e.String()
}

// ok runs a command that has to succeed and returns its data.
func (p *program) ok(args ...string) string {
	p.Helper()
	code, out, errs := p.run(args...)
	if code != 0 {
		p.Fatalf("%q: exit %d\n%s%s", args, code, out, errs)
	}
	return out
}

// json runs a command with --json and decodes its data.
func (p *program) json(v any, args ...string) {
	p.Helper()
	out := p.ok(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		p.Fatalf("%q: %v in %s", args, err, out)
	}
}

func TestFirstSteps(t *testing.T) {
	p := newProgram(t)
	var user map[string]any
	p.json(&user, "user", "add", "ann", "--crew", "north", "--crew", "south")
	if user["name"] != "ann" || user["role"] != "technician" || fmt.Sprint(user["crews"]) != "[north south]" || fmt.Sprint(user["new_crews"]) != "[north south]" {
		t.Errorf("user %v", user)
	}
	code, out, errs := p.run("user", "add", "dora", "--crew", "north", "--role", "dispatcher")
	if code != 0 || out != "dora  dispatcher  north\n" || !strings.Contains(errs, "Next: punchlistd invite dora --db "+p.db) || strings.Contains(errs, "New crew") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	var invite struct {
		Invite  string
		Expires int64
	}
	p.json(&invite, "invite", "ann", "--ttl", "15m")
	i, err := wire.ParseInvite(invite.Invite)
	if err != nil || i.URL != "http://127.0.0.1:8700" || time.Until(time.UnixMilli(invite.Expires)) > 15*time.Minute {
		t.Errorf("%+v, %v, %d", i, err, invite.Expires)
	}
	code, out, errs = p.run("invite", "ann", "--url", "https://sync.example:8443")
	if code != 0 || !strings.HasPrefix(out, "punchlist://sync.example:8443/#") || !strings.Contains(errs, "punchlist enroll 'punchlist://") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	var state struct {
		ServerID string `json:"server_id"`
		Crews    []crewJSON
	}
	p.json(&state, "state")
	if state.ServerID == "" || len(state.Crews) != 2 || state.Crews[0] != (crewJSON{Name: "north"}) {
		t.Errorf("%+v", state)
	}
	if out := p.ok("user", "list"); out != "ann  technician  north, south\ndora  dispatcher  north\n" {
		t.Error(out)
	}
	if out := p.ok("user", "disable", "ann"); !strings.Contains(out, "disabled") {
		t.Error(out)
	}
	if out := p.ok("user", "enable", "ann"); strings.Contains(out, "disabled") {
		t.Error(out)
	}
	if out := p.ok("user", "set", "ann", "--role", "viewer"); out != "ann  viewer  north, south\n" {
		t.Error(out)
	}
}

func TestOfficeTasks(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	var task map[string]any
	p.json(&task, "task", "add", "Check the pump", "priority=high", "assignee=ann", "due_at=2026-12-01 14:30", "tag.urgent=true", "estimate_minutes=30")
	due := time.Date(2026, 12, 1, 14, 30, 0, 0, time.Local).UnixMilli()
	if task["number"] != "T-10001" || task["crew"] != "north" || fmt.Sprint(task["tags"]) != "[urgent]" || task["due_at"] != float64(due) || task["sync"] != "sent" || task["estimate_minutes"] != 30.0 {
		t.Errorf("%v", task)
	}
	if out := p.ok("task", "set", "T-10001", "status=in_progress", "--by", "ann"); out != "T-10001  north  IN_PROGRESS  high       Check the pump  (ann)  due 2026-12-01 14:30\n" {
		t.Error(out)
	}
	p.ok("task", "set", task["id"].(string)[:8], "assignee=", "due_at=", "tag.urgent=false")
	var list []map[string]any
	p.json(&list, "task", "list", "--crew", "north")
	if len(list) != 1 || list[0]["assignee"] != nil || list[0]["due_at"] != nil || list[0]["completed_at"] != nil || list[0]["started_at"] == nil || fmt.Sprint(list[0]["tags"]) != "[]" {
		t.Errorf("%v", list)
	}
	p.ok("user", "add", "sam", "--crew", "south")
	p.json(&list, "task", "list", "--crew", "south")
	if len(list) != 0 {
		t.Errorf("%v", list)
	}
}

// TestDueTheWholeDay: a day alone is its end for what is due or ends then, in the
// office as on a laptop, and its begin for what begins then.
func TestDueTheWholeDay(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	now := time.Now()
	at := func(day, hour, minute int) float64 {
		return float64(time.Date(now.Year(), now.Month(), now.Day()+day, hour, minute, 0, 0, time.Local).UnixMilli())
	}
	tomorrow := time.UnixMilli(int64(at(1, 12, 0))).Format(time.DateOnly)
	for _, c := range []struct {
		word, field string
		want        float64
	}{
		{"due=today", "due_at", at(0, 23, 59)}, {"due_at=" + tomorrow, "due_at", at(1, 23, 59)}, {"due=tomorrow 14:30", "due_at", at(1, 14, 30)},
		{"due=+2d", "due_at", at(2, 23, 59)}, {"window_end=tomorrow", "window_end", at(1, 23, 59)}, {"window_start=" + tomorrow, "window_start", at(1, 0, 0)},
		{"due_at=2026-12-01T09:30:00Z", "due_at", float64(time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC).UnixMilli())},
	} {
		var task map[string]any
		if p.json(&task, "task", "add", c.word, c.word); task[c.field] != c.want {
			t.Errorf("add %s: %s is %v, want %v", c.word, c.field, task[c.field], c.want)
		}
		if p.json(&task, "task", "set", task["id"].(string), "title=Set", c.word); task[c.field] != c.want {
			t.Errorf("set %s: %s is %v, want %v", c.word, c.field, task[c.field], c.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.ok("user", "add", "sam", "--crew", "south")
	p.ok("task", "add", "Pump", "--crew", "north")
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, []byte("this is a letter to my landlord about the pump\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"user add ann --crew north", 1, "already"},
		{"user add bob", 1, "--crew"},
		{"user add bob --crew north --role boss", 1, "technician, dispatcher or viewer"},
		{"user disable eve", 1, "no user"},
		{"user add bob --crew North", 1, `"North" and the crew "north" differ only by case`},
		{"user add bob --crew east --crew EAST", 1, "Try: --crew east"},
		{"user set ann --crew SOUTH", 1, "Try: --crew south"},
		{"task add Pump --crew north assignee=bbo", 1, `nobody called "bbo" works in the crew north`},
		{"task add Pump --crew north assignee=sam", 1, "Try: assignee=ann; or assignee= for nobody"},
		{"task set T-10001 assignee=bbo", 1, "Try: assignee=ann"},
		{"task set T-10001 crew=south assignee=ann", 1, "Try: assignee=sam"},
		{"user", 2, "needs a command"},
		{"user bake", 2, `"bake" is no command`},
		{"bake", 2, "bake"},
		{"user add", 2, "usage"},
		{"user add bob --colour red", 2, "colour"},
		{"invite eve", 1, "no user"},
		{"invite ann --url http://sync.example", 1, "https://"},
		{"invite ann --ttl 0s", 1, "--ttl"},
		{"device revoke abcdef", 1, "no device"},
		{"task add Pump", 2, "--crew north"},
		{"task add Pump --crew East", 1, "north, south"},
		{"task add Pump --crew north --by sam", 1, "not in the crew"},
		{"task add Pump --crew north colour=red", 1, "x.NAME; in short: contact, due, estimate, for, parent, phone, recipient, ref\n"},
		{"task add Pump --crew north priority=max", 1, "emergency"},
		{"task add Pump --crew north due_at=soon", 1, "tomorrow"},
		{"task add Pump --crew north high", 2, "FIELD=VALUE"},
		{"task add Pump --crew north number=T-1", 1, "given by the server"},
		{"task add Pump --crew north status=COMPLETED", 1, "PENDING"},
		{"task set T-9 title=x", 1, "no task"},
		{"task set T-10001 status=CLOSED", 1, "from there"},
		{"task set T-10001 status=CANCELLED", 1, "needs one of"},
		{"task list --crew East", 1, "north, south"},
		{"import none.csv --crew north", 1, "no file"},
		{"serve --listen 0.0.0.0:0", 1, "--tls-cert"},
		{"serve --listen nonsense", 2, "HOST:PORT"},
		{"serve --listen 127.0.0.1:0 --tls-cert x", 2, "--tls-key"},
		{"serve --listen 127.0.0.1:0 --url ftp://x", 1, "https://HOST:PORT"},
		{"state --db postgres://127.0.0.1:1/punchlist", 1, "does not answer"},
		{"state --db " + text, 1, "not a SQLite database"},
		{"state --db " + t.TempDir(), 1, "folder"},
	} {
		var o, e bytes.Buffer
		args := strings.Fields(c.args)
		if !strings.Contains(c.args, "--db") {
			args = append(args, "--db", p.db)
		}
		code := cli.Tell(&e, "punchlistd", run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e}))
		if code != c.code || !strings.Contains(e.String(), c.says) || o.Len() != 0 {
			t.Errorf("%s: exit %d, %q, data %q; want %d and %q", c.args, code, e.String(), o.String(), c.code, c.says)
		}
	}
	if b, err := os.ReadFile(text); err != nil || !strings.HasPrefix(string(b), "this is a letter") {
		t.Errorf("a file that is no database was changed: %q, %v", b, err)
	}
}

// served starts a server and returns its address and how to stop it.
func (p *program) served(flags ...string) (base string, stop func() error) {
	p.Helper()
	ctx, cancel := context.WithCancel(p.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	var errs bytes.Buffer
	go func() {
		err := run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "--db", p.db}, flags...), cli.Streams{In: strings.NewReader(""), Out: w, Err: &errs})
		w.CloseWithError(io.EOF)
		ended <- err
	}()
	line := make([]byte, 200)
	n, err := r.Read(line)
	m := regexp.MustCompile(`^punchlistd: serving (http://127\.0\.0\.1:\d+) `).FindSubmatch(line[:n])
	if m == nil {
		cancel()
		p.Fatalf("it says %q, %v; %v", line[:n], err, <-ended)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	p.Cleanup(func() { _ = stop() })
	return string(m[1]), stop
}

// TestServeAndAdminister: the commands work beside the running server, an
// invite names its address, and a device is out as soon as it is revoked.
func TestServeAndAdminister(t *testing.T) {
	p := newProgram(t)
	base, stop := p.served()
	p.ok("user", "add", "ann", "--crew", "north")
	i, err := wire.ParseInvite(strings.TrimSpace(p.ok("invite", "ann")))
	if err != nil || i.URL != base {
		t.Fatalf("%+v, %v; want it at %s", i, err, base)
	}
	ask := func(method, path, token, body string) (int, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set(wire.HeaderPending, "3")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, text
	}
	status, body := ask("POST", "/enroll", "", fmt.Sprintf(`{"code":%q,"device_name":"laptop","nonce":"n"}`, i.Code))
	var e wire.Enrolled
	if err := json.Unmarshal(body, &e); err != nil || status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	p.ok("task", "add", "Check the pump", "--crew", "north")
	status, body = ask("GET", "/sync/changes", e.Token, "")
	var page wire.Changes
	if err := json.Unmarshal(body, &page); err != nil || status != 200 || len(page.Changes) != 1 || page.Changes[0].ServerState.Text("title") != "Check the pump" {
		t.Errorf("%d %s", status, body)
	}
	var devices []map[string]any
	p.json(&devices, "device", "list")
	if len(devices) != 1 || devices[0]["device_id"] != e.DeviceID || devices[0]["pending"] != 3.0 || devices[0]["revoked"] != false || devices[0]["last_seen"] == nil {
		t.Errorf("%v", devices)
	}
	if out := p.ok("device", "revoke", e.DeviceID[:8]); !strings.Contains(out, "revoked") {
		t.Error(out)
	}
	if status, body := ask("GET", "/sync/changes", e.Token, ""); status != 401 || !bytes.Contains(body, []byte(wire.CodeRevoked)) {
		t.Errorf("%d %s", status, body)
	}
	other := newProgram(t)
	if code, _, errs := other.run("serve", "--listen", strings.TrimPrefix(base, "http://")); code != 1 || !strings.Contains(errs, "already listens") {
		t.Errorf("a second server on one port: %d %s", code, errs)
	}
	begun := time.Now()
	if err := stop(); err != nil || time.Since(begun) > 5*time.Second {
		t.Errorf("stopping took %v: %v", time.Since(begun), err)
	}
}

func TestImport(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "in.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	count := func() int64 {
		var s struct{ Crews []crewJSON }
		p.json(&s, "state")
		return s.Crews[0].Version
	}
	flags := []string{"--map", "external_ref=NO", "--map", "title=WHAT", "--map", "site.code=SITE", "--item", "ROOF", "--item-values", "ok=pass,bad=fail"}
	good := file("NO,WHAT,SITE,ROOF\n1,Pump,S1,ok\n2,Fan,S1,bad\n")
	imports := func(path string, more ...string) (int, string, string) {
		t.Helper()
		return p.run(append(append([]string{"import", path}, flags...), more...)...)
	}
	if code, _, errs := imports(good, "--dry-run"); code != 0 || count() != 0 || !strings.Contains(errs, "nothing was written") {
		t.Errorf("dry run: %d, version %d, %s", code, count(), errs)
	}
	if code, out, errs := imports(good); code != 0 || count() != 5 { // a site, two tasks, two items
		t.Errorf("import: %d, version %d\n%s%s", code, count(), out, errs)
	}
	if code, _, _ := imports(good); code != 0 || count() != 5 {
		t.Errorf("the same again: %d, version %d", code, count())
	}
	changed := file("NO,WHAT,SITE,ROOF\n1,Pump,S1,bad\n")
	if code, _, _ := imports(changed); code != 0 || count() != 6 {
		t.Errorf("one cell changed, one row missing: %d, version %d", code, count())
	}
	broken := file("NO,WHAT,SITE,ROOF\n3,,S1,ok\n4,Door,S2,ok\n")
	if code, _, errs := imports(broken); code != 1 || count() != 6 || !strings.Contains(errs, "line 2") || !strings.Contains(errs, "--skip-bad") {
		t.Errorf("a bad row: %d, version %d\n%s", code, count(), errs)
	}
	if code, out, errs := imports(file("NO,WHAT,SITE,ROOF\n3,,S1,ok\n"), "--skip-bad"); code != 1 || count() != 6 || !strings.Contains(errs, "line 2") ||
		!strings.Contains(errs, "nothing was imported: all rows are bad (1)") || !strings.Contains(errs, "Try: mend the file") {
		t.Errorf("--skip-bad without a good row: %d, version %d\n%s%s", code, count(), out, errs)
	}
	if code, _, _ := imports(broken, "--skip-bad"); code != 0 || count() != 9 {
		t.Errorf("--skip-bad: %d, version %d", code, count())
	}
	p.in = "NO,WHAT,SITE,ROOF\n5,Gate,S2,ok\n"
	if code, out, errs := imports("-"); code != 0 || count() != 11 {
		t.Errorf("from stdin: %d, version %d\n%s%s", code, count(), out, errs)
	}
	p.ok("task", "set", "4", "title=Door of the barn") // by its external_ref
	if code, _, _ := imports(broken, "--skip-bad"); code != 0 {
		t.Error("an import over an edited task")
	}
}

// A task that is given to nobody of its crew is seen by nobody among his own: the
// office hears of it, whichever way the name came.
func TestStrangersGetNoTasksUnnoticed(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.ok("user", "add", "bob", "--crew", "south")
	path := filepath.Join(t.TempDir(), "in.csv")
	if err := os.WriteFile(path, []byte("external_ref,title,assignee\n1,Pump,ann\n2,Fan,bob\n3,Door,Bob S.\n4,Roof,bob\n5,Gate,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{{"--dry-run"}, {}} {
		out := p.ok(append([]string{"import", path, "--crew", "north"}, more...)...)
		for _, want := range []string{`"bob" gets 2 tasks`, `"Bob S." gets 1 task`, "there are: ann"} {
			if !strings.Contains(out, want) {
				t.Errorf("%v does not say %q:\n%s", more, want, out)
			}
		}
		if strings.Contains(out, `"ann" gets`) {
			t.Errorf("%s", out)
		}
	}
	if code, _, errs := p.run("task", "add", "Window", "--crew", "north", "assignee=bob"); code != 1 || !strings.Contains(errs, "nobody called") || !strings.Contains(errs, "assignee=ann") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := p.run("task", "set", "1", "crew=south"); code != 0 || !strings.Contains(errs, "still for ann") || !strings.Contains(errs, "assignee=bob") {
		t.Errorf("%d %s", code, errs)
	}
}

// TestReadersWriteNothing: a command that only looks changes no byte, and works where
// the database cannot be written, the disk being for reading only.
func TestReadersWriteNothing(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.ok("task", "add", "Pump")
	p.ok("template", "list")
	files := func() (text string) {
		for _, end := range []string{"", "-wal"} {
			b, err := os.ReadFile(p.db + end)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			text += string(b)
		}
		return text
	}
	readers := [][]string{{"state"}, {"state", "--json"}, {"user", "list"}, {"device", "list"}, {"task", "list"}, {"audit"}, {"audit", "verify"}, {"export"}, {"report"}, {"template", "list"}, {"recur", "list"}}
	before := files()
	for _, args := range readers {
		if p.ok(args...); files() != before {
			t.Errorf("%q wrote", args)
			before = files()
		}
	}
	readOnly(t, p.db)
	for _, args := range readers {
		if code, _, errs := p.run(args...); code != 0 {
			t.Errorf("%q of what cannot be written: %d %s", args, code, errs)
		}
	}
	if code, _, errs := p.run("task", "add", "Fan"); code != 1 || !strings.Contains(errs, "Try: ") {
		t.Errorf("%d %s", code, errs)
	}
}

// readOnly takes the right to write to a file's folder away until the test ends:
// from root by mounting it over itself.
func readOnly(t *testing.T, path string) {
	t.Helper()
	dir := filepath.Dir(path)
	if os.Getuid() != 0 {
		t.Cleanup(func() { os.Chmod(dir, 0o700) })
		if err := errors.Join(os.Chmod(path, 0o400), os.Chmod(dir, 0o500)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Skip("this account may not mount: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		t.Skip("this account may not mount: ", err)
	}
}

// TestOutputIsAllOrAnError: what cannot be printed is no success.
func TestOutputIsAllOrAnError(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.ok("task", "add", "Pump")
	for _, args := range [][]string{{"task", "list"}, {"task", "list", "--json"}, {"state", "--json"}} {
		err := run(t.Context(), append(args, "--db", p.db), cli.Streams{In: strings.NewReader(""), Out: full{}, Err: io.Discard})
		if !errors.Is(err, errFull) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

// The office's list is read by people: what is open and pressing stands on top.
func TestTaskListOrder(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	for _, words := range [][]string{{"Some day"}, {"Done", "due=today"}, {"Later", "due=+9d"}, {"Soon, low", "due=+2d", "priority=low"}, {"Soon, urgent", "due=+2d", "priority=emergency"}, {"Soon", "due=+2d"}} {
		p.ok(append([]string{"task", "add"}, words...)...)
	}
	p.ok("task", "set", "T-10002", "status=cancelled", "reason=other", "reason_text=none")
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(p.ok("task", "list")), "\n") {
		got = append(got, line[:7])
	}
	if want := []string{"T-10005", "T-10006", "T-10004", "T-10003", "T-10001", "T-10002"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q\n%s", got, want, p.ok("task", "list"))
	}
}
