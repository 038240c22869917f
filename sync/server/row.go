package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"example.com/punchlist/sync/op"
)

// Row is a record as stores keep it: one a record and crew, at its newest
// version there. The rows of a crew by version are the crew's feed, which so
// compacts itself. A record that leaves a crew leaves a row with Gone there.
type Row struct {
	Crew    string
	Kind    op.Kind
	ID      string
	Version int64
	Deleted bool
	Gone    bool
	// TaskID, Ref and Number are copies of the fields by which rows are looked
	// for; "" where there is none. Ref is a task's external_ref, unique in a
	// crew, or a site's code, which is not. A deleted record holds no Ref.
	TaskID string
	Ref    string
	Number string
	// Fields and Registers are JSON.
	Fields    string
	Registers string
	At        int64 // when it was written, by the server's clock, ms
}

// RowOf is the row of a record.
func RowOf(rec *op.Record) (Row, error) {
	fields, err := rec.Fields.AppendJSON(make([]byte, 0, 512))
	if err != nil {
		return Row{}, fmt.Errorf("fields of %s: %w", rec.ID, err)
	}
	return Row{Crew: rec.Crew, Kind: rec.Kind, ID: rec.ID, Version: rec.Version, Deleted: rec.Deleted,
		TaskID: parentOf(rec), Ref: cmp.Or(refOf(rec), codeOf(rec)), Number: rec.Fields.Text(op.Number),
		Fields: string(fields), Registers: string(appendRegisters(make([]byte, 0, 512), packRegisters(rec.Registers)))}, nil
}

// Record is the record of a row.
func (r Row) Record() (*op.Record, error) {
	rec := &op.Record{Kind: r.Kind, ID: r.ID, Crew: r.Crew, Version: r.Version, Deleted: r.Deleted}
	var err error
	if rec.Fields, err = op.ParseFields(r.Fields); err != nil {
		return nil, fmt.Errorf("fields of %s %s: %w", r.Kind, r.ID, err)
	}
	var packed []stampOf
	if err := json.Unmarshal([]byte(r.Registers), &packed); err != nil {
		return nil, fmt.Errorf("registers of %s %s: %w", r.Kind, r.ID, err)
	}
	rec.Registers = map[string]op.Register{}
	for _, p := range packed {
		for _, name := range p.Of {
			rec.Registers[name] = p.Register
		}
	}
	return rec, nil
}

// stampOf lists the registers that were last changed by one and the same op:
// most records were made by one and changed by few, so a register of its own
// for each field would be most of the row.
type stampOf struct {
	op.Register
	Of []string `json:"of"`
}

func packRegisters(registers map[string]op.Register) []stampOf {
	by := map[op.Register][]string{}
	for name, reg := range registers {
		by[reg] = append(by[reg], name)
	}
	out := make([]stampOf, 0, len(by))
	for reg, names := range by {
		slices.Sort(names)
		out = append(out, stampOf{reg, names})
	}
	slices.SortFunc(out, func(a, b stampOf) int { // the same record, the same row
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Of[0], b.Of[0]))
	})
	return out
}

// appendRegisters writes them as encoding/json does.
func appendRegisters(b []byte, list []stampOf) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"t":`...), s.Time, 10)
		b = op.AppendText(append(b, `,"d":`...), s.Device)
		b = op.AppendText(append(b, `,"u":`...), s.User)
		b = strconv.AppendInt(append(b, `,"v":`...), s.Version, 10)
		if s.Seq != 0 {
			b = strconv.AppendInt(append(b, `,"q":`...), s.Seq, 10)
		}
		b = append(b, `,"of":`...)
		for j, name := range s.Of {
			b = op.AppendText(append(b, "[,"[min(j, 1)]), name)
		}
		b = append(b, "]}"...)
	}
	return append(b, ']')
}

// parentOf is the task that a record hangs on; "" for tasks and sites.
func parentOf(rec *op.Record) string {
	if field := op.ParentField(rec.Kind); field != "" {
		return rec.Fields.Text(field)
	}
	return ""
}

const refField = "external_ref"

// refOf is the external_ref that a record holds: a deleted task holds none, so
// that another may take its place.
func refOf(rec *op.Record) string {
	if rec.Kind != op.Task || rec.Deleted {
		return ""
	}
	return rec.Fields.Text(refField)
}

// codeOf is the code by which a site is looked for.
func codeOf(rec *op.Record) string {
	if rec.Kind != op.Site || rec.Deleted {
		return ""
	}
	return rec.Fields.Text("code")
}

// Counts tells whether a row counts in its crew's digest.
func (r Row) Counts() bool { return !r.Deleted && !r.Gone }

// Count adds a row to the digest of its crew.
func Count(t *op.Tally, r Row) error {
	if !r.Counts() {
		return nil
	}
	rec, err := r.Record()
	if err != nil {
		return err
	}
	leaf := op.LeafOf(r.ID)
	t[leaf] = t[leaf].With(rec.Sum())
	return nil
}
