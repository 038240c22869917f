package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/server"
)

func (a *app) recurCmd() *cobra.Command {
	return group("recur", "Recurring work: a task for each of its dates", a.recurAddCmd(), a.recurListCmd(), a.recurRemoveCmd(), a.recurRunCmd())
}

func (a *app) recurAddCmd() *cobra.Command {
	var r server.Rule
	var window string
	cmd := &cobra.Command{Use: "add NAME TITLE [FIELD=VALUE…]", Short: "Add recurring work to a crew",
		Long: `Add recurring work to a crew. A serving punchlistd makes the task of each date some
days ahead (recur run does so at once), with the checklist of its type. Each task is
made once, whatever servers make it, and does not come back when it was deleted.
{date} in a text is the date.`,
		Example: `  punchlistd recur add boiler 'Inspect the boiler {date}' --crew north --every month --from 2026-12-01 type=inspection assignee=ann
  punchlistd recur add round 'Morning round' --crew north --every day --window 07:00-09:00 --ahead 2`, Args: cli.Args(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fields, err := parseFields(args[2:], time.Now())
			if err != nil {
				return err
			}
			fields["title"] = args[1]
			for name, v := range fields {
				if v == nil {
					delete(fields, name)
				}
			}
			if window != "" {
				var ok bool
				if r.Start, r.Due, ok = cutWindow(window); !ok {
					return cli.Usage("--window 07:00-09:00", "--window %q is not HH:MM-HH:MM", window)
				}
			}
			if r.From == "" {
				r.From = "today"
			}
			for _, date := range []*string{&r.From, &r.Until} {
				if t, err := localdb.ParseStart(*date, time.Now()); err == nil { // else the server says what is wrong
					*date = t.Format(time.DateOnly)
				}
			}
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				by, err := a.office(ctx, srv, store)
				if err != nil {
					return err
				}
				if err := checkAssignee(ctx, store, by.Crews[0], fields); err != nil {
					return err
				}
				r.Name, r.Crew, r.Task = args[0], by.Crews[0], fields
				if err := srv.AddRule(ctx, r); err != nil {
					return err
				}
				a.next("recur run")
				return nil
			})
		}}
	f := cmd.Flags()
	f.StringVar(&a.crew, "crew", "", "the crew; may be left out while there is only one")
	f.StringVar(&r.Every, "every", "week", "day, week, month, year, or several: '2 weeks'")
	f.StringVar(&r.From, "from", "", "the first date (default: today)")
	f.StringVar(&r.Until, "until", "", "no task after this date")
	f.StringVar(&r.Due, "due", "17:00", "when it is due on its date")
	f.StringVar(&window, "window", "", "the appointment, 07:00-09:00, instead of --due")
	f.IntVar(&r.Ahead, "ahead", 7, "how many days before its date a task is made")
	f.StringVar(&r.Zone, "tz", localZone(), "time zone of the dates")
	return cmd
}

// localZone is this machine's time zone by a name that every machine knows.
func localZone() string {
	if name := time.Local.String(); name != "Local" {
		return name
	}
	file, err := filepath.EvalSymlinks("/etc/localtime")
	_, name, ok := strings.Cut(file, "/zoneinfo/")
	if _, bad := time.LoadLocation(name); err != nil || !ok || bad != nil {
		return "UTC"
	}
	return name
}

// cutWindow parts 07:00-09:00.
func cutWindow(text string) (start, end string, ok bool) {
	start, end, ok = strings.Cut(text, "-")
	return start, end, ok && start != "" && end != ""
}

func (a *app) recurListCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List recurring work", Example: "  punchlistd recur list --crew north", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				crews, err := a.knownCrews(ctx, srv, store)
				if err != nil {
					return err
				}
				all := []server.Rule{}
				for _, crew := range crews {
					rules, err := srv.Rules(ctx, crew)
					if err != nil {
						return err
					}
					all = append(all, rules...)
				}
				if a.JSON {
					return a.PrintJSON(all)
				}
				for _, r := range all {
					a.Printf("%s  %s  every %s from %s, due %s %s, %s ahead: %s\n", r.Crew, r.Name, r.Every, r.From, r.Due, r.Zone, cli.Count(r.Ahead, "day"), r.Task.Text("title"))
				}
				if len(all) == 0 {
					a.next("recur add NAME TITLE --every week")
				}
				return nil
			})
		}}
	cmd.Flags().StringVar(&a.crew, "crew", "", "one crew only")
	return a.JSONFlag(cmd)
}

func (a *app) recurRemoveCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "remove NAME", Short: "Take recurring work away; the tasks that it made stay", Example: "  punchlistd recur remove boiler --crew north", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				by, err := a.office(ctx, srv, store)
				if err != nil {
					return err
				}
				return srv.RemoveRule(ctx, by.Crews[0], args[0])
			})
		}}
	cmd.Flags().StringVar(&a.crew, "crew", "", "the crew; may be left out while there is only one")
	return cmd
}

func (a *app) recurRunCmd() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{Use: "run", Short: "Make the tasks of recurring work whose time has come", Example: "  punchlistd recur run --dry-run", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, srv *server.Server, _ server.Store) error {
				made, err := srv.Recur(ctx, dry)
				if a.JSON {
					out := []map[string]any{}
					for _, m := range made {
						out = append(out, map[string]any{"rule": m.Rule, "crew": m.Crew, "date": m.Date, "task": m.Task})
					}
					if fault := a.PrintJSON(out); fault != nil {
						return fault
					}
					return err
				}
				for _, m := range made {
					a.Printf("%s  %s  %s\n", m.Crew, m.Date, m.Rule)
				}
				if dry {
					a.Note("Dry run: nothing was made.")
				} else {
					a.Note("Made: %s.", cli.Count(len(made), "task"))
				}
				return err
			})
		}}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "make nothing; say what would be made")
	return a.JSONFlag(cmd)
}
