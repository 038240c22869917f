package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Rule is recurring work of a crew: a task for each of its dates. The ids of those
// tasks, and of the ops that make them, follow from the rule's name and the date,
// so that several servers, and a server that was restored, make each task once,
// and one that was deleted does not come back.
type Rule struct {
	Name  string    `json:"name"` // unique in the crew
	Crew  string    `json:"crew"`
	Every string    `json:"every"`           // day, week, month, year, or "2 weeks"
	From  string    `json:"from"`            // the first date
	Added string    `json:"added"`           // no task is made for a date before it
	Until string    `json:"until,omitempty"` // the last one at most
	Due   string    `json:"due"`             // 15:04, of the date
	Start string    `json:"start,omitempty"` // and the window before it
	Ahead int       `json:"ahead"`           // days before its date at which a task is made
	Zone  string    `json:"zone"`
	Task  op.Fields `json:"task"` // its fields; {date} in texts is the date
}

// Bounds of recurring work.
const (
	MaxAhead = 90  // days
	MaxRules = 500 // of a crew
	// catchUp is how far back tasks are made that should have been there, days: a
	// server that stood still makes up for it, but not for years.
	catchUp = 31
	// recurEvery is how often a serving server looks for new dates.
	recurEvery = 15 * time.Minute
)

// recurSpace is the namespace of the ids of recurring work.
var recurSpace = uuid.MustParse("3c1f6d3b-0a5e-5b0c-8d0b-7f4e2a9d6c55")

func rulesKey(crew string) string { return "recur/" + crew }

// Rules lists the recurring work of a crew, by name.
func (s *Server) Rules(ctx context.Context, crew string) ([]Rule, error) {
	text, err := s.store.Setting(ctx, rulesKey(crew), "")
	if err != nil {
		return nil, err
	}
	return readRules(crew, text)
}

func readRules(crew, text string) (rules []Rule, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &rules); err != nil {
		return nil, fmt.Errorf("read the recurring work of %s: %w", crew, err)
	}
	return rules, nil
}

// AddRule adds recurring work. Its tasks are made from now on.
func (s *Server) AddRule(ctx context.Context, r Rule) error {
	if _, err := s.Office(ctx, "", r.Crew); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		return err
	}
	r.Added = s.now().In(zone).Format(time.DateOnly)
	return s.changeRules(ctx, r.Crew, map[string]any{"crew": r.Crew, "added": r.Name}, func(rules []Rule) ([]Rule, error) {
		if slices.ContainsFunc(rules, func(old Rule) bool { return old.Name == r.Name }) {
			return nil, fault("punchlistd recur remove "+clip(r.Name)+" takes it away first; its tasks stay", "there is recurring work %q in %s already", clip(r.Name), r.Crew)
		}
		if len(rules) >= MaxRules {
			return nil, fault("remove some", "the crew %s has %d rules already", r.Crew, len(rules))
		}
		rules = append(rules, r)
		slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
		return rules, nil
	})
}

// RemoveRule takes recurring work away; the tasks that it made stay.
func (s *Server) RemoveRule(ctx context.Context, crew, name string) error {
	return s.changeRules(ctx, crew, map[string]any{"crew": crew, "removed": name}, func(rules []Rule) ([]Rule, error) {
		left := slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return r.Name == name })
		if len(left) == len(rules) {
			return nil, fault("punchlistd recur list shows all", "there is no recurring work %q in %s", clip(name), crew)
		}
		return left, nil
	})
}

// changeRules reads, changes and stores the rules of a crew in one transaction:
// of two administrators in one instant neither writes over the other's.
func (s *Server) changeRules(ctx context.Context, crew string, detail any, change func([]Rule) ([]Rule, error)) error {
	entry := s.did(DidRule, crew, detail)
	err := s.store.ChangeSetting(ctx, rulesKey(crew), func(old string) (string, []Entry, error) {
		rules, err := readRules(crew, old)
		if err != nil {
			return "", nil, err
		}
		if rules, err = change(rules); err != nil {
			return "", nil, err
		}
		text, err := json.Marshal(rules)
		return string(text), []Entry{entry}, err
	})
	var told *Fault
	if err != nil && !errors.As(err, &told) {
		return fmt.Errorf("keep the recurring work: %w", err)
	}
	return err
}

// check refuses a rule that could make no task, or makes nonsense of the calendar.
func (r *Rule) check() error {
	if !validName(r.Name) {
		return fault("use a short name", "%q is no name for recurring work", clip(r.Name))
	}
	if r.Ahead < 0 || r.Ahead > MaxAhead {
		return fault(fmt.Sprintf("use 0 to %d", MaxAhead), "tasks cannot be made %d days ahead", r.Ahead)
	}
	if _, _, err := r.step(); err != nil {
		return err
	}
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		return fault("--tz Europe/Zurich", "the time zone %q is not known", clip(r.Zone))
	}
	from, err := time.ParseInLocation(time.DateOnly, r.From, zone)
	if err != nil {
		return fault("write it like 2026-12-01", "%q is no date to begin at", clip(r.From))
	}
	if until, err := time.ParseInLocation(time.DateOnly, r.Until, zone); r.Until != "" && (err != nil || until.Before(from)) {
		return fault("write a later date, like 2027-12-01", "%q is no date to end at", clip(r.Until))
	}
	for _, clock := range []string{r.Due, r.Start} {
		if _, err := time.Parse("15:04", clock); err != nil && clock != "" {
			return fault("write it like 17:00", "%q is no time of the day", clip(clock))
		}
	}
	if r.Start > r.Due {
		return fault("give a window that ends later than it starts", "the work would be due at %s and start at %s", r.Due, r.Start)
	}
	for _, name := range []string{"status", "due_at", "window_start", "window_end", op.CrewField, op.Number, op.UpdatedAt} {
		if _, given := r.Task[name]; given {
			return fault("leave it out", "%s of recurring work follows from the rule", name)
		}
	}
	if refusal := op.CheckFields(op.Task, op.Insert, r.fields(from)); refusal != nil {
		return refusal
	}
	return nil
}

// step is the interval: months, or else days.
func (r Rule) step() (months, days int, err error) {
	count, unit, found := strings.Cut(strings.TrimSpace(r.Every), " ")
	n := 1
	if !found {
		unit = count
	} else if n, err = strconv.Atoi(count); err != nil {
		n = 0
	}
	if n < 1 || n > 1000 {
		unit = ""
	}
	switch strings.TrimSuffix(unit, "s") {
	case "day":
		return 0, n, nil
	case "week":
		return 0, 7 * n, nil
	case "month":
		return n, 0, nil
	case "year":
		return 12 * n, 0, nil
	}
	return 0, 0, fault("write day, week, month, year, or a number of them, like '2 weeks'", "%q is no interval", clip(r.Every))
}

// dates are those between two moments, both included, oldest first. Months are
// counted from the first date: the 31st is the last day of shorter months, and the
// 31st again in the next.
func (r Rule) dates(from, to time.Time) (out []time.Time) {
	months, days, err := r.step()
	zone, err2 := time.LoadLocation(r.Zone)
	first, err3 := time.ParseInLocation(time.DateOnly, r.From, time.UTC)
	if err != nil || err2 != nil || err3 != nil {
		return nil
	}
	last := to.In(zone).Format(time.DateOnly)
	if r.Until != "" {
		last = min(last, r.Until)
	}
	since := max(from.In(zone).Format(time.DateOnly), r.Added)
	for n := r.skip(first, from, months, days); ; n++ {
		date := first.AddDate(0, 0, n*days)
		if months > 0 {
			month := time.Date(first.Year(), first.Month()+time.Month(n*months), 1, 0, 0, 0, 0, time.UTC)
			end := month.AddDate(0, 1, -1).Day()
			date = month.AddDate(0, 0, min(first.Day(), end)-1)
		}
		day := date.Format(time.DateOnly)
		if day > last {
			return out
		}
		if day >= since {
			out = append(out, time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone))
		}
	}
}

// skip is a number of intervals that ends before a moment for sure.
func (Rule) skip(first, from time.Time, months, days int) int {
	passed := int(from.Sub(first).Hours() / 24)
	if months > 0 {
		days = 31 * months
	}
	return max(0, passed/days-1)
}

// fields are those of the task of a date.
func (r Rule) fields(date time.Time) op.Fields {
	f := op.Fields{"status": string(op.Pending), op.CrewField: r.Crew}
	for name, v := range r.Task {
		if text, ok := v.(string); ok {
			v = strings.ReplaceAll(text, "{date}", date.Format(time.DateOnly))
		}
		f[name] = v
	}
	at := func(clock string) int64 {
		t, err := time.Parse("15:04", clock)
		if err != nil {
			return 0
		}
		return time.Date(date.Year(), date.Month(), date.Day(), t.Hour(), t.Minute(), 0, 0, date.Location()).UnixMilli()
	}
	f["due_at"] = at(r.Due)
	if r.Start != "" {
		f["window_start"], f["window_end"] = at(r.Start), at(r.Due)
	}
	return f
}

// id of something of the rule's on a date.
func (r Rule) id(date time.Time, what string) string {
	return uuid.NewSHA1(recurSpace, []byte(strings.Join([]string{r.Crew, r.Name, date.Format(time.DateOnly), what}, "\x00"))).String()
}

// Recurred is a task that recurring work makes.
type Recurred struct {
	Rule, Crew, Date, Task string
}

// Recur makes the tasks of recurring work whose time has come, and tells which.
// With dry nothing is written.
func (s *Server) Recur(ctx context.Context, dry bool) (made []Recurred, err error) {
	crews, err := s.store.Crews(ctx)
	if err != nil {
		return nil, fmt.Errorf("recurring work: %w", err)
	}
	for _, crew := range crews {
		rules, fault := s.Rules(ctx, crew.Name)
		err = errors.Join(err, fault)
		for _, r := range rules {
			done, fault := s.recur(ctx, r, dry)
			made = append(made, done...)
			if fault != nil { // the others go on
				err = errors.Join(err, fmt.Errorf("recurring work %s of %s: %w", r.Name, r.Crew, fault))
			}
		}
	}
	return made, err
}

// recur makes the tasks of one rule that are not made yet: the outcome of the op
// that made a task is kept for ever, whatever becomes of the task.
func (s *Server) recur(ctx context.Context, r Rule, dry bool) (made []Recurred, err error) {
	now := s.now()
	dates := r.dates(now.AddDate(0, 0, -catchUp), now.AddDate(0, 0, r.Ahead))
	if len(dates) == 0 {
		return nil, nil
	}
	by, err := s.Office(ctx, "", r.Crew)
	if err != nil {
		return nil, err
	}
	needs := Needs{Crews: by.Crews, User: by.User}
	for _, d := range dates {
		needs.OpIDs = append(needs.OpIDs, r.id(d, "op"))
	}
	loaded, err := s.store.Load(ctx, needs)
	if err != nil {
		return nil, err
	}
	items, err := s.TemplateOf(ctx, r.Crew, r.Task.Text("type"))
	if err != nil {
		return nil, err
	}
	for _, d := range dates {
		if _, done := loaded.Outcomes[r.id(d, "op")]; done {
			continue
		}
		if !dry {
			if err := s.makeRecurred(ctx, by, r, d, items); err != nil {
				return made, err
			}
		}
		made = append(made, Recurred{r.Name, r.Crew, d.Format(time.DateOnly), r.id(d, "task")})
	}
	return made, nil
}

// makeRecurred makes the task of a date and its checklist, or nothing: a refusal
// leaves no outcome behind, so that the date is tried again.
func (s *Server) makeRecurred(ctx context.Context, by Author, r Rule, date time.Time, items []op.Fields) error {
	id := r.id(date, "task")
	ops := append([]op.Op{{ID: r.id(date, "op"), Kind: op.Task, Entity: id, Action: op.Insert, Fields: r.fields(date)}}, checklist(id, items)...)
	now := s.ms()
	batch := make([]incoming, len(ops))
	for i, o := range ops {
		if i > 0 {
			o.ID = r.id(date, "item "+strconv.Itoa(i))
		}
		o.Fields[op.UpdatedAt] = now
		o.CreatedAt, o.Schema, o.Group = now, op.Schema, r.id(date, "group")
		batch[i] = receive(o)
	}
	results := []wire.Result{}
	err := s.lanes.write(ctx, s.step(by, nil, batch, func(all wire.Results) error {
		results = all.Results
		for _, res := range results {
			if res.Outcome == op.Rejected && res.Code != op.CodeGroup { // of a group: another one says why
				return &op.Refusal{Code: res.Code, Field: res.Field, Message: res.Message}
			}
		}
		return nil
	}), len(batch))
	if err != nil {
		return err
	}
	s.decided(batch, results)
	return nil
}

// recurOn makes recurring work until ctx ends. What fails is tried again next time.
func (s *Server) recurOn(ctx context.Context) {
	for {
		made, err := s.Recur(ctx, false)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("recurring work", keyError, err)
		}
		if len(made) > 0 {
			s.log.Info("made recurring work", "tasks", len(made))
		}
		if !pause(ctx, recurEvery) {
			return
		}
	}
}
