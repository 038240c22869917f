package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

func (a *app) userCmd() *cobra.Command {
	return group("user", "People: add, list, set, disable, enable", a.userAddCmd(), a.userListCmd(), a.userSetCmd(), a.userAbleCmd(true), a.userAbleCmd(false))
}

// userJSON is a user as --json prints it.
type userJSON struct {
	Name     string   `json:"name"`
	Role     op.Role  `json:"role"`
	Crews    []string `json:"crews"`
	Disabled bool     `json:"disabled"`
	NewCrews []string `json:"new_crews,omitempty"`
}

func (a *app) userAddCmd() *cobra.Command {
	u := server.User{Role: op.Technician}
	cmd := &cobra.Command{Use: "add NAME --crew CREW…", Short: "Add a person; crews that do not exist are made",
		Example: "  punchlistd user add ann --crew north\n  punchlistd user add dora --crew north --crew south --role dispatcher", Args: cli.Args(1, 1)}
	userFlags(cmd, &u)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
			u.Name = args[0]
			if err := refuseTwins(ctx, store, u.Crews); err != nil {
				return err
			}
			made, err := srv.AddUser(ctx, u)
			if err != nil {
				return err
			}
			return a.toldUser(ctx, srv, u.Name, made)
		})
	}
	return a.JSONFlag(cmd)
}

func userFlags(cmd *cobra.Command, u *server.User) {
	cmd.Flags().StringArrayVar(&u.Crews, "crew", nil, "a crew; may be given several times, the first is where the person's new tasks go")
	cmd.Flags().StringVar((*string)(&u.Role), "role", string(u.Role), "technician, dispatcher or viewer")
}

// refuseTwins refuses a new crew that differs from another only by case: it is
// a slip of the finger, and the person would see none of the crew's tasks.
func refuseTwins(ctx context.Context, store server.Store, names []string) error {
	crews, err := store.Crews(ctx)
	if err != nil {
		return err
	}
	var known []string
	for _, c := range crews {
		known = append(known, c.Name)
	}
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
			return &server.Fault{Message: fmt.Sprintf("%q and the crew %q differ only by case", name, known[i]), Cure: "--crew " + word(known[i])}
		}
		known = append(known, name)
	}
	return nil
}

// toldUser shows a user as it is now, and what to do next.
func (a *app) toldUser(ctx context.Context, srv *server.Server, name string, made []string) error {
	u, err := srv.User(ctx, name)
	if err != nil {
		return err
	}
	for _, crew := range made {
		a.Note("New crew: %s", crew)
	}
	if a.JSON {
		return a.PrintJSON(userJSON{u.Name, u.Role, u.Crews, u.Disabled != 0, made})
	}
	a.Printf("%s\n", userLine(u))
	if u.Disabled == 0 {
		a.next("invite %s", word(u.Name))
	}
	return nil
}

func userLine(u server.User) string {
	line := u.Name + "  " + string(u.Role) + "  " + strings.Join(u.Crews, ", ")
	if u.Disabled != 0 {
		line += "  disabled " + when(u.Disabled)
	}
	return line
}

func (a *app) userListCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "list", Short: "List all people", Example: "  punchlistd user list", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reading(cmd, func(ctx context.Context, _ *server.Server, store server.Store) error {
				users, err := store.Users(ctx)
				if err != nil {
					return err
				}
				list := make([]userJSON, 0, len(users))
				for _, u := range users {
					list = append(list, userJSON{u.Name, u.Role, u.Crews, u.Disabled != 0, nil})
					if !a.JSON {
						a.Printf("%s\n", userLine(u))
					}
				}
				if a.JSON {
					return a.PrintJSON(list)
				}
				if len(users) == 0 {
					a.next("user add NAME --crew CREW")
				}
				return nil
			})
		}})
}

func (a *app) userSetCmd() *cobra.Command {
	var to server.User
	cmd := &cobra.Command{Use: "set NAME [--crew CREW…] [--role ROLE]", Short: "Change a person's crews (all of them) or role",
		Example: "  punchlistd user set ann --crew north --crew south\n  punchlistd user set ann --role dispatcher", Args: cli.Args(1, 1)}
	userFlags(cmd, &to)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
			if err := refuseTwins(ctx, store, to.Crews); err != nil {
				return err
			}
			made, err := srv.SetUser(ctx, args[0], func(u *server.User) {
				if len(to.Crews) > 0 {
					u.Crews = to.Crews
				}
				if to.Role != "" {
					u.Role = to.Role
				}
			})
			if err != nil {
				return err
			}
			return a.toldUser(ctx, srv, args[0], made)
		})
	}
	return a.JSONFlag(cmd)
}

func (a *app) userAbleCmd(disable bool) *cobra.Command {
	use, short := "enable", "Let a person sync again"
	if disable {
		use, short = "disable", "Keep a person from syncing, at once and on every device; nothing on them is lost"
	}
	return a.JSONFlag(&cobra.Command{Use: use + " NAME", Short: short, Example: "  punchlistd user " + use + " ann", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, srv *server.Server, _ server.Store) error {
				if err := srv.DisableUser(ctx, args[0], disable); err != nil {
					return err
				}
				return a.toldUser(ctx, srv, args[0], nil)
			})
		}})
}
