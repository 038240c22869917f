package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func (a *app) enrollCmd() *cobra.Command {
	var name, ca string
	cmd := &cobra.Command{Use: "enroll [INVITE]", Short: "Join a server with a one-time invite",
		Long: `Join a server with a one-time invite from its administrator:
punchlist://host:port/#CODE.FINGERPRINT. Without an argument it is read from
stdin, which keeps it out of the shell's history. What was done before joining
is sent then.

A server that makes its own certificates (punchlistd serve --tls-auto) is known
by the invite itself. Where the office has an authority of its own, give its
certificate with --ca; it is kept, and trusted in place of the system's.`,
		Example: "  punchlist enroll 'punchlist://sync.example:8443/#BCDF-GHJK-LMNP.ABC…'", Args: cli.Args(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			invite, err := a.readInvite(args)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.enroll(ctx, db, invite, name, ca) })
		}}
	host, _ := os.Hostname()
	cmd.Flags().StringVar(&name, "name", op.Clean(host, false), "what the office sees this laptop as")
	cmd.Flags().StringVar(&ca, "ca", "", "file with the certificate of the office's authority (PEM)")
	return cmd
}

func (a *app) readInvite(args []string) (wire.Invite, error) {
	text := strings.Join(args, "")
	if text == "" {
		fmt.Fprint(a.Err, "Paste the invite (punchlist://…): ")
		line, err := bufio.NewReader(a.In).ReadString('\n')
		if err != nil && line == "" {
			return wire.Invite{}, cli.Usage("", "no invite was given; ask the server's administrator for one (punchlistd invite USER)")
		}
		text = strings.TrimSpace(line)
	}
	return wire.ParseInvite(text)
}

func (a *app) enroll(ctx context.Context, db *localdb.DB, invite wire.Invite, name, ca string) error {
	old, err := db.Device(ctx)
	if err != nil {
		return err
	}
	client, authority, err := toInvite(db, invite, ca)
	if err != nil {
		return err
	}
	defer client.Hangup()
	if pong, err := client.Ping(ctx); err != nil {
		return fmt.Errorf("enroll: %w", err)
	} else if old.ServerID != "" && old.ServerID != pong.ServerID {
		return a.belongs(ctx, db, "the server at "+old.ServerURL) // before the invite is used up
	}
	got, err := client.Enroll(ctx, wire.Enroll{Code: invite.Code, DeviceName: name, Nonce: rand.Text()}, invite.Fingerprint)
	if err != nil {
		return fmt.Errorf("enroll: %w", err)
	}
	if old.ID != "" && old.User != got.User {
		return a.belongs(ctx, db, old.User)
	}
	if ca != "" {
		err = db.KeepAuthority(authority)
	} else if old.ServerID == "" {
		err = db.KeepAuthority(nil)
	}
	if err != nil {
		return fmt.Errorf("keep the authority's certificate: %w", err)
	}
	err = db.Enrol(ctx, localdb.Device{ID: got.DeviceID, Token: got.Token, User: got.User, Name: name, Role: got.Role, Crews: got.Crews,
		ServerURL: invite.URL, ServerID: got.ServerID, ServerKey: got.ServerKey, EnrolledAt: got.Time})
	if err != nil {
		return err
	}
	a.Note("This laptop now belongs to %s, crew %s, at %s.", got.User, oneOf(got.Crews), invite.URL)
	a.Note("Next: punchlist sync fetches the crew's tasks; punchlist opens the screen.")
	return nil
}

// toInvite is the way to an invite's server, which is known by the invite's
// fingerprint or by an authority: that of a file, else the one kept.
func toInvite(db *localdb.DB, invite wire.Invite, ca string) (c *wire.Client, authority []byte, err error) {
	trust := wire.TrustIn(invite.URL, "")
	trust.Fingerprint = invite.Fingerprint
	if trust, err = trustOf(db, trust); err != nil {
		return nil, nil, err
	}
	if ca != "" {
		if authority, err = os.ReadFile(ca); err != nil {
			return nil, nil, fmt.Errorf("read the authority's certificate: %w", err)
		}
		if trust.Roots, err = authorities(authority); err != nil {
			return nil, nil, err
		}
	}
	c, err = wire.NewClient(wire.ClientOptions{BaseURL: invite.URL, Version: version, Transport: wire.NewTransport(wire.TransportOptions{Trust: trust})})
	return c, authority, err
}

// belongs refuses: one database speaks with one server, for one person. Another
// one's records would be mixed up with these, and unsent work be sent in the
// wrong name.
func (a *app) belongs(ctx context.Context, db *localdb.DB, whose string) error {
	refusal := &localdb.Error{Message: "this database belongs to " + whose, Hint: "keep it, and enroll with a new invite into a file of its own: punchlist --db OTHER.db enroll"}
	s, err := db.Summary(ctx)
	if err != nil {
		return errors.Join(refusal, err)
	}
	if n := s.Pending + s.Parked; n > 0 {
		refusal.Message += " and holds " + cli.Count(n, "unsent change")
		return cli.Exit{Code: 3, Err: refusal}
	}
	return refusal
}
