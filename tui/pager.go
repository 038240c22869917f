package tui

import (
	"slices"

	"example.com/punchlist/localdb"
)

// pager holds a window of the list of tasks: the rows on the screen and a
// margin on both sides, whatever the table holds. It asks for pages by key and
// never counts, so the first row of a million comes as fast as that of ten.
//
//	     keys[0] ┐
//	     margin  │
//	top ──► ┌────┤ ◄── rows, at most maxRows
//	cur ──► │ >  │
//	        └────┤
//	     margin  │
//	  keys[n-1]  ┘
type pager struct {
	filter     localdb.Filter
	rows       []localdb.TaskRow
	keys       []localdb.Key
	top, cur   int
	head, tail bool // the list's first, last row is among rows
	gen        int  // answers of an older generation are dropped
	busy       bool // a page is on its way
	read       bool // there was a first answer
	owed       int  // rows to move once the page is there
}

// pageRows is how many rows are asked for at once, maxRows how many are kept,
// margin how near the window's edge the cursor may come before more are asked for.
const (
	pageRows = 100
	maxRows  = 400
	margin   = 60
)

// edge says which page is wanted.
type edge int

const (
	fromStart edge = iota
	fromEnd
	below
	above
	again // what is shown, once more
)

// pageWant is a request for a page.
type pageWant struct {
	edge  edge
	gen   int
	query localdb.Query
	keep  string // select this task if it is among the rows
}

// ask makes a request that supersedes all earlier ones.
func (p *pager) ask(e edge) pageWant {
	p.gen++
	p.busy = true
	w := pageWant{edge: e, gen: p.gen, query: localdb.Query{Filter: p.filter, Limit: pageRows}}
	switch {
	case e == fromEnd:
		w.query.Back = true
	case e == below:
		w.query.From = keyAt(p.keys, len(p.keys)-1)
	case e == above:
		w.query.From, w.query.Back = keyAt(p.keys, 0), true
	case e == again && p.head:
		w.query.Limit = min(maxRows, max(pageRows, len(p.rows)))
	case e == again && len(p.keys) > 0:
		w.query.From, w.query.Limit = keyAt(p.keys, 0), max(pageRows, len(p.rows))
	}
	return w
}

// keyAt is a copy: the command that reads it runs beside Update.
func keyAt(keys []localdb.Key, i int) *localdb.Key {
	k := keys[i]
	return &k
}

// more says which page to ask for next; false while none is needed.
func (p *pager) more() (edge, bool) {
	switch {
	case p.busy || len(p.rows) == 0:
		return 0, false
	case !p.tail && p.cur > len(p.rows)-margin:
		return below, true
	case !p.head && p.cur < margin:
		return above, true
	}
	return 0, false
}

// take fits a page in; false when it comes too late to matter.
func (p *pager) take(msg pageMsg) bool {
	if msg.want.gen != p.gen {
		return false
	}
	p.busy, p.read = false, true
	page := msg.page
	switch msg.want.edge {
	case fromStart:
		p.rows, p.keys, p.cur, p.top = page.Rows, page.Keys, 0, 0
		p.head, p.tail = true, !page.More
	case fromEnd:
		p.rows, p.keys, p.cur = page.Rows, page.Keys, max(0, len(page.Rows)-1)
		p.head, p.tail = !page.More, true
	case below:
		p.rows, p.keys = append(p.rows, page.Rows...), append(p.keys, page.Keys...)
		p.tail = !page.More
		p.dropFront()
	case above:
		p.rows = slices.Concat(page.Rows, p.rows)
		p.keys = slices.Concat(page.Keys, p.keys)
		p.cur, p.top = p.cur+len(page.Rows), p.top+len(page.Rows)
		p.head = !page.More
		p.dropBack()
	case again:
		p.again(msg.want, page)
	}
	p.settleOwed()
	return true
}

// again replaces the window by its newer self, keeping the place: the task
// under the cursor where it still is in sight and not just done with; else the
// same line, so that the next task comes under the cursor.
func (p *pager) again(want pageWant, page localdb.Page) {
	keep, wasDone := want.keep, false
	was := p.cur
	if row := p.selected(); row != nil && keep == "" {
		keep, wasDone = row.ID, row.Section == localdb.Done
	}
	if want.query.From != nil { // the anchor row itself is not read again
		was, p.top = max(0, was-1), max(0, p.top-1)
	}
	p.rows, p.keys, p.tail = page.Rows, page.Keys, !page.More
	at := slices.IndexFunc(p.rows, func(r localdb.TaskRow) bool { return r.ID == keep })
	if at >= 0 && (want.keep != "" || wasDone || p.rows[at].Section != localdb.Done) {
		was = at
	}
	p.cur = max(0, min(was, len(p.rows)-1))
	p.top = max(0, min(p.top, len(p.rows)-1))
}

func (p *pager) dropFront() {
	n := min(len(p.rows)-maxRows, p.cur-margin, p.top-margin)
	if n <= 0 {
		return
	}
	p.rows, p.keys = slices.Clone(p.rows[n:]), slices.Clone(p.keys[n:])
	p.cur, p.top, p.head = p.cur-n, p.top-n, false
}

func (p *pager) dropBack() {
	n := max(maxRows, p.cur+margin, p.top+2*margin)
	if n >= len(p.rows) {
		return
	}
	p.rows, p.keys, p.tail = slices.Clone(p.rows[:n]), slices.Clone(p.keys[:n]), false
}

// move goes n rows down (up, when negative). It returns which page the way
// leads into where that is not at hand.
func (p *pager) move(n int) (edge, bool) {
	to := p.cur + n
	p.cur = max(0, min(to, len(p.rows)-1))
	switch {
	case len(p.rows) == 0:
	case to > p.cur && !p.tail:
		p.owed = to - p.cur
		return below, true
	case to < p.cur && !p.head:
		p.owed = to - p.cur
		return above, true
	}
	return 0, false
}

func (p *pager) settleOwed() {
	if p.owed != 0 {
		n := p.owed
		p.owed = 0
		p.cur = max(0, min(p.cur+n, len(p.rows)-1))
	}
}

func (p *pager) selected() *localdb.TaskRow {
	if p.cur < 0 || p.cur >= len(p.rows) {
		return nil
	}
	return &p.rows[p.cur]
}

// opens tells whether a section's heading stands above row i, when the rows
// are drawn from row top on.
func (p *pager) opens(i, top int) bool {
	return i == top || p.rows[i].Section != p.rows[i-1].Section
}

// firstRow is the row to draw from so that the selected one is in sight in h
// lines, headings included. It moves no further than it must, and leaves no line
// empty below the list's last row while there are rows above.
func (p *pager) firstRow(h int) int {
	top := min(p.top, p.cur)
	for top < p.cur && p.lines(top, p.cur) > h {
		top++
	}
	last := len(p.rows) - 1
	for p.tail && top > 0 && last-top < h && p.lines(top-1, last) <= h {
		top--
	}
	return top
}

// lines counts the lines from row top to row last.
func (p *pager) lines(top, last int) int {
	n := 0
	for i := top; i <= last; i++ {
		n++
		if p.opens(i, top) {
			n++
		}
	}
	return n
}
