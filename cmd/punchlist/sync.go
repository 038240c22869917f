package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/reach"
)

func (a *app) syncCmd() *cobra.Command {
	var watch bool
	var timeout time.Duration
	cmd := &cobra.Command{Use: "sync", Short: "Send what waits and fetch what changed, once",
		Long: `Send what waits and fetch what changed, once. With --watch it goes on until it is
stopped, as a service beside other programs. The screen syncs by itself.`,
		Example: "  punchlist sync\n  punchlist sync --watch", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				if watch {
					return a.syncWatch(ctx, db)
				}
				within, cancel := context.WithTimeout(ctx, timeout)
				defer cancel()
				err := a.syncOnce(within, db)
				if within.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
					return late(err, timeout)
				}
				return err
			})
		}}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on until stopped")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long one round may take")
	return a.JSONFlag(cmd)
}

func (a *app) syncOnce(ctx context.Context, db *localdb.DB) error {
	log, closeLog := a.logger()
	defer closeLog()
	m := a.Meter(0)
	defer m.End()
	e, err := newEngine(db, syncOptions{log: log, onStatus: func(s engine.Status) { meterStatus(m, s) }}, nil, nil)
	if err != nil {
		return err
	}
	r, err := e.Round(ctx)
	m.End()
	if errors.Is(err, engine.ErrNotEnrolled) {
		return &localdb.Error{Message: err.Error(), Hint: "punchlist enroll, with an invite from the server's administrator", Cause: err}
	}
	if errors.Is(err, engine.ErrOtherSender) {
		return a.otherSender(ctx, db)
	}
	if a.JSON {
		out := map[string]any{"pushed": r.Pushed, "pulled": r.Pulled, "conflicts": r.Conflicts, "parked": r.Parked, "pending": r.Pending, "reach": r.Reach}
		if perr := a.PrintJSON(out); perr != nil {
			return perr
		}
	} else if err == nil {
		a.Note("Sent %s, received %d. Waiting: %d.", cli.Count(r.Pushed, "change"), r.Pulled, r.Pending)
	}
	if r.Conflicts > 0 {
		a.Note("%s met somebody else's: punchlist conflicts", cli.Count(r.Conflicts, "change"))
	}
	if r.Parked > 0 {
		a.Note("Refused and kept, %s: punchlist queue", cli.Count(r.Parked, "change"))
	}
	if err != nil {
		return fmt.Errorf("sync (%s, safe on this laptop): %w", stillWait(r.Pending), err)
	}
	return nil
}

// late is a round that --timeout ended. What was settled until then stays.
func late(err error, timeout time.Duration) error {
	return &localdb.Error{Message: strings.TrimSuffix(err.Error(), context.DeadlineExceeded.Error()) + "no end within " + timeout.String(),
		Hint: "punchlist sync again where the network is better, or give it longer with --timeout", Cause: err}
}

// meterStatus says on a terminal how far a round is.
func meterStatus(m *cli.Meter, s engine.Status) {
	switch s.Activity {
	case engine.Sending:
		m.Say("Sending: %d of %d", s.Done, s.Total)
	case engine.Receiving:
		m.Say("Receiving: %s", cli.Count(s.Done, "record"))
	}
}

// stillWait is "1 change waits" or "3 changes wait".
func stillWait(n int) string { return cli.Count(n, "change") + " " + cli.Verb(n, "wait") }

// otherSender: the screen, or a service, syncs this database already; what
// waits goes out through it. One that works offline would not hold the lock.
func (a *app) otherSender(ctx context.Context, db *localdb.DB) error {
	s, err := db.Summary(ctx)
	if err != nil {
		return err
	}
	r, detail := a.look(ctx, db)
	if a.JSON {
		text := "another punchlist on this laptop syncs already"
		if detail != "" {
			text += "; " + detail
		}
		return a.PrintJSON(map[string]any{"pushed": 0, "pulled": 0, "conflicts": 0, "parked": 0, "pending": s.Pending, "reach": r, "detail": text})
	}
	text := fmt.Sprintf("Another punchlist on this laptop syncs already; %s and %s out through it", stillWait(s.Pending), map[bool]string{true: "goes", false: "go"}[s.Pending == 1])
	switch {
	case r == reach.Online:
		a.Note("%s.", text)
	case detail == "":
		a.Note("%s once the server answers (%s).", text, r)
	default:
		a.Note("%s once the server answers (%s: %s).", text, r, detail)
	}
	return nil
}

func (a *app) syncWatch(ctx context.Context, db *localdb.DB) error {
	log, closeLog := a.logger()
	defer closeLog()
	last := ""
	s, err := startSync(ctx, db, syncOptions{log: log, onStatus: func(st engine.Status) {
		line := string(st.Reach)
		if st.Detail != "" {
			line += ": " + st.Detail
		}
		if line != last {
			a.Note("%s  %s", time.Now().Format("15:04"), line)
			last = line
		}
	}})
	if err != nil {
		return err
	}
	<-ctx.Done()
	s.stop()
	return nil
}
