// Command punchlist is the technician's program: tasks on the screen, saved on
// this laptop at once, sent to the crew's server whenever there is one.
//
// It promises that every command works without a network, that data goes to
// stdout and everything else to stderr, and these exit codes: 0 done, 1 it went
// wrong (a sentence, then "Try: …" where there is a next step), 2 wrong usage,
// 3 refused because unsent work would be lost.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	// First, so that no terminal is asked for its colours: see the package.
	_ "example.com/punchlist/tui/terminal/background"

	"example.com/punchlist/cmd/cli"
)

func main() {
	cli.Private()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second one ends the process, whatever it waits for
	err := run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(cli.Tell(os.Stderr, "punchlist", err))
}

// run starts the program as main does.
func run(ctx context.Context, args []string, s cli.Streams) error {
	a := &app{App: cli.App{Streams: s, Name: "punchlist", Version: version}, getenv: os.Getenv}
	return a.Run(ctx, a.command(), args)
}
