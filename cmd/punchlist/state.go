package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/reach"
)

func (a *app) stateCmd() *cobra.Command {
	var read bool
	cmd := &cobra.Command{Use: "state", Short: "Show what is sent, what waits, and whether the server answers", Example: "  punchlist state --json\n  punchlist state --read", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				if err := a.state(ctx, db); err != nil || !read {
					return err
				}
				return db.ReadNotices(ctx)
			})
		}}
	cmd.Flags().BoolVar(&read, "read", false, "take the notices that it shows as read")
	return a.JSONFlag(cmd)
}

func (a *app) state(ctx context.Context, db *localdb.DB) error {
	s, err := db.Summary(ctx)
	if err != nil {
		return err
	}
	notices, err := db.Notices(ctx)
	if err != nil {
		return err
	}
	r, detail := a.look(ctx, db)
	d := s.Device
	wait, err := waitOf(db, s, r, detail)
	if err != nil {
		return err
	}
	off := d.ClockOffset
	if s.ClockOff != 0 {
		off = s.ClockOff
	}
	if a.JSON {
		out := map[string]any{"reach": r, "detail": detail, "server": d.ServerURL, "user": d.User, "device_id": d.ID, "pending": s.Pending, "parked": s.Parked,
			"conflicts": s.Conflicts, "last_sync": nil, "clock_offset_ms": off, "database": db.Path(), "tasks": s.Tasks,
			"waiting_for": wait.why, "next_try": nil, "sender": wait.sender}
		if wait.next != 0 {
			out["next_try"] = wait.next
		}
		if s.LastSync != 0 {
			out["last_sync"] = s.LastSync
		}
		told := []map[string]any{}
		for _, n := range notices {
			told = append(told, map[string]any{"code": n.Code, "message": n.Message, "at": n.At, "times": n.Times})
		}
		out["notices"] = told
		return a.PrintJSON(out)
	}
	line := func(name, format string, args ...any) {
		a.Printf("%-10s "+format+"\n", append([]any{name}, args...)...)
	}
	reachText := string(r)
	if detail != "" {
		reachText += ": " + detail
	}
	line("server", "%s", orNone(d.ServerURL))
	line("reach", "%s", reachText)
	line("user", "%s", d.User)
	line("tasks", "%d", s.Tasks)
	line("waiting", "%s of %s%s", cli.Count(s.Pending, "change"), cli.Count(s.PendingTasks, "task"), wait)
	line("refused", "%d", s.Parked)
	line("conflicts", "%d", s.Conflicts)
	line("last sync", "%s", lastSync(s.LastSync))
	if off := time.Duration(off) * time.Millisecond; off.Abs() > wrongClock {
		line("clock", "this laptop's clock is %s %s; changes are dated right all the same", off.Abs().Round(time.Second), map[bool]string{true: "slow", false: "fast"}[off > 0])
	}
	line("database", "%s", db.Path())
	for _, n := range notices {
		line("notice", "%s  %s", when(n.At), n.Message)
	}
	if len(notices) > 0 {
		a.Note("Try: punchlist state --read, once you have read the notices")
	}
	return nil
}

// wrongClock is from where on a laptop's clock is called wrong.
const wrongClock = 2 * time.Minute

// waiting is why changes wait while nothing is being tried.
type waiting struct {
	why    string // "": nothing waits, or it is being sent
	next   int64  // when the sender tries by itself, ms; 0: not by itself
	sender bool   // a program on this laptop looks after it
}

func (w waiting) String() string {
	text := ""
	if w.why != "" {
		text = ": " + w.why
	}
	if w.next != 0 {
		text += "; next try " + when(w.next)
	}
	return text
}

// waitOf asks the program that sends, and where there is none says so.
func waitOf(db *localdb.DB, s localdb.Summary, r reach.State, detail string) (waiting, error) {
	note, running, err := db.Sender()
	w := waiting{sender: running}
	switch {
	case err != nil || s.Pending == 0:
	case running:
		w.why, w.next = note.Why, note.NextTry
	case r == reach.NotEnrolled:
		w.why = "this laptop has joined no server yet (punchlist enroll)"
	case r != reach.Online && detail != "":
		w.why = detail + "; and no program sends (punchlist sync, or open the screen)"
	default:
		w.why = "no program sends (punchlist sync, or open the screen)"
	}
	return w, err
}

// look asks the server once whether it is there.
func (a *app) look(ctx context.Context, db *localdb.DB) (reach.State, string) {
	err := newRemotes(db, nil).ping(ctx)
	switch {
	case errors.Is(err, engine.ErrNotEnrolled):
		return reach.NotEnrolled, ""
	case err != nil:
		return engine.ReachOf(err), err.Error()
	}
	return reach.Online, ""
}

const lookTimeout = 5 * time.Second

func orNone(s string) string {
	if s == "" {
		return "none: this laptop has joined no server (punchlist enroll)"
	}
	return s
}

func lastSync(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return when(ms)
}
