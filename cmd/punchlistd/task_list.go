package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

func (a *app) taskListCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the tasks of a crew, or of all", Long: `List the tasks of a crew, or of all: a crew after the other, the open ones first, by
when they are due and how urgent they are.`, Example: "  punchlistd task list --crew north --json", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				crews, err := a.knownCrews(ctx, srv, store)
				if err != nil {
					return err
				}
				return a.listTasks(ctx, srv, crews)
			})
		}}
	cmd.Flags().StringVar(&a.crew, "crew", "", "one crew only")
	return a.JSONFlag(cmd)
}

// listTasks writes the tasks: for programs as they are read, page by page, for
// people in the order in which they want to be done.
func (a *app) listTasks(ctx context.Context, srv *server.Server, crews []string) error {
	out := bufio.NewWriter(a.Out)
	n := 0
	var lines []listed
	for rec, err := range srv.Tasks(ctx, crews) {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if !a.JSON {
			lines = append(lines, listedOf(rec))
			n++
			continue
		}
		text, err := json.Marshal(taskJSON(rec))
		if err != nil {
			return err
		}
		_, _ = io.WriteString(out, map[bool]string{true: "[\n", false: ",\n"}[n == 0]) // Flush tells of errors
		_, _ = out.Write(text)
		n++
	}
	slices.SortFunc(lines, listed.compare)
	for _, l := range lines {
		fmt.Fprintln(out, cli.Plain(l.line))
	}
	if a.JSON {
		_, _ = io.WriteString(out, map[bool]string{true: "[]\n", false: "\n]\n"}[n == 0])
	}
	if n == 0 && !a.JSON {
		a.next("task add TITLE --crew CREW")
	}
	return out.Flush()
}

// listed is a task in the list: its line, and what places it.
type listed struct {
	crew   string
	ended  bool
	due    int64
	urgent int
	number string
	line   string
}

func listedOf(rec *op.Record) listed {
	f := rec.Fields
	l := listed{crew: rec.Crew, ended: op.Status(f.Text("status")).Ended(), due: cmp.Or(f.Int("due_at"), f.Int("window_start"), math.MaxInt64), number: f.Text(op.Number), line: taskLine(rec)}
	l.urgent = slices.Index(op.Priorities, cmp.Or(f.Text("priority"), "normal"))
	return l
}

// compare orders by crew; in a crew what is open stands first, by when it is due
// and how urgent it is.
func (l listed) compare(m listed) int {
	ended := map[bool]int{true: 1}
	return cmp.Or(cmp.Compare(l.crew, m.crew), cmp.Compare(ended[l.ended], ended[m.ended]), cmp.Compare(l.due, m.due), cmp.Compare(l.urgent, m.urgent),
		cmp.Compare(len(l.number), len(m.number)), strings.Compare(l.number, m.number))
}
