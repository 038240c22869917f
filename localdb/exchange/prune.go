package exchange

import (
	"context"
	"fmt"
	"strings"

	"example.com/punchlist/sync/op"
)

// Pruned is a task that an import cancels because its source does not speak of
// it any more.
type Pruned struct {
	ID     string `json:"id"`
	Ref    string `json:"external_ref"`
	Number string `json:"number,omitempty"`
	Title  string `json:"title"`
}

// pruneReason is what a cancelled task says of why.
const pruneReason = "not in the imported source any more"

// prune plans to cancel what the source does not speak of any more. It cancels,
// it never deletes: that can be seen, and taken back. A file from which this cannot
// be told for sure prunes nothing.
func (p *planner) prune(ctx context.Context) error {
	refuse := func(format string, args ...any) error {
		return cure("import without --prune, or mend the file first", "nothing can be pruned: %s", fmt.Sprintf(format, args...))
	}
	named := 0
	for _, m := range p.matches {
		if m.entry.task.Text("external_ref") != "" || m.entry.id != "" {
			named++
		}
	}
	switch r := op.CheckStep(op.Pending, op.Cancelled, p.options.Role); {
	case p.options.Role != "" && r != nil:
		return cure("have the office import it: punchlistd import FILE --prune", "nothing can be pruned: %s", r)
	case len(p.plan.Bad) > 0:
		return refuse("%s, the first: %s; what they are would seem to be gone", count(len(p.plan.Bad), "row is bad", "rows are bad"), p.plan.Bad[0].Error())
	case named == 0:
		return refuse("the file holds no task with an external_ref")
	}
	spoken := map[string]bool{}
	for _, m := range p.matches {
		spoken[m.id] = true
	}
	for rec, err := range p.target.Imported(ctx) {
		if err != nil {
			return fmt.Errorf("look for tasks that are not in the file: %w", err)
		}
		ref := rec.Fields.Text("external_ref")
		status := op.Status(rec.Fields.Text("status"))
		switch {
		case spoken[rec.ID] || status.Ended() || !strings.HasPrefix(ref, p.options.PruneRef):
		case status != op.Pending:
			p.plan.Begun++
		default:
			p.plan.Pruned = append(p.plan.Pruned, Pruned{rec.ID, ref, rec.Fields.Text(op.Number), rec.Fields.Text("title")})
			fields := op.Fields{"status": string(op.Cancelled), "reason": "other", "reason_text": pruneReason}
			p.plan.cancels = append(p.plan.cancels, Change{op.Task, rec.ID, op.Update, fields})
			p.plan.Changes++
		}
	}
	return nil
}

// printPruned names what is cancelled, the first twenty.
func (p *Plan) printPruned(b *strings.Builder) {
	if len(p.Pruned) > 0 {
		fmt.Fprintf(b, "cancelled, because the file does not speak of them any more: %s\n", count(len(p.Pruned), "task", "tasks"))
	}
	for i, t := range p.Pruned {
		if i == badShown {
			fmt.Fprintf(b, "  and %s (--json names them all)\n", count(len(p.Pruned)-i, "more", "more"))
			break
		}
		fmt.Fprintf(b, "  %s  %s  %s\n", clip(t.Ref), t.Number, clip(t.Title))
	}
	if p.Begun > 0 {
		fmt.Fprintf(b, "%s not in the file, but begun: left alone\n", count(p.Begun, "task is", "tasks are"))
	}
}
