package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/wire"
)

func (a *app) pinCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "pin", Short: "Hold the server to the keys of its certificates that the office names",
		Long: `Hold the server to the keys of its certificates that the office names. Without
a command it lists them. Where there are some, a certificate of another key is not
taken, whichever authority vouches for it; with none, the authorities' word counts.

A pin is what curl's --pinnedpubkey takes; punchlistd pin prints it. Pin the key
in use and the next one: then the office can go over to that at any time.`,
		Example: "  punchlist pin\n  punchlist pin add sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.with(cmd, a.pins) }}
	cmd.AddCommand(
		a.changePins("add PIN...", "Pin more keys", func(kept, named []wire.Pin) ([]wire.Pin, error) {
			for _, p := range named {
				if !slices.Contains(kept, p) {
					kept = append(kept, p)
				}
			}
			return kept, nil
		}),
		a.changePins("remove PIN...", "Forget pins; without any left, the authorities' word counts again", func(kept, named []wire.Pin) ([]wire.Pin, error) {
			for _, p := range named {
				if !slices.Contains(kept, p) {
					return nil, &localdb.Error{Message: p.String() + " is not pinned", Hint: "punchlist pin"}
				}
			}
			return slices.DeleteFunc(kept, func(p wire.Pin) bool { return slices.Contains(named, p) }), nil
		}))
	return a.JSONFlag(cmd)
}

func (a *app) pins(_ context.Context, db *localdb.DB) error {
	pins, err := db.Pins()
	if err != nil {
		return err
	}
	words := []string{}
	for _, p := range pins {
		words = append(words, p.String())
	}
	if a.JSON {
		return a.PrintJSON(words)
	}
	for _, w := range words {
		a.Printf("%s\n", w)
	}
	if len(words) == 0 {
		a.Note("No key is pinned: a certificate counts that one of this laptop's authorities signed.")
	}
	return nil
}

func (a *app) changePins(use, short string, change func(kept, named []wire.Pin) ([]wire.Pin, error)) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Example: "  punchlist pin " + use[:len(use)-len(" PIN...")] + " sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Args: cli.Args(1, wire.MaxPins),
		RunE: func(cmd *cobra.Command, args []string) error {
			named, err := pinsOf(args)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				dev, err := db.Device(ctx)
				if err != nil {
					return err
				}
				if dev.ID == "" {
					return &localdb.Error{Message: "this laptop has no server yet whose key could be pinned", Hint: "punchlist enroll --pin PIN"}
				}
				kept, err := db.Pins()
				if err != nil {
					return err
				}
				pins, err := change(kept, named)
				if err == nil {
					err = a.keepPins(db, pins)
				}
				return err
			})
		}}
}

// keepPins keeps them and says what they mean.
func (a *app) keepPins(db *localdb.DB, pins []wire.Pin) error {
	if len(pins) > wire.MaxPins {
		return &localdb.Error{Message: fmt.Sprintf("a laptop keeps at most %d pins", wire.MaxPins), Hint: "punchlist pin remove PIN"}
	}
	if err := db.KeepPins(pins); err != nil {
		return fmt.Errorf("keep the pins: %w", err)
	}
	switch len(pins) {
	case 0:
	case 1:
		a.Note("One key of the server is pinned. When the server gets another, this laptop has to be told: pin the next one too.")
	default:
		a.Note("%s of the server are pinned.", cli.Count(len(pins), "key"))
	}
	return nil
}

func pinsOf(args []string) (pins []wire.Pin, err error) {
	for _, text := range args {
		pin, err := wire.ParsePin(text)
		if err != nil {
			return nil, cli.Usage("", "%v", err)
		}
		pins = append(pins, pin)
	}
	return pins, nil
}
