package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/tui"
	"github.com/pelletier/go-toml/v2"
)

// settings runs a command with a config.toml and returns what it says.
func settings(t *testing.T, text string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	if text != "" {
		if err := os.MkdirAll(filepath.Join(home, "punchlist"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, "punchlist", "config.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	err := run(context.Background(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	code = cli.Tell(&errs, "punchlist", err)
	return out.String(), strings.ReplaceAll(errs.String(), home, ""), code
}

// TestConfigCheckNamesLineKeyAndCure of each fault there is.
func TestConfigCheckNamesLineKeyAndCure(t *testing.T) {
	for _, c := range []struct {
		name, text string
		says       []string
	}{
		{"fine", "glyphs = \"ascii\"\ncolours = 'light'\nmouse = false\n[[views]]\nname = \"mine\"\nfilter = \"assignee:me due:today\"\n[keys]\nundo = [\"u\", \"f8\"]\ndelete = []\n", nil},
		{"empty", "# nothing yet\n", nil},
		{"unknown setting", "mouse = true\n\nglyfs = \"ascii\"\n", []string{"config.toml:3: glyfs: there is no such setting; the settings are glyphs, colours"}},
		{"unknown view setting", "[[views]]\nname = \"a\"\nfilter = \"\"\nkey = 3\n", []string{"config.toml:4: views.key: there is no such setting"}},
		{"bad words", "glyphs = \"utf\"\n\ncolours = \"pink\"\n", []string{`config.toml:1: glyphs: "utf" makes no sense here; write "unicode" or "ascii"`, `config.toml:3: colours: "pink"`}},
		{"wrong type", "\nmouse = \"yes\"\n", []string{"config.toml:2: mouse: ", "write true or false, without quotes"}},
		{"no toml", "glyphs = \"ascii\"\ncolours = dark\n", []string{"config.toml:2: ", "this is no TOML", `words stand in "quotes"`}},
		{"filter", "[[views]]\nname = \"a\"\nfilter = \"status:open\"\n\n[[views]]\nname = \"b\"\nfilter = \"due:someday\"\n", []string{"config.toml:7: views.2.filter: ", `"someday" is no day`, "punchlist list FILTER"}},
		{"view without a name", "[[views]]\nfilter = \"x\"\n", []string{"config.toml:1: views.1: the view has no name"}},
		{"ten views", strings.Repeat("[[views]]\nname = \"a\"\n", 10), []string{"config.toml:19: views.10: there are keys for 9 views only"}},
		{"no command", "[keys]\nfly = \"f\"\n", []string{"config.toml:2: keys.fly: there is no command of that name; punchlist config names all commands"}},
		{"no key", "[keys]\n\nundo = \"hyper+u\"\n", []string{`config.toml:3: keys.undo: "hyper+u" is no key that a terminal sends`}},
		{"no text", "[keys]\nundo = 5\n", []string{"config.toml:2: keys.undo: this is no key; write [keys]"}},
		{"taken", "[keys]\nstatus = \"n\"\n", []string{"config.toml:2: keys.status: the key n is also that of note; take another key, or give note another one"}},
		{"taken by another place", "[keys]\nopen = \"d\"\n", []string{"keys.open: the key d is also that of"}},
		{"a view's key", "[keys]\nundo = \"3\"\n", []string{"config.toml:2: keys.undo: 3 is a view's key"}},
		{"quit for ever", "[keys]\nundo = \"ctrl+c\"\n", []string{"ctrl+c always quits"}},
		{"esc", "[keys]\nback = \"b\"\n", []string{"esc always goes back"}},
		{"dotted", "keys.undo = \"hyper\"\n", []string{"config.toml:1: keys.undo"}},
		{"not text at all", "\x00\xff\xfe", []string{"config.toml", "this is no TOML"}},
		{"huge", strings.Repeat("# long\n", 20_000), []string{"config.toml: cannot be read: it is longer than 64 KiB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, says, code := settings(t, c.text, "config", "check")
			if (code == 0) != (c.says == nil) {
				t.Errorf("it ends with %d: %s", code, says)
			}
			for _, want := range c.says {
				if !strings.Contains(says, want) {
					t.Errorf("%q is not in:\n%s", want, says)
				}
			}
			if c.says != nil && !strings.Contains(says, "Try: punchlist config") {
				t.Errorf("no next step:\n%s", says)
			}
		})
	}
	if _, says, code := settings(t, "", "config", "check"); code != 0 || !strings.Contains(says, "There is no /punchlist/config.toml: the standard settings are used.") {
		t.Errorf("%d %s", code, says)
	}
}

// TestConfigPrintsAFileThatMeansTheSame: what it prints is a config.toml.
func TestConfigPrintsAFileThatMeansTheSame(t *testing.T) {
	const text = "glyphs = \"ascii\"\nmouse = false\n[[views]]\nname = \"a \\\"b\\\"\"\nfilter = \"status:open\"\n[keys]\nundo = [\"u\", \"f8\"]\nmark = \"b\"\ndelete = []\n"
	out, says, code := settings(t, text, "config")
	if code != 0 || !strings.Contains(says, "From /punchlist/config.toml") {
		t.Fatalf("%d %s", code, says)
	}
	var before, after config
	if err := toml.Unmarshal([]byte(text), &before); err != nil {
		t.Fatal(err)
	}
	if err := toml.Unmarshal([]byte(out), &after); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if before.Glyphs != after.Glyphs || *before.Mouse != *after.Mouse || len(after.Views) != 1 || before.Views[0] != after.Views[0] || len(after.Keys) != 3 {
		t.Errorf("%+v became %+v", before, after)
	}
	std, _, _ := settings(t, "", "config")
	for _, line := range strings.Split(std, "\n") { // with every # taken away it is right too
		if bare, ok := strings.CutPrefix(line, "# "); ok && strings.Contains(bare, " = ") && !strings.HasPrefix(bare, "Keys") {
			std = strings.Replace(std, line, bare, 1)
		}
	}
	std = strings.ReplaceAll(std, "# [[views]]", "[[views]]")
	if _, says, code := settings(t, std, "config", "check"); code != 0 {
		t.Errorf("the standard settings, written down: %s\n%s", says, std)
	}
}

// TestABadConfigNeverStopsTheScreen: it starts with the standard settings and says so.
func TestABadConfigNeverStopsTheScreen(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	a := &app{getenv: os.Getenv}
	dir := filepath.Join(home, "punchlist")
	if err := os.MkdirAll(filepath.Join(dir, "config.toml"), 0o700); err != nil { // a folder in its place
		t.Fatal(err)
	}
	o, mouse := a.settle(tui.Options{})
	if !strings.Contains(o.Notice, "punchlist config check") || !mouse || o.Views != nil || o.Keys != nil {
		t.Errorf("%+v", o)
	}
	if err := os.Remove(filepath.Join(dir, "config.toml")); err != nil {
		t.Fatal(err)
	}
	if o, mouse = a.settle(tui.Options{ASCII: true}); o.Notice != "" || !mouse || !o.ASCII {
		t.Errorf("%+v", o)
	}
	text := "glyphs = \"unicode\"\ncolours = \"dark\"\nmouse = false\n[[views]]\nname = \"v\"\nfilter = \"is:pending\"\n[keys]\nundo = \"f8\"\n"
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o, mouse = a.settle(tui.Options{ASCII: true})
	if o.Notice != "" || mouse || o.ASCII || o.Ground != tui.DarkGround || len(o.Views) != 1 || o.Keys["undo"][0] != "f8" {
		t.Errorf("%+v", o)
	}
	bad := strings.Replace(text, "f8", "hyper", 1)
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if o, _ = a.settle(tui.Options{}); !strings.Contains(o.Notice, "config.toml line 8") || o.Views != nil {
		t.Errorf("%+v", o)
	}
}
