package terminal_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/tui/terminal"
	tea "github.com/charmbracelet/bubbletea"
	"go.uber.org/goleak"
)

// keyCounter is a model that keeps the input messages Bubble Tea makes.
type keyCounter struct{ msgs *[]tea.Msg }

func (k keyCounter) Init() tea.Cmd { return nil }
func (k keyCounter) View() string  { return "" }
func (k keyCounter) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if m, ok := msg.(tea.KeyMsg); ok && m.String() == "ctrl+q" {
		return k, tea.Quit
	}
	*k.msgs = append(*k.msgs, msg)
	return k, nil
}

// A reader on a pipe, and the end of it that the terminal would have.
func pipeReader(t *testing.T) (*terminal.Reader, *os.File, *[]error) {
	t.Helper()
	in, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var ends []error
	r, err := terminal.NewReader(terminal.ReaderOptions{In: in, Now: time.Now, Ended: func(err error) { ends = append(ends, err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = r.Close(), in.Close(), typed.Close() })
	return r, typed, &ends
}

// All input in one packet becomes one message a key, none of them a heap of
// letters and none unknown to Bubble Tea.
func TestBubbleTeaSeesKeysOneByOne(t *testing.T) {
	r, typed, _ := pipeReader(t)
	want := 0
	for _, in := range inputs {
		want += len(in.keys)
		if _, err := typed.WriteString(in.bytes); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := typed.WriteString("\x1b[200~" + strings.Repeat("a long paste ", 5000) + "\x1b[201~\x11"); err != nil {
		t.Fatal(err)
	}
	var msgs []tea.Msg
	prog := tea.NewProgram(keyCounter{&msgs}, tea.WithInput(r), tea.WithOutput(io.Discard), tea.WithoutRenderer())
	if _, err := prog.Run(); err != nil {
		t.Fatal(err)
	}
	if len(msgs) != want+1 {
		t.Errorf("%d messages for %d keys: %v", len(msgs), want+1, msgs)
	}
	for _, msg := range msgs {
		switch msg := msg.(type) {
		case tea.MouseMsg:
		case tea.KeyMsg:
			if len(msg.Runes) > 1 && !msg.Paste {
				t.Errorf("several letters in one message: %q", msg)
			}
		default:
			t.Errorf("a key that Bubble Tea does not know: %T %v", msg, msg)
		}
	}
	if last, ok := msgs[len(msgs)-1].(tea.KeyMsg); !ok || !last.Paste || len(last.Runes) != 13*5000 {
		t.Errorf("the long paste came as %T of %d letters", msgs[len(msgs)-1], len(last.Runes))
	}
}

func TestReaderTellsTheEndOnce(t *testing.T) {
	r, typed, ends := pipeReader(t)
	if _, err := typed.WriteString("a"); err != nil {
		t.Fatal(err)
	}
	if err := typed.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); string(got) != "a" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if n, err := r.Read(make([]byte, 9)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if len(*ends) != 1 || !errors.Is((*ends)[0], io.EOF) {
		t.Errorf("told %v, want one end", *ends)
	}
}

// Close and Pause break off a Read that waits; a paused reader takes nothing.
func TestReaderIsInterrupted(t *testing.T) {
	r, typed, ends := pipeReader(t)
	got := make(chan string)
	go func() {
		defer close(got)
		buf := make([]byte, 9)
		for {
			n, err := r.Read(buf)
			if err != nil {
				return
			}
			got <- string(buf[:n])
		}
	}()
	for range 100 {
		r.Pause()
		if _, err := typed.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		select {
		case key := <-got:
			t.Fatalf("read %q while paused", key)
		default:
		}
		r.Resume()
		if key := <-got; key != "x" {
			t.Fatalf("read %q after the pause", key)
		}
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if key, more := <-got; more {
		t.Errorf("read %q after Close", key)
	}
	if len(*ends) != 0 {
		t.Errorf("Close was taken for the end of the input: %v", *ends)
	}
}

// quitter quits by itself, at once or when its context ends.
type quitter struct{ now bool }

func (q quitter) Init() tea.Cmd {
	if q.now {
		return tea.Quit
	}
	return nil
}
func (q quitter) View() string                        { return "frame" }
func (q quitter) Update(tea.Msg) (tea.Model, tea.Cmd) { return q, nil }

func TestProgramLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, now := range []bool{true, false} {
		s := start(t, nil, "sleep", "100").watch()
		prog, err := terminal.New(quitter{now}, terminal.Options{In: s.tty, Out: s.tty, Now: time.Now, Getenv: func(string) string { return "xterm" }})
		if err != nil {
			t.Fatal(err)
		}
		prog.Send("before it runs")
		ctx, cancel := context.WithCancel(context.Background())
		if !now {
			time.AfterFunc(10*time.Millisecond, cancel)
		}
		err = prog.Run(ctx)
		if want := ctx.Err(); !errors.Is(err, want) {
			t.Errorf("Run: %v, want %v", err, want)
		}
		cancel()
		for range 1000 {
			prog.Send("after it has ended")
		}
		s.expect("\x1b[?1049l")
		_ = s.cmd.Process.Kill()
		<-s.exited
		_, _ = s.master.Close(), s.tty.Close()
	}
}

func TestProgramNeedsAClock(t *testing.T) {
	if _, err := terminal.New(quitter{}, terminal.Options{}); err == nil || !strings.Contains(fmt.Sprint(err), "clock") {
		t.Errorf("without a clock: %v", err)
	}
}
