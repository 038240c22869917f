// Command punchlistd is the sync server and its administration.
//
// It promises that every sub-command works beside a running server on the same
// database and writes through the same path as a device does; that data goes to
// stdout and everything else to stderr; and these exit codes: 0 done, 1 it went
// wrong (a sentence, then "Try: …" where there is a next step), 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// streams are what the program reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second one ends the process, whatever it waits for
	err := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(tell(os.Stderr, err))
}

// run starts the program as main does.
func run(ctx context.Context, args []string, s streams) error {
	a := &app{streams: s, getenv: os.Getenv}
	root := a.command()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	return root.ExecuteContext(ctx)
}

// tell prints an error for people and returns the exit code.
func tell(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(w, "punchlistd: %s\n", plain(err.Error()))
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(w, "Try: %s\n", plain(hint))
	}
	var wrong usageError
	if errors.As(err, &wrong) {
		return 2
	}
	return 1
}

// usageError is wrong usage: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
