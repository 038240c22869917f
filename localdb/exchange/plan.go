package exchange

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"example.com/punchlist/sync/op"
)

// Change is one change to one record, as a target writes it.
type Change struct {
	Kind   op.Kind
	ID     string
	Action op.Action
	Fields op.Fields
}

// Record is one record that a target holds.
type Record struct {
	ID      string
	Deleted bool
	Fields  op.Fields
}

// Portion is the most that one question to a [Target] asks for.
const Portion = 500

// Target is where an import goes: a laptop's database, or a crew on the server.
type Target interface {
	// Find tells which live records of a kind hold which of the values in a field: value → id.
	Find(ctx context.Context, kind op.Kind, field string, values []string) (map[string]string, error)
	// Records fetches records by id, deleted ones too; unknown ids are left out.
	Records(ctx context.Context, kind op.Kind, ids []string) (map[string]Record, error)
	// Items lists the live checklist items of tasks, by position: task id → items.
	Items(ctx context.Context, tasks []string) (map[string][]Record, error)
	// CountTasks counts the live tasks.
	CountTasks(ctx context.Context) (int, error)
	// Imported hands out the live tasks that carry an external_ref.
	Imported(ctx context.Context) iter.Seq2[Record, error]
	// Write makes all the changes in one transaction, or none.
	Write(ctx context.Context, changes iter.Seq[Change]) error
}

// PlanOptions say how far an import may go.
type PlanOptions struct {
	Crew    string // whose records they will be; part of the ids of new records
	OnlyNew bool   // leave every task and site alone that is there
	SkipBad bool   // take the good rows although there are bad ones
	// Prune cancels what was imported with a reference that begins with PruneRef,
	// was not begun, and is not in the file any more.
	Prune    bool
	PruneRef string
	Role     op.Role // whose import it is; "" may all
	// People are those who may get tasks; nil: not known. A task for somebody else
	// comes in, and is remarked on: nobody would see it among his own.
	People []string
	// Templates are the checklists of new tasks that bring none, by task type.
	Templates map[string][]op.Fields
}

// Tally counts the records of a kind.
type Tally struct {
	New       int `json:"new"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
}

// Plan is what an import would do.
type Plan struct {
	Rows      int                `json:"rows"`
	Records   map[op.Kind]*Tally `json:"records"`
	Fields    map[string]int     `json:"fields"`    // how many records change in a field
	Changes   int                `json:"changes"`   // ops that it makes
	Deleted   int                `json:"deleted"`   // rows whose task was deleted here, and stays so
	Elsewhere int                `json:"elsewhere"` // tasks here that the file does not speak of
	Pruned    []Pruned           `json:"pruned"`    // tasks that it cancels
	Begun     int                `json:"begun"`     // tasks that it would, were they not begun
	Bad       []Bad              `json:"bad"`
	Remarks   []string           `json:"remarks"`

	skipBad bool
	sites   []Change
	tasks   []planned
	cancels []Change
}

// planned is what becomes of one entry.
type planned struct {
	task     *Change  // nil: nothing to change on the task itself
	taskID   string   //
	items    []item   // of a new task: made into changes as they are written
	children []Change // all else that hangs on it
}

// Plan compares the file with what the target holds. It writes nothing.
func (f *File) Plan(ctx context.Context, t Target, o PlanOptions) (*Plan, error) {
	p := &planner{file: f, target: t, options: o, sites: map[string]*sitePlan{}, plan: &Plan{
		Rows: f.Rows, Records: map[op.Kind]*Tally{}, Fields: map[string]int{},
		Bad: slices.Clone(f.Bad), Remarks: slices.Clone(f.Notes), skipBad: o.SkipBad,
	}}
	for _, k := range op.Kinds {
		p.plan.Records[k] = &Tally{}
	}
	if err := p.findTasks(ctx); err != nil {
		return nil, fmt.Errorf("look up the tasks: %w", err)
	}
	if err := p.planSites(ctx); err != nil {
		return nil, fmt.Errorf("look up the sites: %w", err)
	}
	for portion := range slices.Chunk(p.matches, Portion) {
		if err := p.planTasks(ctx, portion); err != nil {
			return nil, fmt.Errorf("look up what hangs on the tasks: %w", err)
		}
	}
	p.changeSites()
	if err := p.countElsewhere(ctx); err != nil {
		return nil, fmt.Errorf("count the tasks: %w", err)
	}
	if o.Prune {
		if err := p.prune(ctx); err != nil {
			return nil, err
		}
	}
	if o.People != nil {
		p.plan.remarkStrangers(o)
	}
	slices.SortStableFunc(p.plan.Bad, func(a, b Bad) int { return a.Line - b.Line })
	return p.plan, nil
}

// remarkStrangers names those who get tasks and are not among the people.
func (p *Plan) remarkStrangers(o PlanOptions) {
	tasks := map[string]int{}
	for c := range p.All() {
		if who := c.Fields.Text("assignee"); c.Kind == op.Task && who != "" && !slices.Contains(o.People, who) {
			tasks[who]++
		}
	}
	for _, who := range slices.Sorted(maps.Keys(tasks)) {
		p.Remarks = append(p.Remarks, fmt.Sprintf("assignee %q gets %s, and nobody of that name works in the crew %s (there are: %s)",
			who, count(tasks[who], "task", "tasks"), o.Crew, strings.Join(o.People, ", ")))
	}
}

// Err is the refusal of a plan with bad rows; nil when there are none, or when
// the good ones are to be taken alone and there are some.
func (p *Plan) Err() error {
	switch {
	case len(p.Bad) == 0 || p.skipBad && len(p.Bad) < p.Rows:
		return nil
	case p.skipBad:
		return cure("mend the file, the mapping or --values and import again", "nothing was imported: all rows are bad (%d)", p.Rows)
	}
	return cure("--skip-bad imports the good rows; or mend the file, the mapping or --values and import again",
		"nothing was imported: %s", count(len(p.Bad), "row is bad", "rows are bad"))
}

// Write makes the plan true: all of it in one transaction, or nothing.
// progress, where there is one, hears how many changes were handed over.
func (p *Plan) Write(ctx context.Context, t Target, progress func(done int)) error {
	if err := p.Err(); err != nil {
		return err
	}
	if p.Changes == 0 {
		return nil
	}
	done := 0
	err := t.Write(ctx, func(yield func(Change) bool) {
		for c := range p.All() {
			if !yield(c) {
				return
			}
			if done++; progress != nil {
				progress(done)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

// All hands out the changes in an order in which every record comes behind the
// ones it names.
func (p *Plan) All() iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for _, c := range p.sites {
			if !yield(c) {
				return
			}
		}
		for _, t := range p.tasks {
			if !t.each(yield) {
				return
			}
		}
		for _, c := range p.cancels {
			if !yield(c) {
				return
			}
		}
	}
}

func (t planned) each(yield func(Change) bool) bool {
	if t.task != nil && !yield(*t.task) {
		return false
	}
	ids := itemIDs{taskID: t.taskID}
	for _, it := range t.items {
		if !yield(Change{op.Item, ids.next(it), op.Insert, it.insert(t.taskID)}) {
			return false
		}
	}
	for _, c := range t.children {
		if !yield(c) {
			return false
		}
	}
	return true
}

// itemIDs gives the items of a task their ids; two items of one label are two items.
type itemIDs struct {
	taskID string
	seen   map[string]int
}

func (i *itemIDs) next(it item) string {
	if it.id != "" {
		return it.id
	}
	if i.seen == nil {
		i.seen = map[string]int{}
	}
	i.seen[it.label]++
	if n := i.seen[it.label]; n > 1 {
		return idFor(op.Item, i.taskID, it.label, fmt.Sprint(n))
	}
	return idFor(op.Item, i.taskID, it.label)
}

// changed is the part of want that a record does not hold yet. A tag that is
// absent is as good as one that is false.
func changed(have, want op.Fields) op.Fields {
	out := op.Fields{}
	for name, v := range want {
		if op.Equal(have[name], v) || have[name] == nil && v == false {
			continue
		}
		out[name] = v
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// without drops what a new record need not be told.
func withoutEmpty(fields op.Fields) op.Fields {
	out := op.Fields{}
	for name, v := range fields {
		if v != nil && v != false {
			out[name] = v
		}
	}
	return out
}
