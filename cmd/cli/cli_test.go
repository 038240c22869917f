package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

func TestTell(t *testing.T) {
	cure := &localdb.Error{Message: "the pump is \x1b[31mdry", Hint: "fill it"}
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{errors.New("no"), 1, "prog: no\n"},
		{fmt.Errorf("pump: %w", cure), 1, "prog: pump: the pump is [31mdry\nTry: fill it\n"},
		{cli.Exit{Code: 3, Err: cure}, 3, "Try: fill it\n"},
		{cli.Exit{Code: 1}, 1, ""},
		{cli.Usage("prog --help", "%q is wrong", "x"), 2, "prog: \"x\" is wrong\nTry: prog --help\n"},
	} {
		var b bytes.Buffer
		code := cli.Tell(&b, "prog", c.err)
		if code != c.code || !strings.HasSuffix(b.String(), c.want) || c.want == "" && b.Len() > 0 {
			t.Errorf("%v: %d %q", c.err, code, b.String())
		}
	}
}

func TestArguments(t *testing.T) {
	cmd := &cobra.Command{Use: "prog A"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{cli.NoArgs(cmd, nil), ""},
		{cli.NoArgs(cmd, []string{"x"}), `"x" is no command of prog`},
		{cli.Args(1, -1)(cmd, make([]string, 9)), ""},
		{cli.Args(1, 2)(cmd, make([]string, 3)), "usage: prog A"},
		{cli.Args(1, 2)(cmd, nil), "usage: prog A"},
	} {
		if got := fmt.Sprint(c.err); c.want == "" && c.err != nil || c.want != "" && got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestParseValue(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	at := func(day, hour, minute int) int64 {
		return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC).UnixMilli()
	}
	for _, c := range []struct {
		field, text string
		want        any
	}{
		{"title", "Pump", "Pump"}, {"title", "", nil}, {"status", "on_hold", "ON_HOLD"},
		{"due_at", "12:00", at(23, 12, 0)}, {"due_at", "today", at(23, 23, 59)}, {"window_end", "+1d", at(24, 23, 59)},
		{"window_start", "tomorrow", at(24, 0, 0)}, {"window_start", "+2d", at(25, 0, 0)}, {"window_start", "12:00", at(23, 12, 0)}, {"window_start", "fri 8:00", at(27, 8, 0)}, {"window_start", "soon", "refused"},
		{"due_at", "1780000000000", int64(1780000000000)}, {"due_at", "soon", "refused"},
		{"estimate_minutes", "30", int64(30)}, {"estimate_minutes", "half", "refused"}, {"tag.urgent", "true", true}, {"tag.urgent", "perhaps", "refused"},
	} {
		f, _ := op.FieldOf(op.Task, c.field)
		got, err := cli.ParseValue(f, c.text, now)
		var r *op.Refusal
		switch {
		case errors.As(err, &r) && r.Field == c.field:
			got = "refused"
		case err != nil:
			t.Error(err)
		}
		if got != c.want {
			t.Errorf("%s=%s is %v, want %v", c.field, c.text, got, c.want)
		}
	}
}

// On a terminal a long work is told in one line, which is gone afterwards.
func TestMeter(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	a := &cli.App{Streams: cli.Streams{Err: slave}}
	m := a.Meter(0)
	m.Say("Sending: %d of %d\x1b", 3, 10)
	b := make([]byte, 100)
	n, err := master.Read(b)
	if got := string(b[:n]); err != nil || got != "\rSending: 3 of 10" {
		t.Fatalf("%q, %v", got, err)
	}
	m.End()
	m.End()
	n, err = master.Read(b)
	if got := string(b[:n]); err != nil || got != "\r"+strings.Repeat(" ", 16)+"\r" {
		t.Errorf("at the end: %q, %v", got, err)
	}
	short := a.Meter(time.Hour)
	short.Say("never shown")
	short.End()
	slave.Close()
	if rest, _ := io.ReadAll(master); len(rest) > 0 {
		t.Errorf("a short work said %q", rest)
	}
	master.Close()

	var none bytes.Buffer
	a.Err = &none
	m = a.Meter(0)
	m.Say("Sending")
	time.AfterFunc(time.Millisecond, m.End)
	m.End()
	if none.Len() > 0 {
		t.Errorf("no terminal, and %q", none.String())
	}
}

func TestReadImport(t *testing.T) {
	a := &cli.App{Streams: cli.Streams{In: strings.NewReader("title\nPump\n"), Err: io.Discard}}
	f, err := a.ReadImport("-", cli.Importing{})
	if err != nil || f.Rows != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "x.csv")
	if err := os.WriteFile(file, []byte("WHAT\nPump\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := a.ReadImport(file, cli.Importing{Read: exchange.Options{Map: []string{"title=WHAT"}}}); err != nil || f.Rows != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, name := range []string{dir, filepath.Join(dir, "none.csv")} {
		if _, err := a.ReadImport(name, cli.Importing{}); cli.Hint(err) == "" {
			t.Errorf("%s: %v has no hint", name, err)
		}
	}
}

// A file that cannot be written whole is left as it was.
func TestWriteFileKeepsTheOldOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := cli.WriteFile(path, func(w io.Writer) error {
		if _, err := w.Write([]byte("half")); err != nil {
			return err
		}
		return os.ErrClosed
	})
	got, _ := os.ReadFile(path)
	if err == nil || string(got) != "old" {
		t.Errorf("%v; the file holds %q", err, got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
