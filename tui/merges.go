package tui

import (
	"strings"

	"example.com/punchlist/localdb"
)

// mergeNotice says in one line that others' changes stand beside this person's.
func (a *App) mergeNotice(news []localdb.Merge) string {
	m := news[0]
	out := "Merged with " + a.mergeWords(m) + " of " + a.text(m.Number) + "; both stand."
	if n := len(news) - 1; n > 0 {
		out += " And " + plural(n, "merge", "merges") + " more."
	}
	return out
}

// mergeWords is "dora's change to priority".
func (a *App) mergeWords(m localdb.Merge) string {
	who := a.text(localdb.Whose(m.Who, m.Laptop))
	if who == "" {
		who = "somebody else"
	}
	fields := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		fields[i] = fieldWord(f)
	}
	return who + "'s change to " + a.text(strings.Join(fields, ", "))
}
