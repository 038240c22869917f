package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

func (a *app) inviteCmd() *cobra.Command {
	var base string
	var ttl time.Duration
	var pins []string
	cmd := &cobra.Command{Use: "invite USER", Short: "Make a one-time invite for a person's laptop",
		Long: `Make a one-time invite for a person's laptop. It holds the server's address, a code
that works once, and the fingerprint by which the laptop knows the server; with --pin
also the keys that its certificates are held to (punchlistd pin).`,
		Example: "  punchlistd invite ann\n  punchlistd invite ann --url https://sync.example:8443 --ttl 1h\n  punchlistd invite ann --pin server.pem --pin next.key", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			held, err := pinsNamed(pins)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				return a.invite(ctx, srv, store, invitation{args[0], base, ttl, held})
			})
		}}
	cmd.Flags().StringVar(&base, "url", "", "the address by which the laptop reaches the server (default: that of punchlistd serve)")
	cmd.Flags().DurationVar(&ttl, "ttl", 24*time.Hour, "how long it may be used")
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "a key of the server's certificates to hold it to: a pin, or a file with the certificate or key (PEM); may be repeated")
	return a.JSONFlag(cmd)
}

// invitation is what an invite is made of.
type invitation struct {
	user, base string
	ttl        time.Duration
	pins       []wire.Pin
}

func (a *app) invite(ctx context.Context, srv *server.Server, store server.Store, i invitation) error {
	var err error
	base, user := i.base, i.user
	if base == "" {
		base, err = store.Setting(ctx, urlSetting, "")
	}
	if err != nil {
		return err
	}
	unserved := base == ""
	if unserved {
		base = "http://" + defaultListen
	}
	text, expires, err := srv.Invite(ctx, user, base, i.ttl, i.pins...)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(struct {
			Invite  string `json:"invite"`
			Expires int64  `json:"expires"`
		}{text, expires.UnixMilli()})
	}
	a.Printf("%s\n", text)
	a.Note("For %s, once, until %s, to the server at %s.", user, when(expires.UnixMilli()), base)
	if unserved {
		a.Note("No server has run with this database yet, and that is where punchlistd serve%s listens unless told otherwise.", a.dbFlag())
	}
	a.Note("Next, on the laptop: punchlist enroll '%s'", text)
	return nil
}
