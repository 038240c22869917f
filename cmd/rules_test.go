package cmd_test

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// sound is a small project that keeps every rule.
var sound = map[string]string{
	"go.mod":                    "module example.com/punchlist\n",
	"go.sum":                    "",
	"Makefile":                  "",
	"README.md":                 "",
	".ci/run":                   "",
	"bin/punchlist":             "",
	"sync/README.md":            "",
	"sync/op/op.go":             "// Package op says what a change is.\npackage op\n\n// Names are names.\nconst (\n\tOne = 1\n\tTwo = 2\n)\n\nconst Three = 3 // of them\n",
	"sync/op/clock_linux.go":    "package op\n\nimport \"time\"\n\nvar now = time.Now\n",
	"sync/op/op_test.go":        "package op_test\n\nimport (\n\t_ \"example.com/punchlist/localdb\"\n\t\"math/rand\"\n\t\"time\"\n)\n\nvar x, y = time.Now, rand.Int\n\nfunc Exported() {}\n",
	"localdb/localdb.go":        "// Package localdb keeps records.\npackage localdb\n\nimport (\n\t\"time\"\n\n\t\"example.com/punchlist/sync/op\"\n)\n\nvar _ = op.One\nvar tick = time.NewTimer\n\ntype hidden struct{}\n\nfunc (hidden) Exported() {}\n",
	"localdb/testdata/notgo.go": "not Go at all",
	"tui/tui.go":                "// Package tui shows tasks.\npackage tui\n\nimport _ \"example.com/punchlist/localdb\"\n",
	"cmd/house_test.go":         "// Package cmd_test guards the house.\npackage cmd_test\n",
	"cmd/punchlist/main.go":     "// Command punchlist is the program.\npackage main\n\nimport (\n\t\"time\"\n\n\t_ \"example.com/punchlist/tui\"\n)\n\nfunc main() { time.Now() }\n",
}

// TestRulesSeeBreaches breaks every rule in small and sees that the rule says
// so, and that the sound project breaks none.
func TestRulesSeeBreaches(t *testing.T) {
	tests := []struct {
		rule, file, text, says string
	}{
		{"top level", "docs/plan.md", "", "docs: does not belong"},
		{"top level", "main.go", "// Package main is.\npackage main\n", "main.go: does not belong"},
		{"top level", "README.md", "(none)", "README.md: is missing"},
		{"folders", "sync/sync.go", "package sync\n", "sync/sync.go: no Go file"},
		{"folders", "root.go", "package root\n", "root.go: no Go file"},
		{"folders", "cmd/all.go", "package cmd\n", "cmd/all.go: no Go file"},
		{"folders", "sync/op/internal/x/x.go", "package x\n", "named internal"},
		{"folders", "tui/util/x.go", "package util\n", "named util"},
		{"module path", "go.mod", "module punchlist\n", `"punchlist"`},
		{"module path", "go.mod", "module github.com/x/punchlist\n", "sorts before"},
		{"layers", "sync/op/up.go", "package op\n\nimport _ \"example.com/punchlist/sync/wire\"\n", "sync/op (layer 0) imports sync/wire (layer 1)"},
		{"layers", "localdb/side.go", "package localdb\n\nimport _ \"example.com/punchlist/sync/engine\"\n", "localdb (layer 2) imports sync/engine (layer 2)"},
		{"layers", "localdb/inside_test.go", "package localdb\n\nimport _ \"example.com/punchlist/tui\"\n", "imports tui (layer 3)"},
		{"layers", "localdb/lost.go", "package localdb\n\nimport _ \"example.com/punchlist/nowhere\"\n", "imports nowhere"},
		{"layers", "localdb/fresh/x.go", "// Package fresh is.\npackage fresh\n", "localdb/fresh has no layer"},
		{"package documents", "sync/wire/wire.go", "package wire\n", "sync/wire: no comment"},
		{"package documents", "sync/wire/wire.go", "// Package wire is detached.\n\npackage wire\n", "sync/wire: no comment"},
		{"package documents", "sync/wire/wire.go", "// Some words.\npackage wire\n", "sync/wire: no comment"},
		{"package documents", "cmd/punchlistd/main.go", "package main\n", "cmd/punchlistd: no comment"},
		{"exported names", "sync/op/a.go", "package op\n\nfunc Bare() {}\n", "a.go:3: Bare"},
		{"exported names", "sync/op/a.go", "package op\n\ntype Bare int\n", "a.go:3: Bare"},
		{"exported names", "sync/op/a.go", "package op\n\nvar (\n\t// A is.\n\tA int\n\tB int\n)\n", "a.go:6: B"},
		{"exported names", "sync/op/a.go", "package op\n\n// T is.\ntype T[K any] int\n\nfunc (t *T[K]) Bare() {}\n", "a.go:6: Bare"},
		{"lengths", "sync/op/a.go", "package op\n" + strings.Repeat("\n", 600), "601 lines"},
		{"lengths", "sync/op/a.go", "package op\n\nfunc long() {\n" + strings.Repeat("\n", 69) + "}\n", "long has 71 lines"},
		{"clocks and chance", "tui/a.go", "package tui\n\nimport \"time\"\n\nvar now = time.Now\n", "a.go:5: time.Now"},
		{"clocks and chance", "tui/a.go", "package tui\n\nimport t \"time\"\n\nfunc f() { t.Sleep(1) }\n", "t.Sleep"},
		{"clocks and chance", "sync/op/a.go", "package op\n\nimport \"time\"\n\nvar since = time.Since\n", "time.Since"},
		{"clocks and chance", "localdb/a.go", "package localdb\n\nimport _ \"math/rand/v2\"\n", "math/rand/v2"},
		{"small interfaces", "sync/op/a.go", "package op\n\ntype wide interface{ A(); B(); C(); D(); E(); F(); G() }\n", "7 methods"},
		{"no dot imports, cgo", "sync/op/a.go", "package op\n\nimport . \"fmt\"\n", `"fmt"`},
		{"no dot imports, cgo", "sync/op/a.go", "package op\n\nimport \"C\"\n", `"C"`},
	}
	for rule := range rules {
		if got := breaches(t, rule, sound); len(got) > 0 {
			t.Errorf("%s finds in the sound project: %q", rule, got)
		}
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		broken := maps.Clone(sound)
		broken[tt.file] = tt.text
		if tt.text == "(none)" {
			delete(broken, tt.file)
		}
		got := breaches(t, tt.rule, broken)
		if len(got) != 1 || !strings.Contains(got[0], tt.says) {
			t.Errorf("%s, with %s %.60q: %q; want one line with %q", tt.rule, tt.file, tt.text, got, tt.says)
		}
		seen[tt.rule] = true
	}
	for rule := range rules {
		if !seen[rule] {
			t.Errorf("nothing here breaks the rule %q", rule)
		}
	}
}

func breaches(t *testing.T, rule string, files map[string]string) []string {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	project, err := readTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return rules[rule](project)
}
