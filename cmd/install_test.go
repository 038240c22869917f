package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a Debian in a folder, as fresh as debootstrap leaves it. Nobody runs
// systemd in it, so that the test does what the unit says.
type machine struct {
	t       *testing.T
	root    string
	address string // that the server listens on
	server  *exec.Cmd
}

// newMachine makes one. It takes minutes, root and the network; or DEB_ROOT, the
// folder of one that debootstrap made before, which is copied.
func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, root: filepath.Join(t.TempDir(), "root")}
	make := exec.CommandContext(t.Context(), "debootstrap", "--variant=minbase", "bookworm", m.root)
	if made := os.Getenv("DEB_ROOT"); made != "" {
		make = exec.CommandContext(t.Context(), "cp", "-a", made, m.root)
	}
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", make.Args, err, out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = ln.Addr().String()
	ln.Close()
	t.Cleanup(m.stop)
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

// put writes a file into the machine.
func (m *machine) put(name, text string, mode os.FileMode) {
	m.t.Helper()
	if err := os.WriteFile(m.path(name), []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
}

// command is a shell's line on the machine, of a user in its home.
func (m *machine) command(user, line string, env ...string) *exec.Cmd {
	home := map[string]string{"root": "/root", "punchlistd": "/var/lib/punchlistd"}[user]
	if home == "" {
		home = "/home/" + user
	}
	cmd := exec.CommandContext(m.t.Context(), "chroot", "--userspec="+user+":"+user, "--groups=", m.root, "/bin/sh", "-ec", "umask 022; cd; "+line)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + home, "USER=" + user, "LANG=C.UTF-8", "TZ=UTC"}, env...)
	return cmd
}

// sh runs a line that must succeed.
func (m *machine) sh(user, line string) string {
	m.t.Helper()
	cmd := m.command(user, line)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		m.t.Fatalf("%s: %s\n%v\n%s%s", user, line, err, out.String(), errs.String())
	}
	return out.String()
}

// office is a command of the server's, as the README says it.
func (m *machine) office(args string) string {
	m.t.Helper()
	return m.sh("punchlistd", "punchlistd --db /var/lib/punchlistd/punchlistd.db "+args)
}

// install is what apt does with packages that are at hand.
func (m *machine) install(debs []string) {
	m.t.Helper()
	line := "dpkg --install"
	for _, deb := range debs {
		data, err := os.ReadFile(deb)
		if err != nil {
			m.t.Fatal(err)
		}
		m.put("/var/tmp/"+filepath.Base(deb), string(data), 0o644)
		line += " /var/tmp/" + filepath.Base(deb)
	}
	m.sh("root", line)
}

// unit reads what a unit on the machine says: the settings of a name, in order.
func (m *machine) unit(path string) func(name string) []string {
	m.t.Helper()
	text, err := os.ReadFile(m.path(path))
	if err != nil {
		m.t.Fatal(err)
	}
	return func(name string) (values []string) {
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
				values = append(values, v)
			}
		}
		return values
	}
}

// start does what systemd does with the server's unit: its state folder, its
// environment, its user, its command line.
func (m *machine) start() {
	m.t.Helper()
	unit := m.unit("/usr/lib/systemd/system/punchlistd.service")
	user, state := unit("User")[0], "/var/lib/"+unit("StateDirectory")[0]
	m.sh("root", "install -d -m "+unit("StateDirectoryMode")[0]+" -o "+user+" -g "+user+" "+state)
	env := unit("Environment")
	settings := strings.TrimPrefix(unit("EnvironmentFile")[0], "-")
	// The shell reads the file as systemd does: assignments, quotes, comments.
	for line := range strings.Lines(m.sh("root", "set -a; . "+settings+"; env")) {
		if strings.HasPrefix(line, "PUNCHLISTD_") {
			env = append(env, strings.TrimSpace(line))
		}
	}
	m.server = m.command(user, "umask "+unit("UMask")[0]+"; exec "+unit("ExecStart")[0], env...)
	out, err := m.server.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	var errs bytes.Buffer
	m.server.Stderr = &errs
	if err := m.server.Start(); err != nil {
		m.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, m.address) {
		_ = m.server.Wait()
		m.server = nil
		m.t.Fatalf("the server said %q, %v\n%s", line, err, errs.String())
	}
}

// stop is systemctl stop.
func (m *machine) stop() {
	m.t.Helper()
	if m.server == nil {
		return
	}
	if err := m.server.Process.Signal(syscall.SIGTERM); err != nil {
		m.t.Error(err)
	}
	if err := m.server.Wait(); err != nil {
		m.t.Errorf("the server ended with %v\n%s", err, m.server.Stderr)
	}
	m.server = nil
}

// TestInstalledFromPackages is an administrator's afternoon and a technician's day
// on a clean Debian, with nothing but the packages and the README: install, serve,
// invite, enrol, import, work offline, export, report, back up, restore, verify,
// upgrade, remove, purge. It makes that Debian with debootstrap, so it needs root,
// a network and minutes, and runs on demand: DEB=1 go test -timeout 30m.
func TestInstalledFromPackages(t *testing.T) {
	if os.Getenv("DEB") == "" {
		t.Skip("set DEB=1 to install the packages in a clean root")
	}
	data, rows := toronto(t)
	m := newMachine(t)
	m.install(makeDebs(t, "1.0"))
	m.put("/etc/default/punchlistd", "# ours\nPUNCHLISTD_OPTIONS=\"--listen "+m.address+"\"\n", 0o640)
	text, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	m.put("/var/tmp/jobs.csv", string(text), 0o644)
	m.sh("root", "useradd --create-home --shell /bin/bash ann; useradd --create-home bob")
	m.start()

	m.office("user add ann --crew north --role technician && punchlistd --db /var/lib/punchlistd/punchlistd.db user add bob --crew north")
	m.office("import /var/tmp/jobs.csv --crew north --item 'NUMBERING OF PROPERTY' --item 'TENANT SERVICE REQUEST LOG' --item-values 3=pass,2=pass,1=fail,0=fail,N/A=na '" + strings.Join(torontoFlags, "' '") + "'")
	for _, user := range []string{"ann", "bob"} {
		cmd := m.command(user, "punchlist enroll && punchlist sync")
		cmd.Stdin = strings.NewReader(m.office("invite " + user))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", user, err, out)
		}
	}
	if n := m.count("ann"); n != rows {
		t.Fatalf("ann holds %d tasks, want %d", n, rows)
	}
	done := m.day()
	m.formats(rows)
	m.backAndForth(done)
	m.watch()
	m.upgradeAndPurge()
}

// count is how many tasks somebody's laptop lists.
func (m *machine) count(user string, filter ...string) int {
	m.t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(m.sh(user, "punchlist list --json "+strings.Join(filter, " "))), &list); err != nil {
		m.t.Fatal(err)
	}
	return len(list)
}

// day is a technician's, by script: out of reach all day, in reach in the evening.
func (m *machine) day() (task string) {
	m.t.Helper()
	m.stop()
	m.put("/home/ann/day.sh", `set -eu
task=$(punchlist list status:PENDING --json | tr ',' '\n' | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' | head -n 1)
punchlist status "$task" in_progress
punchlist check "$task" 1 pass
punchlist check "$task" 2 fail --comment 'the rail is loose'
punchlist note "$task" 'Key is at the gate'
punchlist set "$task" priority=high
punchlist undo
punchlist status "$task" completed
punchlist add 'Mend the rail' --priority high --due 'tomorrow 14:00' >/dev/null
echo "$task"
`, 0o644)
	lines := strings.Fields(m.sh("ann", "sh day.sh"))
	task = lines[len(lines)-1]
	var waits struct{ Pending, Parked int }
	if err := json.Unmarshal([]byte(m.sh("ann", "punchlist state --json")), &waits); err != nil || waits.Pending < 6 || waits.Parked != 0 {
		m.t.Fatalf("after the day: %+v, %v", waits, err)
	}
	if cmd := m.command("ann", "punchlist sync"); cmd.Run() == nil {
		m.t.Error("a sync without a server succeeded")
	}
	m.start()
	for _, user := range []string{"ann", "bob", "ann"} {
		m.sh(user, "punchlist sync")
	}
	if out := m.sh("bob", "punchlist show "+task); !strings.Contains(out, "Key is at the gate") {
		m.t.Errorf("bob does not see what ann did:\n%s", out)
	}
	m.sh("ann", "punchlist verify && punchlist doctor")
	return task
}

// formats: every export and every report, with what must be in each.
func (m *machine) formats(rows int) {
	m.t.Helper()
	for file, word := range map[string]string{"all.csv": "Mend the rail", "all.json": `"Mend the rail"`, "all.ndjson": `"Mend the rail"`, "all.ics": "BEGIN:VTODO", "all.geojson": "FeatureCollection", "todo.txt": "Mend the rail"} {
		if out := m.sh("ann", "punchlist export -o "+file+" && cat "+file); !strings.Contains(out, word) {
			m.t.Errorf("%s does not hold %q", file, word)
		}
	}
	if out := m.sh("ann", "punchlist export --format taskwarrior"); strings.Count(out, `"uuid"`) != rows+1 {
		m.t.Errorf("%d tasks for Taskwarrior", strings.Count(out, `"uuid"`))
	}
	number := strings.Fields(m.sh("ann", "punchlist list 'Mend the rail'"))[0]
	m.sh("ann", "punchlist report "+number+" | grep -q 'Mend the rail'; punchlist report "+number+" -o done.html; grep -qi '<!doctype html' done.html; punchlist report --day -o day.html; punchlist support-bundle -o help.tar.gz || punchlist support-bundle")
	m.sh("punchlistd", "punchlistd --db punchlistd.db report | grep -q north; punchlistd --db punchlistd.db report --days 31 -o report.html; grep -q '<svg' report.html; punchlistd --db punchlistd.db audit verify; punchlistd --db punchlistd.db state")
}

// backAndForth: a backup while it serves, work after it, and the backup put back:
// what the laptop knows comes back, and both hold the same.
func (m *machine) backAndForth(done string) {
	m.t.Helper()
	m.office("backup monday.db")
	m.sh("ann", "punchlist note "+done+" 'Written after the backup' && punchlist sync")
	m.stop()
	m.office("restore monday.db")
	m.start()
	if out := m.office("export --crew north --format ndjson"); strings.Contains(out, "Written after the backup") {
		m.t.Error("that is no backup")
	}
	for _, user := range []string{"ann", "bob", "ann", "bob"} {
		m.sh(user, "punchlist sync")
	}
	for _, user := range []string{"ann", "bob"} {
		if out := m.sh(user, "punchlist verify; punchlist show "+done); !strings.Contains(out, "Written after the backup") {
			m.t.Errorf("%s lost what was written after the backup", user)
		}
	}
	m.office("audit verify")
	m.sh("ann", "punchlist backup laptop.bak && punchlist restore laptop.bak && punchlist sync && punchlist verify")
}

// watch does what the person's unit says, and waits for what the office adds.
func (m *machine) watch() {
	m.t.Helper()
	watch := m.command("bob", "exec "+m.unit("/usr/lib/systemd/user/punchlist-sync.service")("ExecStart")[0])
	if err := watch.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.office("task add 'Of this minute' --crew north")
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	for m.count("bob", "'Of this minute'") == 0 {
		if ctx.Err() != nil {
			m.t.Fatal("what the office added did not arrive")
		}
	}
	if err := watch.Process.Signal(syscall.SIGTERM); err != nil {
		m.t.Error(err)
	}
	if err := watch.Wait(); err != nil {
		m.t.Errorf("sync --watch ended with %v", err)
	}
}

// upgradeAndPurge: a newer version goes on with the same data and settings, and
// whatever becomes of the packages, the data stay.
func (m *machine) upgradeAndPurge() {
	m.t.Helper()
	before := m.count("ann")
	m.stop()
	m.install(makeDebs(m.t, "1.1"))
	if out := m.sh("root", "dpkg-query --show punchlist punchlistd"); strings.Count(out, "1.1") != 2 {
		m.t.Error(out)
	}
	m.start() // with the settings that the administrator wrote: the port is in them
	m.sh("ann", "punchlist sync && punchlist verify")
	if after := m.count("ann"); after < before {
		m.t.Errorf("%d tasks before the upgrade, %d after", before, after)
	}
	m.stop()
	m.sh("root", "dpkg --remove punchlist punchlistd && test ! -e /usr/bin/punchlistd && test -e /etc/default/punchlistd")
	m.sh("root", "dpkg --purge punchlist punchlistd && test ! -e /etc/default/punchlistd && test ! -e /usr/lib/systemd/system/punchlistd.service")
	for _, name := range []string{"/var/lib/punchlistd/punchlistd.db", "/home/ann/.local/share/punchlist/punchlist.db"} {
		if info, err := os.Stat(m.path(name)); err != nil || info.Mode().Perm() != 0o600 {
			m.t.Errorf("%s after the purge: %v, %v", name, info, err)
		}
	}
	debs, err := filepath.Glob(m.path("/var/tmp/*_1.1_*.deb"))
	if err != nil || len(debs) != 2 {
		m.t.Fatalf("%v, %v", debs, err)
	}
	m.install(slices.Clone(debs))
	if out := m.office("state"); !strings.Contains(out, "north") {
		m.t.Errorf("installed again, the data are not there:\n%s", out)
	}
}
