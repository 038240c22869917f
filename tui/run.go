package tui

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/tui/terminal"
	tea "github.com/charmbracelet/bubbletea"
)

// Terminal runs a model on a terminal: Run until the model quits, ctx ends or
// the terminal is gone, with the terminal restored in each case; Send hands the
// model a message from another goroutine.
type Terminal interface {
	Run(ctx context.Context) error
	Send(msg tea.Msg)
}

// Program joins the screen with what happens outside of it: the engine's
// status, changes in the database by anybody, and the minutes.
type Program struct {
	o      Options
	app    *App
	cancel context.CancelFunc
	term   Terminal

	mu     sync.Mutex // guards newest
	newest *engine.Status
	wake   chan struct{} // newest was set
}

// NewProgram makes a program on the terminal that on makes for its model:
//
//	func(m tea.Model) (tui.Terminal, error) {
//		return terminal.New(m, terminal.Options{In: os.Stdin, Out: os.Stdout, Now: time.Now})
//	}
func NewProgram(ctx context.Context, o Options, on func(tea.Model) (Terminal, error)) (*Program, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &Program{o: o, app: New(ctx, o), cancel: cancel, wake: make(chan struct{}, 1)}
	var err error
	if p.term, err = on(p.app); err != nil {
		cancel()
		return nil, fmt.Errorf("open the terminal: %w", err)
	}
	return p, nil
}

// Status tells the screen what the engine sees. It never blocks, and the newest
// one wins: a screen that is held up does not hold up the engine.
func (p *Program) Status(s engine.Status) {
	p.mu.Lock()
	p.newest = &s
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Recover gives what every goroutine beside the screen is to defer: a panic in it
// ends the screen with the terminal restored, and Run returns it. On a terminal
// that restores nothing it does nothing.
func (p *Program) Recover() func() {
	if term, ok := p.term.(interface{ Recover() }); ok {
		return term.Recover // itself: inside of another function it would catch nothing
	}
	return func() {}
}

// Run shows the screen until the person quits, ctx ends or the terminal is
// gone; none of these is an error. When it returns nothing of the screen uses
// the database any more.
func (p *Program) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	recovered := p.Recover()
	done.Go(func() {
		defer recovered()
		p.pump(ctx)
	})
	err := p.term.Run(ctx)
	cancel()
	done.Wait()
	p.cancel() // reads end now; a write under way runs to its end
	p.app.jobs.finish()
	for _, calm := range []error{context.Canceled, terminal.ErrHangup, terminal.ErrTerminated, terminal.ErrInterrupted} {
		if errors.Is(err, calm) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("screen: %w", err)
	}
	return nil
}

// pump turns what happens outside into messages, until ctx ends.
func (p *Program) pump(ctx context.Context) {
	changed := p.o.DB.Changed(ctx)
	minute := time.NewTimer(untilMinute(p.o.Now()))
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-changed:
			if !open {
				changed = nil // the database was closed; the screen goes on until it is told to stop
				continue
			}
			p.term.Send(ChangedMsg{})
		case <-p.wake:
			p.mu.Lock()
			s := *p.newest
			p.mu.Unlock()
			p.term.Send(StatusMsg(s))
		case <-minute.C:
			p.term.Send(MinuteMsg{})
			minute.Reset(untilMinute(p.o.Now()))
		}
	}
}

func untilMinute(now time.Time) time.Duration {
	return now.Truncate(time.Minute).Add(time.Minute).Sub(now) + 10*time.Millisecond
}
