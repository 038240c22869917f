// Package background keeps Bubble Tea from asking the terminal for its
// background colour before main has begun.
//
// Bubble Tea v1 does that in a package init: it writes OSC 11 and a cursor
// report request and waits for the answer, one round trip on a good link, five
// seconds on a terminal that never answers, swallowing or leaking what is typed
// meanwhile, and for every command of the program, "version" too. The question
// is skipped when lipgloss has already been told an answer.
//
// Go initialises the packages that are ready in the order of their import
// paths. This package needs nothing but lipgloss, which Bubble Tea needs too,
// so both are ready at the same moment and the path decides:
// example.com/punchlist sorts before github.com/charmbracelet/bubbletea. Two
// things would break it: another import here that is initialised later than
// Bubble Tea, and a module path that sorts behind it.
//
// Each program imports it for its effect alone:
//
//	import _ "example.com/punchlist/tui/terminal/background"
//
// The answer given, dark, means nothing here: light or dark is a setting of the
// program, and no adaptive colour is used.
package background

import "github.com/charmbracelet/lipgloss"

func init() { lipgloss.SetHasDarkBackground(true) }
