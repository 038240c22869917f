package tui

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Ground is what the terminal's background is like; it is never asked.
type Ground string

// The grounds. Colours for AnyGround read on both.
const (
	AnyGround   Ground = ""
	DarkGround  Ground = "dark"
	LightGround Ground = "light"
)

// styles are all looks there are. Only the 16 colours, and of these, where the
// ground is not told, only ones that read on light and dark.
// Nothing is told by a style alone; words and glyphs say it too.
type styles struct {
	plain    lipgloss.Style
	head     lipgloss.Style // the head line of a screen
	section  lipgloss.Style // headings inside a screen
	selected lipgloss.Style // the row the keys act on
	key      lipgloss.Style // a key's name in the key line
	good     lipgloss.Style // passed, sent, online
	bad      lipgloss.Style // failed, refused, overdue
	warn     lipgloss.Style // waiting, offline
	glyphs   glyphs
}

// glyphs are the few signs beyond ASCII, with what stands for them where the
// locale cannot show them.
type glyphs struct {
	cut      string // the end of a text that was cut
	bar      string // between list and task
	rule     string
	pending  string
	parked   string
	merged   string
	conflict string
}

func newStyles(o Options) styles {
	r := lipgloss.NewRenderer(io.Discard)
	// Set, never asked: asking writes to the terminal and waits for its answer.
	// NO_COLOR takes the colours out below; the profile stays, because lipgloss
	// would drop bold and reverse with it.
	r.SetColorProfile(termenv.ANSI)
	r.SetHasDarkBackground(true)
	base := r.NewStyle()
	s := styles{
		plain: base, head: base.Bold(true), section: base.Bold(true), selected: base.Reverse(true), key: base.Bold(true),
		good: base, bad: base.Bold(true), warn: base.Bold(true),
		glyphs: glyphs{cut: "…", bar: "│", rule: "─", pending: "+", parked: "!", merged: "=", conflict: "≠"},
	}
	if o.ASCII {
		s.glyphs = glyphs{cut: "~", bar: "|", rule: "-", pending: "+", parked: "!", merged: "=", conflict: "X"}
	}
	if !o.NoColor {
		good, bad, warn, section := "2", "1", "5", "6"
		switch o.Ground {
		case DarkGround: // the bright half, for the sun
			good, bad, warn, section = "10", "9", "11", "14"
		case LightGround:
			section = "4"
		}
		s.good = base.Foreground(lipgloss.Color(good))
		s.bad = base.Bold(true).Foreground(lipgloss.Color(bad))
		s.warn = base.Bold(true).Foreground(lipgloss.Color(warn))
		s.section = base.Bold(true).Foreground(lipgloss.Color(section))
	}
	return s
}
