package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
)

func (a *app) deviceCmd() *cobra.Command {
	return group("device", "Enrolled devices: list, revoke", a.deviceListCmd(), a.deviceRevokeCmd())
}

// deviceJSON is a device as --json prints it. Times are ms since 1970 UTC, or null.
type deviceJSON struct {
	ID      string `json:"device_id"`
	User    string `json:"user"`
	Name    string `json:"name"`
	Seen    *int64 `json:"last_seen"`
	Pending int64  `json:"pending"`
	Offset  *int64 `json:"clock_offset_ms"`
	Version string `json:"version"`
	Revoked bool   `json:"revoked"`
	Reused  bool   `json:"token_reused"` // it was revoked for that: an older token was used
}

func toJSON(d server.Device) deviceJSON {
	out := deviceJSON{d.ID, d.User, d.Name, nil, d.Pending, d.Offset, d.Client, d.Revoked != 0, d.Reused != 0}
	if d.Seen != 0 {
		out.Seen = &d.Seen
	}
	return out
}

func (a *app) deviceListCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "list", Short: "List all devices, what they reported and when", Example: "  punchlistd device list --json", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reading(cmd, func(ctx context.Context, _ *server.Server, store server.Store) error {
				devices, err := store.Devices(ctx)
				if err != nil {
					return err
				}
				list := make([]deviceJSON, 0, len(devices))
				for _, d := range devices {
					list = append(list, toJSON(d))
					if !a.JSON {
						a.Printf("%s\n", deviceLine(d))
					}
				}
				if a.JSON {
					return a.PrintJSON(list)
				}
				if len(devices) == 0 {
					a.next("invite USER")
				}
				return nil
			})
		}})
}

func deviceLine(d server.Device) string {
	line := fmt.Sprintf("%s  %s  %q  seen %s  %d waiting", d.ID, d.User, d.Name, when(d.Seen), d.Pending)
	if d.Offset != nil {
		line += fmt.Sprintf("  clock %+d ms", *d.Offset)
	}
	if d.Client != "" {
		line += "  " + d.Client
	}
	if d.Revoked != 0 {
		line += "  revoked " + when(d.Revoked)
	}
	if d.Reused != 0 {
		line += ", for an older token was used: its data may have been copied"
	}
	return line
}

func (a *app) deviceRevokeCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "revoke DEVICE", Short: "Keep a device from syncing, from its next request on; nothing on it is lost",
		Long:    "Keep a device from syncing, from its next request on. DEVICE is its id or the beginning of it, as device list shows it.\nNothing on the device is lost; with a new invite it may come back.",
		Example: "  punchlistd device revoke 5f0c31", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				d, err := findDevice(ctx, store, args[0])
				if err != nil {
					return err
				}
				if err := srv.Revoke(ctx, d.ID); err != nil {
					return err
				}
				if d, err = findDevice(ctx, store, d.ID); err != nil {
					return err
				}
				if a.JSON {
					return a.PrintJSON(toJSON(d))
				}
				a.Printf("%s\n", deviceLine(d))
				return nil
			})
		}})
}

func findDevice(ctx context.Context, store server.Store, ref string) (server.Device, error) {
	devices, err := store.Devices(ctx)
	if err != nil {
		return server.Device{}, err
	}
	var found []server.Device
	for _, d := range devices {
		if strings.HasPrefix(d.ID, strings.ToLower(ref)) {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 1 && len(ref) >= 4:
		return found[0], nil
	case len(found) > 1:
		return server.Device{}, &server.Fault{Message: fmt.Sprintf("%q fits %d devices", ref, len(found)), Cure: "give more of the id; punchlistd device list shows them"}
	}
	return server.Device{}, &server.Fault{Message: fmt.Sprintf("there is no device %q", ref), Cure: "punchlistd device list shows them"}
}
