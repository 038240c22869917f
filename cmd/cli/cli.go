// Package cli is what the commands of both programs share: streams, exit codes,
// how errors are told, output for people and for programs, counts of arguments,
// how a field's value is read, and the import of files. It exists so that the
// laptop's and the server's commands behave alike: what one program refuses,
// hints or prints, the other does in the same words.
//
// It promises that data goes to Out and everything else to Err; that whatever
// could steer a terminal is taken out of text for people; and that progress is
// shown on a terminal only. It knows neither a database nor a server: those
// belong to the programs.
package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// Streams are what a program reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// App is what every command of a program has; the programs embed it.
type App struct {
	Streams
	Name    string // of the program
	Version string
	JSON    bool // --json
}

// Exit carries the code that an error ends with. Without Err nothing is printed
// any more.
type Exit struct {
	Code int
	Err  error
}

// Error is the text of what it carries.
func (e Exit) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap gives what it carries.
func (e Exit) Unwrap() error { return e.Err }

// Usage is wrong usage (exit code 2), with the next step.
func Usage(hint, format string, args ...any) error {
	return Exit{2, &localdb.Error{Message: fmt.Sprintf(format, args...), Hint: hint}}
}

// Tell prints an error of a program for people and returns the exit code.
func Tell(w io.Writer, program string, err error) int {
	var exit Exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Err == nil:
		return exit.Code
	}
	fmt.Fprintf(w, "%s: %s\n", program, Plain(err.Error()))
	if hint := Hint(err); hint != "" {
		fmt.Fprintf(w, "Try: %s\n", Plain(hint))
	}
	if errors.As(err, &exit) {
		return exit.Code
	}
	return 1
}

// Hint finds the next step that an error knows.
func Hint(err error) string {
	var local *localdb.Error
	if errors.As(err, &local) && local.Hint != "" {
		return local.Hint
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	var refusal *op.Refusal
	if errors.As(err, &refusal) {
		return refusalHint(refusal)
	}
	return ""
}

// refusalHint is the next step after a change that no server would take.
func refusalHint(r *op.Refusal) string {
	f, _ := op.FieldOf(op.Task, r.Field)
	switch {
	case r.Code == op.CodeTooLong:
		return "say it in less; long text belongs into a note"
	case r.Code == op.CodeBadText:
		return "plain text, as it is typed on a keyboard"
	case r.Code == op.CodeDerived:
		return "leave it out"
	case r.Code == op.CodeRequired && r.Field == "title":
		return "punchlist add 'Check the pump'"
	case r.Code == op.CodeRequired && r.Field == "body":
		return "punchlist note TASK 'Key is at the gate'"
	case r.Code != op.CodeBadValue:
	case len(f.Values) > 1:
		return r.Field + "=" + f.Values[1]
	case f.Type == op.Int, f.Type == op.Real:
		return r.Field + "=30"
	case f.Type == op.Bool:
		return r.Field + "=true"
	}
	return ""
}

// Plain takes out whatever could steer a terminal.
func Plain(s string) string { return strings.ReplaceAll(op.Clean(s, true), "\t", "    ") }

// Count is "1 change" or "3 changes".
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// Verb is the form that goes with a count: "waits" for one, "wait" for others.
func Verb(n int, many string) string {
	if n == 1 {
		return many + "s"
	}
	return many
}

// Printf writes for people; what it is given is made safe for a terminal.
func (a *App) Printf(format string, args ...any) {
	fmt.Fprint(a.Out, Plain(fmt.Sprintf(format, args...)))
}

// Note tells the person a line that is no data.
func (a *App) Note(format string, args ...any) {
	fmt.Fprintln(a.Err, Plain(fmt.Sprintf(format, args...)))
}

// PrintJSON writes one value for programs.
func (a *App) PrintJSON(v any) error {
	text, err := indented(v, "")
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.Out, text)
	return err
}

// PrintJSONInside is PrintJSON for one value of a longer list: it begins where the
// line is, its other lines have a prefix, and none is ended.
func (a *App) PrintJSONInside(v any, prefix string) error {
	text, err := indented(v, prefix)
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.Out, strings.TrimSuffix(text, "\n"))
	return err
}

func indented(v any, prefix string) (string, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	err := enc.Encode(v)
	return escaped(text.String()), err
}

// escaped writes what a terminal could take for a control in JSON's own way: to
// programs it is the same.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r >= 0x7f && op.Clean(string(r), true) == "" {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// JSONFlag gives a command the flag --json.
func (a *App) JSONFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.JSON, "json", false, "print JSON")
	return cmd
}

// NoArgs refuses arguments: most often they were meant as a command.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return NoCommand(cmd, args[0])
}

// Args checks how many arguments there are; most < 0 means any number.
func Args(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		hint, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
		if hint == "" {
			hint = cmd.CommandPath() + " --help"
		}
		return Usage(hint, "usage: %s", cmd.UseLine())
	}
}

// NoCommand refuses a word that is no command.
func NoCommand(cmd *cobra.Command, name string) error {
	return Usage(cmd.CommandPath()+" --help", "%q is no command of %s", name, cmd.CommandPath())
}

// FlagError refuses a flag that is none, or that has no such value.
func FlagError(cmd *cobra.Command, err error) error {
	return Usage(cmd.CommandPath()+" --help", "%s", err)
}
