package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/reach"
)

func (a *app) stateCmd() *cobra.Command {
	var read bool
	cmd := &cobra.Command{Use: "state", Short: "Show what is sent, what waits, and whether the server answers", Example: "  punchlist state --json\n  punchlist state --read", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				if err := a.state(ctx, db); err != nil || !read {
					return err
				}
				return db.ReadNotices(ctx)
			})
		}}
	cmd.Flags().BoolVar(&read, "read", false, "take the notices that it shows as read")
	return a.jsonFlag(cmd)
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
	if a.json {
		out := map[string]any{"reach": r, "detail": detail, "server": d.ServerURL, "user": d.User, "device_id": d.ID, "pending": s.Pending, "parked": s.Parked,
			"conflicts": s.Conflicts, "last_sync": nil, "clock_offset_ms": d.ClockOffset, "database": db.Path(), "tasks": s.Tasks}
		if s.LastSync != 0 {
			out["last_sync"] = s.LastSync
		}
		told := []map[string]any{}
		for _, n := range notices {
			told = append(told, map[string]any{"code": n.Code, "message": n.Message, "at": n.At, "times": n.Times})
		}
		out["notices"] = told
		return a.printJSON(out)
	}
	line := func(name, format string, args ...any) {
		a.printf("%-10s "+format+"\n", append([]any{name}, args...)...)
	}
	reachText := string(r)
	if detail != "" {
		reachText += ": " + detail
	}
	line("server", "%s", orNone(d.ServerURL))
	line("reach", "%s", reachText)
	line("user", "%s", d.User)
	line("tasks", "%d", s.Tasks)
	line("waiting", "%d changes of %d tasks", s.Pending, s.PendingTasks)
	line("refused", "%d", s.Parked)
	line("conflicts", "%d", s.Conflicts)
	line("last sync", "%s", lastSync(s.LastSync))
	if off := time.Duration(d.ClockOffset) * time.Millisecond; off.Abs() > 2*time.Second {
		line("clock", "this laptop's clock is %s %s; changes are dated right all the same", off.Abs().Round(time.Second), map[bool]string{true: "slow", false: "fast"}[off > 0])
	}
	line("database", "%s", db.Path())
	for _, n := range notices {
		line("notice", "%s  %s", when(n.At), n.Message)
	}
	if len(notices) > 0 {
		a.note("Try: punchlist state --read, once you have read the notices")
	}
	return nil
}

// look asks the server once whether it is there.
func (a *app) look(ctx context.Context, db *localdb.DB) (reach.State, string) {
	remote, err := newRemotes(db, nil).get(ctx)
	switch {
	case errors.Is(err, engine.ErrNotEnrolled):
		return reach.NotEnrolled, ""
	case err != nil:
		return reach.Offline, err.Error()
	}
	defer remote.Hangup()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return lookAt(ctx, remote)
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
