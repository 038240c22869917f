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
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	// First, so that no terminal is asked for its colours: see the package.
	_ "example.com/punchlist/tui/terminal/background"
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
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code) && code.err == nil:
		return code.code
	}
	fmt.Fprintf(w, "punchlist: %s\n", plain(err.Error()))
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(w, "Try: %s\n", plain(hint))
	}
	if errors.As(err, &code) {
		return code.code
	}
	return 1
}

// exitCode carries the code that an error ends with. Without err nothing is
// printed any more.
type exitCode struct {
	code int
	err  error
}

func (e exitCode) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitCode) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return exitCode{2, fmt.Errorf(format, args...)}
}
