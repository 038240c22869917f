//go:build seams

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/tui/terminal"
)

// With the tag seams the files of the folder $PUNCHLIST_SEAMS are obeyed, from
// the moment on at which they are there:
//
//	clock          ms that the wall clock has stepped, forward or back
//	panic-update   the next message to the screen panics
//	panic-command  … its next command
//	panic-view     … its next frame
//	panic-round    the next round of the engine
//	panic-engine   the engine's own goroutine
//	panic-status   whoever is told the engine's status
var seams = seam{now: steppedNow, clock: steppedClock, model: func(m tea.Model) tea.Model { return unsteady{m.(ourModel)} }, engine: unsteadyEngine}

func seamFile(name string) string { return filepath.Join(os.Getenv("PUNCHLIST_SEAMS"), name) }

// provoke panics where a test wants it, once.
func provoke(name string) {
	if os.Remove(seamFile("panic-"+name)) == nil {
		panic("provoked in " + name)
	}
}

func stepped() time.Duration {
	text, err := os.ReadFile(seamFile("clock"))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	ms, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		panic(err)
	}
	return time.Duration(ms) * time.Millisecond
}

// steppedNow is what the wall says. The terminal keeps its own clock, for a step
// changes no span of time.
func steppedNow() time.Time { return time.Now().Round(0).Add(stepped()) }

// steppedClock: the boot clock runs on as it does through a step.
func steppedClock() op.Reading {
	r := op.SystemClock()
	r.Wall += stepped().Milliseconds()
	return r
}

// ourModel is all that the terminal asks of a model.
type ourModel interface {
	tea.Model
	terminal.CursorPlacer
	terminal.Leaver
}

// unsteady is a model that panics when told to.
type unsteady struct{ ourModel }

func (u unsteady) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	provoke("update")
	model, cmd := u.ourModel.Update(msg)
	if os.Remove(seamFile("panic-command")) == nil {
		cmd = tea.Batch(cmd, func() tea.Msg { panic("provoked in command") })
	}
	return unsteady{model.(ourModel)}, cmd
}

func (u unsteady) View() string {
	provoke("view")
	return u.ourModel.View()
}

func unsteadyEngine(o engine.Options) engine.Options {
	remote, lock, status, clock := o.Remote, o.Lock, o.OnStatus, op.Clock(steppedClock)
	o.Remote = func(ctx context.Context) (engine.Remote, error) { provoke("round"); return remote(ctx) }
	o.Lock = func() (func(), bool, error) { provoke("engine"); return lock() }
	o.OnStatus = func(s engine.Status) { provoke("status"); status(s) }
	o.Clock = func() op.Reading { return clock() }
	return o
}
