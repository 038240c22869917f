package tui_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/tui"
	"example.com/punchlist/tui/terminal"
	tea "github.com/charmbracelet/bubbletea"
)

// fakeTerminal keeps what a model would be sent, and ends when told.
type fakeTerminal struct {
	got chan tea.Msg
	end chan error
}

func newFakeTerminal() *fakeTerminal {
	return &fakeTerminal{got: make(chan tea.Msg, 100), end: make(chan error, 1)}
}

func (f *fakeTerminal) Send(msg tea.Msg) { f.got <- msg }

func (f *fakeTerminal) Run(ctx context.Context) error {
	select {
	case err := <-f.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *story) program(f *fakeTerminal) *tui.Program {
	p, err := tui.NewProgram(s.ctx(), s.o, func(tea.Model) (tui.Terminal, error) { return f, nil })
	s.must(err)
	return p
}

func TestProgramTellsTheScreen(t *testing.T) {
	s := newStory(t)
	f := newFakeTerminal()
	p := s.program(f)
	for i := range 1000 { // nobody reads yet: a held-up screen must not hold up the engine
		p.Status(engine.Status{Reach: reach.Online, Done: i})
	}
	ctx, cancel := context.WithCancel(s.ctx())
	var done sync.WaitGroup
	var err error
	done.Go(func() { err = p.Run(ctx) })
	if got, ok := (<-f.got).(tui.StatusMsg); !ok || got.Done != 999 {
		t.Errorf("the first message is %+v, not the newest status", got)
	}
	_, addErr := s.db.AddTask(s.ctx(), map[string]any{"title": "From elsewhere"})
	s.must(addErr)
	for {
		if _, ok := (<-f.got).(tui.ChangedMsg); ok {
			break
		}
	}
	cancel()
	done.Wait()
	if err != nil {
		t.Errorf("an ended context is reported as %v", err)
	}
	p.Status(engine.Status{}) // after the end: nobody there, no harm
}

// sturdyTerminal ends with what a goroutine beside it panicked with.
type sturdyTerminal struct{ *fakeTerminal }

func (f sturdyTerminal) Recover() {
	if v := recover(); v != nil {
		f.end <- fmt.Errorf("panic: %v", v)
	}
}

func TestAPanicBesideTheScreenEndsIt(t *testing.T) {
	s := newStory(t)
	p, err := tui.NewProgram(s.ctx(), s.o, func(tea.Model) (tui.Terminal, error) { return sturdyTerminal{newFakeTerminal()}, nil })
	s.must(err)
	var beside sync.WaitGroup
	beside.Go(func() {
		defer p.Recover()()
		panic("boom")
	})
	if err := p.Run(s.ctx()); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("the screen ended with %v", err)
	}
	beside.Wait()
	s.program(newFakeTerminal()).Recover()() // one that restores nothing
}

func TestProgramEndsCalmly(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct{ end, want error }{
		{nil, nil}, {fmt.Errorf("run: %w", terminal.ErrHangup), nil}, {terminal.ErrTerminated, nil}, {broken, broken},
	} {
		s := newStory(t)
		f := newFakeTerminal()
		f.end <- c.end
		if err := s.program(f).Run(s.ctx()); !errors.Is(err, c.want) || (c.want == nil && err != nil) {
			t.Errorf("%v is reported as %v", c.end, err)
		}
	}
	s := newStory(t)
	_, err := tui.NewProgram(s.ctx(), s.o, func(tea.Model) (tui.Terminal, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("a terminal that cannot be had: %v", err)
	}
}
