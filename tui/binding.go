package tui

import (
	"maps"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
)

// KeyFault says why a command cannot have the keys that it was given.
type KeyFault struct {
	Command string
	Says    string // what is wrong
	Do      string // and what to do
}

// CheckKeys looks over keys that are given to commands, by the commands' names;
// no key takes a command's key away. What it finds nothing wrong with can be
// used as [Options].Keys.
func CheckKeys(keys map[string][]string) []KeyFault {
	var out []KeyFault
	k := newKeys()
	known := map[string]bool{}
	for _, c := range k.commands() {
		known[c.name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if !known[name] {
			out = append(out, KeyFault{name, "there is no command of that name", "punchlist config names all commands"})
		}
		if name == "back" && !slices.Contains(keys[name], "esc") {
			out = append(out, KeyFault{name, "esc always goes back", "name esc beside the other key"})
		}
		for _, s := range keys[name] {
			switch m, ok := pressOf(s); {
			case !ok:
				out = append(out, KeyFault{name, "\"" + s + "\" is no key that a terminal sends", "take a letter, space, or a name like ctrl+t, f5, home, tab"})
			case m.String() == "ctrl+c":
				out = append(out, KeyFault{name, "ctrl+c always quits", "take another key"})
			case len(s) == 1 && s[0] >= '1' && s[0] <= '9':
				out = append(out, KeyFault{name, s + " is a view's key", "take another key"})
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	k.rebind(keys)
	return k.collisions(keys)
}

// rebind gives commands other keys.
func (k *keyMap) rebind(keys map[string][]string) {
	for _, c := range k.commands() {
		names, changed := keys[c.name]
		if !changed {
			continue
		}
		names = slices.Clone(names)
		shown := slices.Clone(names)
		for i, n := range names {
			if n == "space" {
				names[i] = " "
			}
		}
		c.key.SetKeys(names...)
		c.key.SetHelp(strings.Join(shown[:min(2, len(shown))], "/"), c.key.Help().Desc)
		if len(names) == 0 {
			c.key.SetHelp("-", c.key.Help().Desc)
		}
	}
}

// collisions are the keys that two commands have in one place, as far as the
// settings made them so.
func (k *keyMap) collisions(keys map[string][]string) []KeyFault {
	var out []KeyFault
	all := k.commands()
	for i, c := range all {
		for _, d := range all[i+1:] {
			_, ofC := keys[c.name]
			_, ofD := keys[d.name]
			if !ofC && !ofD || !k.meet(c, d) {
				continue
			}
			if !ofC {
				c, d = d, c
			}
			for _, name := range c.key.Keys() {
				if slices.Contains(d.key.Keys(), name) {
					out = append(out, KeyFault{c.name, "the key " + keyName(name) + " is also that of " + d.name, "take another key, or give " + d.name + " another one"})
				}
			}
		}
	}
	return out
}

// meet tells whether two commands work in one place, so that one key cannot be
// for both.
func (k *keyMap) meet(c, d command) bool {
	for p := onTasks; p <= inConflicts; p++ {
		if k.worksAt(c, p) && k.worksAt(d, p) {
			return true
		}
	}
	return false
}

func (k *keyMap) worksAt(c command, p place) bool {
	switch c.key {
	case &k.Open, &k.Search: // / finds in the help of every screen
		return true
	case &k.Status:
		return p == onTasks || p == onSteps
	case &k.Mark, &k.MarkAll:
		return p == onTasks || p == inConflicts
	}
	return c.at == anywhere || c.at == p
}

func keyName(s string) string {
	if s == " " {
		return "space"
	}
	return s
}

// CommandHelp is a command as the settings and the palette know it.
type CommandHelp struct {
	Name string
	Keys []string
	Does string
}

// Commands lists every command with the keys that it has.
func Commands(keys map[string][]string) []CommandHelp {
	k := newKeys()
	k.rebind(keys)
	var out []CommandHelp
	for _, c := range k.commands() {
		h := CommandHelp{Name: c.name, Does: c.does}
		for _, s := range c.key.Keys() {
			h.Keys = append(h.Keys, keyName(s))
		}
		out = append(out, h)
	}
	return out
}

// named is how sentences speak of a key.
func named(b key.Binding) string { return b.Help().Key }
