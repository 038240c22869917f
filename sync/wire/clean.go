package wire

import "example.com/punchlist/sync/op"

// The server refuses control characters, but a device does not rest on that:
// what comes over the network is made safe where it enters, so that no text
// can ever steer the terminal that shows it.

func cleanResult(r *Result) {
	r.Field, r.Message = op.Clean(r.Field, false), op.Clean(r.Message, false)
	cleanFields(r.ServerState)
	cleanConflicts(r.Lost)
	cleanConflicts(r.Overrode)
}

func cleanConflicts(list []Conflict) {
	for i := range list {
		c := &list[i]
		c.Who, c.Device, c.Field = op.Clean(c.Who, false), op.Clean(c.Device, false), op.Clean(c.Field, false)
		c.DeviceName = op.Clean(c.DeviceName, false)
		c.Mine, c.Theirs = cleanValue(c.Mine), cleanValue(c.Theirs)
		cleanFields(c.MineAll)
		cleanFields(c.TheirsAll)
	}
}

func cleanFields(f op.Fields) {
	for name, v := range f {
		f[name] = cleanValue(v)
	}
}

func cleanValue(v any) any {
	if s, ok := v.(string); ok {
		return op.Clean(s, true)
	}
	return v
}

// line makes a stranger's text fit for one line on the screen.
func line(s string) string {
	r := []rune(op.Clean(s, false))
	if len(r) > 200 {
		r = append(r[:199], '…')
	}
	return string(r)
}
