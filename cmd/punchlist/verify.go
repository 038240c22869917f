package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func (a *app) verifyCmd() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{Use: "verify", Short: "Compare this laptop with the server, record by record",
		Long: `Compare what this laptop was told with what the server holds. Both sides read all
their records for that; of those in which they differ, and of no others, the fields are
fetched and named. Changes that are not sent yet lie on top and are not compared.

It puts nothing right: the next sync does, and so does the screen by itself. The exit
code is 0 when both hold the same, else 1.`,
		Example: "  punchlist verify\n  punchlist verify --json", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				within, cancel := context.WithTimeout(ctx, timeout)
				defer cancel()
				err := a.verify(within, db)
				if within.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
					return &localdb.Error{Message: "verify: no end within " + timeout.String(), Hint: "try again where the network is better, or give it longer with --timeout", Cause: err}
				}
				return err
			})
		}}
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long it may take")
	return a.JSONFlag(cmd)
}

// verified is what came of a comparison.
type verified struct {
	crews map[string]pairOfStands
	wrong []localdb.Wrong
	more  int // leaves that differ and were not looked into
}

type pairOfStands struct{ Local, Server wire.Stand }

func (v verified) equal() bool {
	for _, p := range v.crews {
		if p.Local != p.Server {
			return false
		}
	}
	return len(v.wrong)+v.more == 0
}

func (a *app) verify(ctx context.Context, db *localdb.DB) error {
	m := a.Meter(time.Second)
	defer m.End()
	v, err := compareWithServer(ctx, db, m.Say)
	m.End()
	if err != nil {
		return verifyFault(err)
	}
	s, err := db.Summary(ctx)
	if err != nil {
		return err
	}
	if err := a.tellVerified(v, s); err != nil {
		return err
	}
	if v.equal() {
		return nil
	}
	return &localdb.Error{Message: fmt.Sprintf("laptop and server differ in %s", v.count()), Hint: "punchlist sync puts it right; changes that are not sent yet stay"}
}

func (v verified) count() string {
	text := cli.Count(len(v.wrong), "record")
	if v.more > 0 {
		text = "more than " + text
	}
	return text
}

// verifyFault says what the next step is where nothing could be compared.
func verifyFault(err error) error {
	if errors.Is(err, engine.ErrNotEnrolled) {
		return &localdb.Error{Message: err.Error(), Hint: "punchlist enroll, with an invite from the server's administrator", Cause: err}
	}
	hint := cli.Hint(err)
	var refused *wire.ServerError
	switch {
	case errors.As(err, &refused) && (refused.Problem.Code == wire.CodeReset || refused.Problem.Code == wire.CodeBehind || refused.Problem.Code == wire.CodeBadCursor):
		hint = "punchlist sync, which takes what the server holds now, and then verify again"
	case errors.Is(err, context.DeadlineExceeded):
		return err
	case hint == "" && !errors.Is(err, errRestless):
		hint = "verify again when the server answers; everything is safe on this laptop"
	}
	return &localdb.Error{Message: "nothing was compared: " + err.Error(), Hint: hint, Cause: err}
}

func (a *app) tellVerified(v verified, s localdb.Summary) error {
	names := slices.Sorted(maps.Keys(v.crews))
	if a.JSON {
		differing, crews := []map[string]any{}, []map[string]any{}
		for _, w := range v.wrong {
			differing = append(differing, map[string]any{"entity_type": w.Kind, "entity_id": w.ID, "what": whatIsWrong(w), "fields": append([]string{}, w.Fields...)})
		}
		for _, name := range names {
			p := v.crews[name]
			crews = append(crews, map[string]any{"crew": name, "local": p.Local, "server": p.Server})
		}
		return a.PrintJSON(map[string]any{"equal": v.equal(), "local": v.word(func(p pairOfStands) op.Digest { return p.Local.Digest }),
			"server": v.word(func(p pairOfStands) op.Digest { return p.Server.Digest }), "differing": differing, "more": v.more,
			"crews": crews, "pending": s.Pending, "parked": s.Parked})
	}
	for _, name := range names {
		p := v.crews[name]
		if p.Local == p.Server {
			a.Printf("crew %s: equal, %s at version %d\n", name, cli.Count(int(p.Server.Count), "record"), p.Server.Version)
			continue
		}
		a.Printf("crew %s: differs; this laptop holds %s, the server %d, at version %d\n", name, cli.Count(int(p.Local.Count), "record"), p.Server.Count, p.Server.Version)
	}
	for _, w := range v.wrong {
		a.Printf("%s %s: %s\n", op.Word(w.Kind), title(w), inWords(w))
	}
	if v.more > 0 {
		a.Printf("and others: %d parts of 256 were not looked into\n", v.more)
	}
	if n := s.Pending + s.Parked; n > 0 {
		a.Printf("not compared: %s that the server does not have yet\n", cli.Count(n, "change"))
	}
	return nil
}

// word stands for all crews together.
func (v verified) word(of func(pairOfStands) op.Digest) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(v.crews)) {
		d := of(v.crews[name])
		fmt.Fprintf(h, "%d:%s %d %x\n", len(name), name, d.Count, d.Sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func whatIsWrong(w localdb.Wrong) string {
	switch {
	case w.Here == nil:
		return "missing"
	case w.There == nil:
		return "extra"
	}
	return "different"
}

func title(w localdb.Wrong) string {
	rec := w.There
	if rec == nil {
		rec = w.Here
	}
	name := cmp.Or(rec.Fields.Text("title"), rec.Fields.Text("label"), rec.Fields.Text("name"), rec.Fields.Text("body"))
	if number := rec.Fields.Text(op.Number); number != "" {
		return fmt.Sprintf("%s %q (%s)", number, clipped(name), w.ID)
	}
	return fmt.Sprintf("%q (%s)", clipped(name), w.ID)
}

func inWords(w localdb.Wrong) string {
	switch {
	case w.Here == nil:
		return "missing on this laptop"
	case w.There == nil:
		return "not on the server"
	}
	text := ""
	for i, name := range w.Fields {
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("%s is %s here, %s there", name, member(w.Here, name), member(w.There, name))
	}
	return text
}

// member is what a record says of one name, its version included.
func member(r *localdb.Record, name string) string {
	v := r.Fields[name]
	switch name {
	case "version":
		v = r.Version
	case op.CrewField:
		v = r.Crew
	}
	if v == nil {
		return "nothing"
	}
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", clipped(s))
	}
	return fmt.Sprint(v)
}

func clipped(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return s
}
