package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
)

func (a *app) inviteCmd() *cobra.Command {
	var base string
	var ttl time.Duration
	cmd := &cobra.Command{Use: "invite USER", Short: "Make a one-time invite for a person's laptop",
		Long: `Make a one-time invite for a person's laptop. It holds the server's address, a code
that works once, and the fingerprint by which the laptop knows the server.`,
		Example: "  punchlistd invite ann\n  punchlistd invite ann --url https://sync.example:8443 --ttl 1h", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				return a.invite(ctx, srv, store, args[0], base, ttl)
			})
		}}
	cmd.Flags().StringVar(&base, "url", "", "the address by which the laptop reaches the server (default: that of punchlistd serve)")
	cmd.Flags().DurationVar(&ttl, "ttl", 24*time.Hour, "how long it may be used")
	return a.JSONFlag(cmd)
}

func (a *app) invite(ctx context.Context, srv *server.Server, store server.Store, user, base string, ttl time.Duration) error {
	var err error
	if base == "" {
		base, err = store.Setting(ctx, urlSetting, "")
	}
	if err != nil {
		return err
	}
	if base == "" {
		base = "http://" + defaultListen
	}
	text, expires, err := srv.Invite(ctx, user, base, ttl)
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
	a.Note("Next, on the laptop: punchlist enroll '%s'", text)
	return nil
}
