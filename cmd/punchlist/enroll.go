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
	var o enrolling
	cmd := &cobra.Command{Use: "enroll [INVITE]", Short: "Join a server with a one-time invite",
		Long: `Join a server with a one-time invite from its administrator:
punchlist://host:port/#CODE.FINGERPRINT. Without an argument it is read from
stdin, which keeps it out of the shell's history. What was done before joining
is sent then.

A server that makes its own certificates (punchlistd serve --tls-auto) is known
by the invite itself. Where the office has an authority of its own, give its
certificate with --ca; it is kept, and trusted in place of the system's. With --pin,
and by an invite that has pins, the server is held to those keys: see punchlist pin.`,
		Example: "  punchlist enroll 'punchlist://sync.example:8443/#BCDF-GHJK-LMNP.ABC…'", Args: cli.Args(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Invite, err = a.readInvite(args); err != nil {
				return err
			}
			more, err := pinsOf(o.more)
			if err != nil {
				return err
			}
			if o.Pins = append(o.Pins, more...); len(o.Pins) > wire.MaxPins { // before the invite is used up
				return cli.Usage("", "a laptop keeps at most %d pins", wire.MaxPins)
			}
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.enroll(ctx, db, o) })
		}}
	host, _ := os.Hostname()
	cmd.Flags().StringVar(&o.name, "name", op.Clean(host, false), "what the office sees this laptop as")
	cmd.Flags().StringVar(&o.ca, "ca", "", "file with the certificate of the office's authority (PEM)")
	cmd.Flags().StringArrayVar(&o.more, "pin", nil, "a key to hold the server to, beside those of the invite; may be repeated")
	return cmd
}

// enrolling is an invite, and what the person says beside it.
type enrolling struct {
	wire.Invite
	name, ca string
	more     []string // pins
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

func (a *app) enroll(ctx context.Context, db *localdb.DB, invite enrolling) error {
	old, err := db.Device(ctx)
	if err != nil {
		return err
	}
	client, authority, err := toInvite(db, invite)
	if err != nil {
		return err
	}
	defer client.Hangup()
	if pong, err := client.Ping(ctx); err != nil {
		return fmt.Errorf("enroll: %w", err)
	} else if old.ServerID != "" && old.ServerID != pong.ServerID {
		return a.belongs(ctx, db, "the server at "+old.ServerURL) // before the invite is used up
	}
	got, err := client.Enroll(ctx, wire.Enroll{Code: invite.Code, DeviceName: invite.name, Nonce: rand.Text()}, invite.Fingerprint)
	if err != nil {
		return fmt.Errorf("enroll: %w", err)
	}
	if old.ID != "" && old.User != got.User {
		return a.belongs(ctx, db, old.User)
	}
	if err := a.keepTrust(db, invite, authority, old.ServerID == ""); err != nil {
		return err
	}
	err = db.Enrol(ctx, localdb.Device{ID: got.DeviceID, Token: got.Token, User: got.User, Name: invite.name, Role: got.Role, Crews: got.Crews,
		ServerURL: invite.URL, ServerID: got.ServerID, ServerKey: got.ServerKey, EnrolledAt: got.Time})
	if err != nil {
		return err
	}
	a.Note("This laptop now belongs to %s, crew %s, at %s.", got.User, oneOf(got.Crews), invite.URL)
	a.Note("Next: punchlist sync fetches the crew's tasks; punchlist opens the screen.")
	return nil
}

// keepTrust keeps the authority and the pins that were given; of another server
// than the one before nothing stays.
func (a *app) keepTrust(db *localdb.DB, invite enrolling, authority []byte, first bool) error {
	if invite.ca != "" || first {
		if err := db.KeepAuthority(authority); err != nil {
			return fmt.Errorf("keep the authority's certificate: %w", err)
		}
	}
	if len(invite.Pins) > 0 || first {
		return a.keepPins(db, invite.Pins)
	}
	return nil
}

// toInvite is the way to an invite's server, which is known by the invite's
// fingerprint or by an authority: that of a file, else the one kept. It is held to
// the pins given, else to those kept.
func toInvite(db *localdb.DB, invite enrolling) (c *wire.Client, authority []byte, err error) {
	if len(invite.Pins) > 0 && strings.HasPrefix(invite.URL, "http://") {
		return nil, nil, cli.Usage("leave --pin out", "this machine itself is spoken to without TLS: there is no key to pin")
	}
	trust := wire.TrustIn(invite.URL, "")
	trust.Fingerprint = invite.Fingerprint
	if trust, err = trustOf(db, trust); err != nil {
		return nil, nil, err
	}
	if len(invite.Pins) > 0 {
		trust.Pins = func() ([]wire.Pin, error) { return invite.Pins, nil }
	}
	if invite.ca != "" {
		if authority, err = os.ReadFile(invite.ca); err != nil {
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
