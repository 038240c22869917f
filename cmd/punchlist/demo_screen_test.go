package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/op"
)

// What the dispatcher writes over Ann's words is neither hers nor a sentence
// about the program, whatever was there before.
func TestDispatcherWritesAsPeopleDo(t *testing.T) {
	o := &dispatcher{}
	for name, words := range officeWords {
		for _, mine := range []any{nil, "", "my own", words[0], words[1]} {
			edit := op.Op{Kind: op.Task, Fields: op.Fields{name: mine, op.UpdatedAt: int64(1)}}
			got := o.same(edit)
			if len(got) != 1 || got.Text(name) == "" || got[name] == mine {
				t.Errorf("%s: Ann wrote %v, the dispatcher %v", name, mine, got)
			}
			if r := op.CheckFields(op.Task, op.Update, got); r != nil {
				t.Error(r)
			}
		}
	}
	if got := o.same(op.Op{Fields: op.Fields{"contact_name": "Mr Bell"}}); got["contact_name"] != "Ms Cole, owner" {
		t.Errorf("%v", got)
	}
}

// A home that cannot be written to is told before anything starts, and so is
// what the demo would otherwise pass over.
func TestDemoRefusals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{App: cli.App{Streams: cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}}, getenv: func(string) string { return file }}
	err := a.demoScreen(t.Context(), false)
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(cli.Hint(err), "set XDG_DATA_HOME") {
		t.Errorf("%v; %s", err, cli.Hint(err))
	}
	_, errs, code := typed(t, filepath.Join(t.TempDir(), "x.db"), "", "demo", "--script")
	wantRun(t, "demo --db", errs, code, 2, "folder of its own", "leave --db out")
	err = run(t.Context(), []string{"demo", "--script", "--reset"}, a.Streams)
	if err == nil || !strings.Contains(err.Error(), "leave --reset") {
		t.Error(err)
	}
}
