package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// demoScreen shows the demo's laptop, with a dispatcher at work on the server
// and a cable that ctrl+n pulls.
func (a *app) demoScreen(ctx context.Context, reset bool) error {
	dir, err := a.demoDir()
	if err != nil {
		return err
	}
	if reset {
		if err := resetDemo(ctx, dir); err != nil {
			return err
		}
	}
	if err := writable(dir); err != nil {
		return demoFault(dir, "XDG_DATA_HOME", err)
	}
	d, err := newDemo(ctx, dir, time.Now())
	if err != nil {
		return err
	}
	_, err = os.Stat(d.cableFile())
	pulled := err == nil
	d.cable.pull(pulled)
	err = a.show1(ctx, d.db, screenOptions{transport: d.cable, banner: "DEMO  ctrl+n pulls the cable", paused: pulled, beside: (&dispatcher{demo: d, seen: map[string]bool{}}).work,
		offline: func(s *syncer, on bool) { d.remember(on); d.cable.pull(on); s.Kick() }})
	return errors.Join(err, d.close())
}

// writable makes a folder where there is none, and a file in it for a moment.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// cableFile is there while the cable is pulled: who kills the program offline
// finds it offline again, with all that waits still waiting.
func (d *demo) cableFile() string { return filepath.Join(d.dir, "cable-is-pulled") }

// remember is a kindness, no promise: a folder that cannot be written to has
// stopped the demo before.
func (d *demo) remember(pulled bool) {
	if pulled {
		_ = os.WriteFile(d.cableFile(), nil, 0o600)
		return
	}
	_ = os.Remove(d.cableFile())
}

// resetDemo removes the demo's world, unless a demo still runs in it.
func resetDemo(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	db, err := localdb.Open(ctx, filepath.Join(dir, "laptop.db"), localdb.Options{})
	if err == nil {
		release, free, lockErr := db.TryLock()
		closeErr := db.Close()
		if lockErr != nil || closeErr != nil {
			return errors.Join(lockErr, closeErr)
		}
		if !free {
			return &localdb.Error{Message: "a demo is still running in another window", Hint: "close it first (q), then punchlist demo --reset"}
		}
		release()
	}
	return os.RemoveAll(dir)
}

// dispatcher is Dora at the office. While the cable is pulled she cannot know
// what Ann does, and changes just those tasks that Ann has changed: the first
// in another field, the second in the same one, and so on in turn.
type dispatcher struct {
	*demo
	seen map[string]bool // ops she has answered already
	n    int
}

func (o *dispatcher) work(ctx context.Context) {
	for range o.db.Changed(ctx) {
		if !o.cable.pulled.Load() {
			continue
		}
		rows, err := o.db.Queue(ctx, 0, 200)
		if err != nil {
			continue // the screen is closing
		}
		for _, r := range rows {
			if o.seen[r.Op.ID] || r.Op.Kind != op.Task || r.Op.Action != op.Update {
				continue
			}
			o.seen[r.Op.ID] = true
			_ = o.answer(ctx, r.Op) // she finds another task then
		}
	}
}

func (o *dispatcher) answer(ctx context.Context, theirs op.Op) error {
	fields := o.other(theirs)
	if o.n%2 == 1 {
		fields = o.same(theirs)
	}
	if fields == nil {
		return nil
	}
	o.n++
	return o.dispatch(ctx, theirs.Entity, fields)
}

// other picks a field that Ann left alone: both changes will stand.
func (o *dispatcher) other(theirs op.Op) op.Fields {
	for _, f := range []op.Fields{{"contact_phone": "+1 416 555 0142"}, {"priority": "high"}, {"estimate_minutes": int64(60)}} {
		for name := range f {
			if _, touched := theirs.Fields[name]; !touched {
				return f
			}
		}
	}
	return nil
}

// same picks a field that Ann changed: the later change will stand, and Ann is told.
func (o *dispatcher) same(theirs op.Op) op.Fields {
	if theirs.Fields["status"] != nil {
		return op.Fields{"status": string(op.OnHold), "reason": "customer", "reason_text": "Owner asks to come later"}
	}
	for name, v := range theirs.Fields {
		switch words := officeWords[name]; {
		case name == op.UpdatedAt:
		case name == "due_at":
			return op.Fields{name: time.Now().Add(48 * time.Hour).Truncate(time.Hour).UnixMilli()}
		case words[0] != "" && v != words[0]:
			return op.Fields{name: words[0]}
		case words[1] != "":
			return op.Fields{name: words[1]}
		}
	}
	return nil
}

// officeWords are what the dispatcher writes into a field; the second where Ann
// wrote the first herself.
var officeWords = map[string][2]string{
	"title":         {"Inspect with the owner present", "Second inspection, with the owner"},
	"description":   {"The owner asks to begin in the boiler room.", "Ring the caretaker an hour before."},
	"asset":         {"Boiler 2", "Passenger lift 1"},
	"priority":      {"emergency", "low"},
	"contact_name":  {"Ms Cole, owner", "Mr Reid, caretaker"},
	"contact_phone": {"+1 416 555 0199", "+1 416 555 0177"},
}
