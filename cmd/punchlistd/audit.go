package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/server"
)

func (a *app) auditCmd() *cobra.Command {
	var since string
	cmd := &cobra.Command{Use: "audit [--since TIME]", Short: "Who did what: every change that was decided, and all administration",
		Long: `Who did what: one line for every change that a laptop or the office sent, whatever
became of it, and for everything that the administration did, by time. It names
records and fields, never their values; beside a record's id stands what it is called
now, while the server has it.`,
		Example: "  punchlistd audit --since 24h\n  punchlistd audit --since 2026-11-01 --json\n  punchlistd audit verify", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := sinceTime(since, time.Now())
			if err != nil {
				return err
			}
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				return a.audit(ctx, srv, store, from)
			})
		}}
	cmd.Flags().StringVar(&since, "since", "", "from when on: 24h, 2026-11-01 or 2026-11-01T08:00")
	cmd.AddCommand(a.auditVerifyCmd())
	return a.JSONFlag(cmd)
}

// sinceTime reads a time in the past, as a duration or a date; ms.
func sinceTime(text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()).UnixMilli(), nil
	}
	if t, err := localdb.ParseStart(text, now); err == nil {
		return t.UnixMilli(), nil
	}
	return 0, cli.Usage("--since 24h, or --since 2026-11-01", "%q is no time", text)
}

// entryJSON is an entry as --json prints it.
type entryJSON struct {
	At         int64    `json:"at"`
	What       string   `json:"what"`
	User       string   `json:"user"`
	Device     string   `json:"device"`
	DeviceName string   `json:"device_name,omitempty"`
	Crew       string   `json:"crew"`
	No         int64    `json:"no"`
	Op         string   `json:"op_id,omitempty"`
	Kind       string   `json:"entity_type,omitempty"`
	Entity     string   `json:"entity_id"`
	Name       string   `json:"name,omitempty"` // as the record is called now
	Action     string   `json:"action,omitempty"`
	Fields     []string `json:"fields,omitempty"`
	Code       string   `json:"code,omitempty"`
	Seal       string   `json:"seal"`
}

func toEntryJSON(e server.Entry) entryJSON {
	out := entryJSON{At: e.At, What: e.What, User: e.User, Device: e.Device, Crew: e.Crew, No: e.No, Op: e.Op, Kind: string(e.Kind), Entity: e.Entity, Seal: e.Seal}
	var detail struct {
		Action, Code string
		Fields       []string
	}
	if json.Unmarshal([]byte(e.Detail), &detail) == nil {
		out.Action, out.Fields, out.Code = detail.Action, detail.Fields, detail.Code
	}
	return out
}

func (a *app) audit(ctx context.Context, srv *server.Server, store server.Store, since int64) error {
	n, waiting, known := 0, []server.Entry{}, names{}
	flush := func() error {
		err := known.look(ctx, store, waiting)
		for _, e := range waiting {
			if err != nil {
				return err
			}
			out := toEntryJSON(e)
			out.Name, out.DeviceName = known.records[e.Entity], known.devices[e.Device]
			err = a.auditLine(out, n)
			n++
		}
		waiting = waiting[:0]
		return err
	}
	for e, err := range srv.Audit(ctx, since) {
		if err != nil {
			return err
		}
		if waiting = append(waiting, e); len(waiting) == auditAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	switch {
	case a.JSON && n == 0:
		return a.PrintJSON([]entryJSON{})
	case a.JSON:
		a.Printf("\n]\n")
	case n == 0:
		a.Note("Nothing was done%s.", map[bool]string{true: " since then"}[since != 0])
	}
	return nil
}

// auditLine prints the nth entry: a list that is as long as the server is old is
// not gathered first.
func (a *app) auditLine(e entryJSON, n int) error {
	if !a.JSON {
		a.Printf("%s\n", cli.Plain(e.line()))
		return nil
	}
	a.Printf("%s", map[bool]string{true: "[\n  ", false: ",\n  "}[n == 0])
	return a.PrintJSONInside(e, "  ")
}

func (e entryJSON) line() string {
	line := fmt.Sprintf("%s  %-10s  %s", when(e.At), e.What, e.User)
	if e.Device != "" {
		line += " (" + strings.TrimSpace(e.DeviceName+" "+e.Device[:min(8, len(e.Device))]) + ")"
	}
	if e.Crew != "" {
		line += "  " + e.Crew
	}
	line += "  " + strings.TrimSpace(strings.ToLower(e.Action)+" "+e.Kind+" "+e.Entity)
	if e.Name != "" {
		line += " (" + e.Name + ")"
	}
	if len(e.Fields) > 0 {
		line += ": " + strings.Join(e.Fields, ", ")
	}
	if e.Code != "" {
		line += "  [" + e.Code + "]"
	}
	return line
}

func (a *app) auditVerifyCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "verify", Short: "Prove that no entry of the audit was changed or taken out",
		Long: `Prove that no entry of the audit was changed or taken out: every seal is computed
anew, and every fingerprint by which laptops know the server's history. Exit code
1 when something does not fit.`,
		Example: "  punchlistd audit verify", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, _ server.Store) error {
				m := a.Meter(time.Second)
				defer m.End()
				m.Say("proving the audit")
				v, err := srv.VerifyAudit(ctx)
				m.End()
				if err != nil {
					return err
				}
				if a.JSON {
					err = a.PrintJSON(map[string]any{"ok": len(v.Faults) == 0, "entries": v.Entries, "fingerprints": v.Links, "faults": append([]string{}, v.Faults...)})
				} else {
					a.Printf("%s, %s proved\n", counted(v.Entries, "entry", "entries"), counted(v.Links, "fingerprint", "fingerprints"))
				}
				if err != nil || len(v.Faults) == 0 {
					return err
				}
				for _, f := range v.Faults {
					a.Note("%s", f)
				}
				return &server.Fault{Message: "the audit is not what was written", Cure: "keep a copy of the database, compare it with a backup (punchlistd audit --json on both), and find out who could write to it"}
			})
		}})
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
