package main

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
)

// seam is where a test steps in: the clock that is told, and what the program
// hands to the screen and to the engine. A build with the tag seams has other
// ones (seams_on.go); in every other build nothing stands between.
type seam struct {
	now    func() time.Time
	clock  op.Clock
	model  func(tea.Model) tea.Model
	engine func(engine.Options) engine.Options
}

func noSeams() seam {
	return seam{now: time.Now, clock: op.SystemClock, model: func(m tea.Model) tea.Model { return m }, engine: func(o engine.Options) engine.Options { return o }}
}
