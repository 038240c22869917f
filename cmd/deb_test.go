package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// makeDebs builds both packages as of a version.
func makeDebs(t *testing.T, version string) []string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "make", "deb", "OUT="+dir)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "DEB_VERSION="+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make deb: %v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

// TestDebianPackages: built, installed, upgraded, removed and purged, in a root
// of its own. It needs root, dpkg, and nfpm, which it fetches: so it runs on
// demand (DEB=1) and not with every test.
func TestDebianPackages(t *testing.T) {
	if os.Getenv("DEB") == "" {
		t.Skip("set DEB=1 to build and install packages")
	}
	if os.Geteuid() != 0 {
		t.Fatal("only root installs packages")
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, d := range []string{"var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/punchlistd", "usr", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"var/lib/dpkg/status", "var/lib/dpkg/available", "var/lib/punchlistd/punchlistd.db"} {
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	dpkg := func(args ...string) {
		t.Helper()
		run("dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--force-depends", "--force-not-root", "--log=" + filepath.Join(dir, "log")}, args...)...)
	}
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, name))
		return err == nil
	}
	dpkg(append([]string{"--install"}, makeDebs(t, "1.0")...)...)
	installed := []string{"usr/bin/punchlist", "usr/bin/punchlistd", "usr/lib/systemd/system/punchlistd.service", "usr/lib/systemd/user/punchlist-sync.service", "usr/lib/sysusers.d/punchlistd.conf",
		"etc/default/punchlistd", "usr/share/man/man1/punchlist.1.gz", "usr/share/man/man1/punchlistd-serve.1.gz", "usr/share/bash-completion/completions/punchlist",
		"usr/share/zsh/vendor-completions/_punchlist", "usr/share/fish/vendor_completions.d/punchlistd.fish"}
	for _, name := range installed {
		if !there(name) {
			t.Errorf("%s is not installed", name)
		}
	}
	if out := run(filepath.Join(root, "usr/bin/punchlist"), "version"); !strings.Contains(out, "SQLite 3.") {
		t.Error(out)
	}
	settings := filepath.Join(root, "etc/default/punchlistd")
	if err := os.WriteFile(settings, []byte("PUNCHLISTD_OPTIONS=\"--listen :8443 --tls-auto\"\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	dpkg(append([]string{"--install"}, makeDebs(t, "1.1")...)...)
	if text, err := os.ReadFile(settings); err != nil || !strings.Contains(string(text), ":8443") {
		t.Errorf("the upgrade lost the settings: %v\n%s", err, text)
	}
	if out := run("dpkg-query", "--root="+root, "--show", "punchlistd"); !strings.Contains(out, "1.1") {
		t.Error(out)
	}
	dpkg("--remove", "punchlist", "punchlistd")
	if there("usr/bin/punchlistd") || !there("etc/default/punchlistd") {
		t.Error("removed: the program goes, the settings stay")
	}
	dpkg("--purge", "punchlistd")
	if there("etc/default/punchlistd") || !there("var/lib/punchlistd/punchlistd.db") {
		t.Error("purged: the settings go, the data stay")
	}
}

// TestUnits: systemd understands the units, and what they leave open is little.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	dir := t.TempDir()
	for unit, flags := range map[string][]string{"punchlistd/deb/punchlistd.service": nil, "punchlist/deb/punchlist-sync.service": {"--user"}} {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		// The programs are not installed here; verify looks for them.
		local := filepath.Join(dir, filepath.Base(unit))
		body := strings.NewReplacer("/usr/bin/punchlistd", "/bin/true", "/usr/bin/punchlist", "/bin/true").Replace(string(text))
		if err := os.WriteFile(local, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "systemd-analyze", append(flags, "verify", "--man=no", local)...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), filepath.Base(unit)+":") {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}
