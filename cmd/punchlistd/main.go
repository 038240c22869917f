// Command punchlistd is the sync server and its administration.
//
// It promises that every sub-command works beside a running server on the same
// database and writes through the same path as a device does; that data goes to
// stdout and everything else to stderr; and these exit codes: 0 done, 1 it went
// wrong (a sentence, then "Try: …" where there is a next step), 2 wrong usage.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"example.com/punchlist/cmd/cli"
)

func main() {
	cli.Private()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second one ends the process, whatever it waits for
	err := run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(cli.Tell(os.Stderr, "punchlistd", err))
}

// run starts the program as main does.
func run(ctx context.Context, args []string, s cli.Streams) error {
	a := &app{App: cli.App{Streams: s, Name: "punchlistd", Version: version}, getenv: os.Getenv}
	root := a.command()
	root.AddCommand(a.loadCmd())
	return a.Run(ctx, root, args)
}
