package exchange

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"example.com/punchlist/sync/op"
)

// mapping says where each field of a row comes from.
type mapping struct {
	id      *source
	fields  []assignment // of the task and of the site
	tags    *source
	items   []itemColumn
	outcome *words
	kind    string // of the items
	words   map[string]*words
	fixed   bool            // nobody can say what a word means: there are no --values
	empty   map[string]bool // cells that mean nothing, in lower case
	clock   clockwork
}

// assignment is one field and its source.
type assignment struct {
	kind  op.Kind
	field op.Field
	src   source
}

// name is how a person calls the field: a site's with "site." in front.
func (a assignment) name() string {
	if a.kind == op.Site {
		return sitePrefix + a.field.Name
	}
	return a.field.Name
}

const (
	sitePrefix = "site."
	idName     = "id"
	tagsName   = "tags"
)

// source is a column, a text with columns in it, or a constant.
type source struct {
	parts    []part
	constant bool
}

// part is a piece of text, or with column ≥ 0 the cell of that column.
type part struct {
	text   string
	column int
}

// column is the first column that the source looks at; -1 for a constant.
func (s source) column() int {
	for _, p := range s.parts {
		if p.column >= 0 {
			return p.column
		}
	}
	return -1
}

// value is the source's text for a row. A text whose columns are all empty is
// empty itself: "Inspect {ADDRESS}" without an address is no title.
func (m *mapping) value(s source, r row) string {
	if len(s.parts) == 1 && s.parts[0].column >= 0 {
		return m.cell(r, s.parts[0].column)
	}
	var b strings.Builder
	filled := s.constant
	for _, p := range s.parts {
		if p.column < 0 {
			b.WriteString(p.text)
			continue
		}
		c := m.cell(r, p.column)
		filled = filled || c != ""
		b.WriteString(c)
	}
	if !filled {
		return ""
	}
	return strings.TrimSpace(b.String())
}

func (m *mapping) cell(r row, column int) string {
	c := strings.TrimFunc(r.cells[column], func(r rune) bool { return unicode.IsSpace(r) })
	if m.empty[strings.ToLower(c)] {
		return ""
	}
	return c
}

// ownAside are members of punchlist's own exports that an import passes over:
// the server's or the laptop's to say, never the file's.
var ownAside = []string{op.UpdatedAt, op.Number, op.CrewField, sitePrefix + op.CrewField, op.Deleted, "version", "sync", "history"}

// aliases are other words for a field, as people head their columns and as the
// command line itself says them.
var aliases = map[string]string{"due": "due_at", "site": "site.code", "tag": tagsName, "ref": "external_ref", "phone": "contact_phone"}

// headings are words that people head columns with, beyond the aliases. They count
// where no column is headed with the field's own name; what --map says goes by
// fields and aliases alone.
var headings = map[string]string{
	"task": "title", "taskname": "title", "subject": "title", "summary": "title", "details": "description",
	"duedate": "due_at", "deadline": "due_at", "assignedto": "assignee", "technician": "assignee", "owner": "assignee",
	"reference": "external_ref", "workorder": "external_ref", "workordernumber": "external_ref", "ordernumber": "external_ref", "wo": "external_ref",
	"prio": "priority", "urgency": "priority", "equipment": "asset", "contact": "contact_name", "customer": "contact_name", "telephone": "contact_phone", "tel": "contact_phone",
	"sitecode": "site.code", "sitename": "site.name",
}

// siteHeadings count only beside a column for the site's code.
var siteHeadings = map[string]string{
	"address": "site.address", "city": "site.city", "town": "site.city", "zip": "site.postal_code", "postcode": "site.postal_code", "postalcode": "site.postal_code",
	"country": "site.country", "lat": "site.lat", "latitude": "site.lat", "lon": "site.lon", "lng": "site.lon", "long": "site.lon", "longitude": "site.lon",
}

// compile makes a mapping of the options for a header. The notes are what a
// person should know of columns that nothing asks for.
func compile(header []string, o Options) (m *mapping, notes []string, err error) {
	m = &mapping{kind: o.ItemKind, words: map[string]*words{}, empty: map[string]bool{"": true}}
	for _, w := range o.Null {
		for _, one := range strings.Split(w, ",") {
			m.empty[strings.ToLower(strings.TrimSpace(one))] = true
		}
	}
	if m.clock, err = newClockwork(o.Zone, o.Dates); err != nil {
		return nil, nil, err
	}
	for _, v := range o.Values {
		if err := m.addWords(v); err != nil {
			return nil, nil, err
		}
	}
	for _, arg := range o.Map {
		if err := m.add(header, arg); err != nil {
			return nil, nil, err
		}
	}
	if len(o.Map) == 0 {
		notes = m.mapItself(header)
	}
	if err := m.addItems(header, o); err != nil {
		return nil, nil, err
	}
	return m, notes, m.check(header)
}

// check refuses a mapping that can make no record.
func (m *mapping) check(header []string) error {
	hasTitle, hasTask, hasCode, hasSite := false, m.id != nil || m.tags != nil || len(m.items) > 0, false, false
	seen := map[string]bool{}
	for _, a := range m.fields {
		if seen[a.name()] {
			return cure("give each field one source", "%s is mapped twice", a.name())
		}
		seen[a.name()] = true
		hasTitle = hasTitle || a.name() == "title"
		hasCode = hasCode || a.name() == sitePrefix+"code"
		hasTask = hasTask || a.kind == op.Task
		hasSite = hasSite || a.kind == op.Site
	}
	switch {
	case hasSite && !hasCode:
		return cure(`--map "site.code=COLUMN"`, "nothing is mapped to site.code, by which a site is known again")
	case hasTask && !hasTitle, !hasTask && !hasSite:
		return cure(fmt.Sprintf(`--map "title=COLUMN"; the columns are: %s`, columnNames(header)), "nothing is mapped to title, which every task needs")
	}
	return nil
}

// siteOnly tells whether the rows speak of sites alone.
func (m *mapping) siteOnly() bool {
	if m.id != nil || m.tags != nil || len(m.items) > 0 {
		return false
	}
	return !slices.ContainsFunc(m.fields, func(a assignment) bool { return a.kind == op.Task })
}

// add takes one --map argument.
func (m *mapping) add(header []string, arg string) error {
	name, text, ok := strings.Cut(arg, "=")
	name = canonical(strings.TrimSpace(name))
	if !ok || name == "" || text == "" {
		return cure(`--map "title=SITE ADDRESS", --map "title=Inspect {SITE ADDRESS}" or --map "type==inspection"`, "%s does not say FIELD=COLUMN", quote(arg))
	}
	src, err := parseSource(header, text)
	if err != nil {
		return err
	}
	switch name {
	case idName:
		m.id = &src
		return nil
	case tagsName:
		m.tags = &src
		return nil
	}
	a, err := assign(name, src)
	if err != nil {
		return err
	}
	m.fields = append(m.fields, a)
	return nil
}

func assign(name string, src source) (assignment, error) {
	kind, field := op.Task, name
	if rest, ok := strings.CutPrefix(name, sitePrefix); ok {
		kind, field = op.Site, rest
	}
	if field == idName && kind == op.Site {
		return assignment{kind, op.Field{Name: idName, Type: op.ID}, src}, nil
	}
	f, ok := op.FieldOf(kind, field)
	switch {
	case !ok:
		return assignment{}, cure("the fields are: "+fieldNames(), "there is no field %s to map to", quote(name))
	case f.Derived:
		return assignment{}, cure("leave it out", "%s is given by the server and cannot be imported", name)
	}
	return assignment{kind, f, src}, nil
}

// parseSource reads what stands behind FIELD= : "=text" is a constant, a text
// with {COLUMN} in it is composed, all else names a column.
func parseSource(header []string, text string) (source, error) {
	if constant, ok := strings.CutPrefix(text, "="); ok {
		return source{parts: []part{{text: constant, column: -1}}, constant: true}, nil
	}
	if c, err := findColumn(header, text); err == nil || !strings.Contains(text, "{") {
		return source{parts: []part{{column: c}}}, err
	}
	var s source
	for text != "" {
		before, rest, ok := strings.Cut(text, "{")
		if before != "" {
			s.parts = append(s.parts, part{text: before, column: -1})
		}
		if !ok {
			break
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return source{}, cure("write {COLUMN}", "a { is not closed in %s", quote(text))
		}
		c, err := findColumn(header, name)
		if err != nil {
			return source{}, err
		}
		s.parts = append(s.parts, part{column: c})
		text = after
	}
	return s, nil
}

// findColumn finds a column by its exact name, else by its name without case,
// blanks, hyphens and underscores where that is clear.
func findColumn(header []string, name string) (int, error) {
	name = strings.TrimSpace(name)
	found := -1
	for _, same := range [...]func(h string) bool{
		func(h string) bool { return h == name },
		func(h string) bool { return plain(h) == plain(name) && plain(h) != "" },
	} {
		for i, h := range header {
			if !same(h) {
				continue
			}
			if found >= 0 {
				return 0, cure("write the name just as it stands, or give the columns different names",
					"%s fits two columns: %d (%s) and %d (%s)", quote(name), found+1, clip(header[found]), i+1, clip(h))
			}
			found = i
		}
		if found >= 0 {
			return found, nil
		}
	}
	hint := "the columns are: " + columnNames(header)
	if near := nearest(header, name); near != "" {
		hint = fmt.Sprintf("did you mean %s?", quote(near))
	}
	return 0, cure(hint, "the file has no column %s", quote(name))
}

// plain is a name without what people write differently each time.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// nearest is the column that a person most likely meant: one that holds the
// name or is held by it, or that is a slip or two of the keyboard away.
func nearest(header []string, name string) string {
	n := plain(name)
	for _, h := range header {
		p := plain(h)
		if p == "" || n == "" {
			continue
		}
		if strings.Contains(p, n) || strings.Contains(n, p) || len(n) > 3 && slips(p, n) <= 2 {
			return h
		}
	}
	return ""
}

// slips counts the letters to add, drop or change between two words.
func slips(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		before := row[0]
		row[0] = i + 1
		for j := range y {
			cost := before
			if x[i] != y[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(y)]
}

func columnNames(header []string) string {
	names := make([]string, 0, len(header))
	for _, h := range header {
		names = append(names, clip(h))
	}
	if len(names) > 30 {
		return strings.Join(names[:30], ", ") + fmt.Sprintf(" and %d more", len(names)-30)
	}
	return strings.Join(names, ", ")
}

func fieldNames() string {
	names := []string{idName, tagsName, "tag.NAME", "x.NAME"}
	for _, f := range op.SchemaOf(op.Task) {
		if !f.Derived {
			names = append(names, f.Name)
		}
	}
	for _, f := range op.SchemaOf(op.Site) {
		names = append(names, sitePrefix+f.Name)
	}
	return strings.Join(names, ", ")
}

// mapItself maps every column that is headed like a field, then those that are
// headed with another word for one.
func (m *mapping) mapItself(header []string) (notes []string) {
	var rest []int
	for i, h := range header {
		if h != "" && !m.mapColumn(i, itself(h)) {
			rest = append(rest, i)
		}
	}
	for _, words := range []map[string]string{headings, siteHeadings} {
		rest = slices.DeleteFunc(rest, func(i int) bool {
			name, ok := words[plain(header[i])]
			return ok && (!strings.HasPrefix(name, sitePrefix) || name == sitePrefix+"code" || m.has(sitePrefix+"code")) && m.mapColumn(i, name)
		})
	}
	unused := make([]string, 0, len(rest))
	for _, i := range rest {
		unused = append(unused, clip(header[i]))
	}
	if len(unused) > 0 {
		notes = append(notes, fmt.Sprintf("%s: %s", count(len(unused), "column is not a field and was passed over", "columns are not fields and were passed over"), columnNames(unused)))
	}
	return notes
}

// mapColumn maps a column to the field of a name; false when there is none, or
// another column is it.
func (m *mapping) mapColumn(column int, name string) bool {
	src := source{parts: []part{{column: column}}}
	switch {
	case slices.Contains(ownAside, name):
	case name == idName:
		m.id = &src
	case name == tagsName:
		m.tags = &src
	default:
		a, err := assign(name, src)
		if err != nil || m.has(a.name()) {
			return false
		}
		m.fields = append(m.fields, a)
	}
	return true
}

func (m *mapping) has(name string) bool {
	return slices.ContainsFunc(m.fields, func(a assignment) bool { return a.name() == name })
}

// itself is the field that a header means: names of fields in any case, with
// blanks or underscores; x. and tag. families as they are written.
func itself(h string) string {
	low := strings.ToLower(h)
	if strings.HasPrefix(low, op.CustomPrefix) || strings.HasPrefix(low, op.TagPrefix) {
		dot := strings.IndexByte(h, '.')
		return low[:dot+1] + h[dot+1:]
	}
	for _, known := range ownNames {
		if plain(known) == plain(h) {
			return known
		}
	}
	return canonical(h)
}

// canonical is the field that an alias stands for.
func canonical(name string) string {
	if to, ok := aliases[plain(name)]; ok {
		return to
	}
	return name
}

// ownNames are all names that punchlist's own exports head their columns with.
var ownNames = func() []string {
	names := append([]string{idName, tagsName, sitePrefix + idName}, ownAside...)
	for _, f := range op.SchemaOf(op.Task) {
		names = append(names, f.Name)
	}
	for _, f := range op.SchemaOf(op.Site) {
		names = append(names, sitePrefix+f.Name)
	}
	return names
}()
