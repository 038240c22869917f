package exchange

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"example.com/punchlist/sync/op"
)

// Formats for other programs to read. Each is written so that nobody's text can
// be taken for more than text.

// WriteNDJSON writes what WriteJSON does, one object a line and nothing around it.
func WriteNDJSON(w io.Writer, tasks Tasks) error {
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for t, err := range tasks {
		if err != nil {
			return err
		}
		if err := enc.Encode(t.object()); err != nil { // ends in a line break
			return err
		}
	}
	return out.Flush()
}

// WriteGeoJSON writes a FeatureCollection (RFC 7946): one feature a task, at its
// site's place, longitude first; without a place its geometry is null. The
// properties are those of list --json, and the site's name and address.
func WriteGeoJSON(w io.Writer, tasks Tasks) error {
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	before := "{\"type\":\"FeatureCollection\",\"features\":[\n"
	for t, err := range tasks {
		if err != nil {
			return err
		}
		if _, err := out.WriteString(before); err != nil {
			return err
		}
		if err := enc.Encode(t.feature()); err != nil {
			return err
		}
		before = ","
	}
	if before == "," {
		before = ""
	}
	if _, err := out.WriteString(before + "]}\n"); err != nil {
		return err
	}
	return out.Flush()
}

// feature is a task as GeoJSON. What is [lon, lat] is told by geometry alone.
func (t Task) feature() map[string]any {
	properties := t.object()
	for _, name := range []string{"site", "checklist", "notes", "time"} {
		delete(properties, name)
	}
	var geometry any
	if t.Site != nil {
		for _, name := range []string{"code", "name", "address", "city", "postal_code", "country"} {
			if v := t.Site.Fields[name]; v != nil {
				properties["site_"+name] = v
			}
		}
		if lat, lon, ok := t.place(); ok {
			geometry = map[string]any{"type": "Point", "coordinates": [2]float64{lon, lat}}
		}
	}
	return map[string]any{"type": "Feature", "id": t.ID, "geometry": geometry, "properties": properties}
}

// place is where the task's site lies, if that is on the globe.
func (t Task) place() (lat, lon float64, ok bool) {
	if t.Site == nil {
		return 0, 0, false
	}
	lat, known := t.Site.Fields.Real("lat")
	lon, both := t.Site.Fields.Real("lon")
	return lat, lon, known && both && lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180
}

// WriteTodoTxt writes one line a task, as todo.txt has it:
//
//	x (A) COMPLETED CREATED text +crew @site key:value
//
// The date in front keeps the text from being read as a mark or a priority; what
// would be read as a project, a context or a key in the middle of it is parted.
func WriteTodoTxt(w io.Writer, tasks Tasks) error {
	out := bufio.NewWriterSize(w, 64<<10)
	for t, err := range tasks {
		if err != nil {
			return err
		}
		if _, err := out.WriteString(t.todo() + "\n"); err != nil {
			return err
		}
	}
	return out.Flush()
}

var todoPriority = map[string]string{"emergency": "A", "high": "B", "normal": "C", "low": "D"}

func (t Task) todo() string {
	f := t.Fields
	day := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateOnly) }
	born := day(t.madeAt())
	var words []string
	priority := todoPriority[f.Text("priority")]
	ended := op.Status(f.Text("status")).Ended()
	switch {
	case ended:
		end := f.Int("completed_at")
		if end == 0 {
			end = f.Int(op.UpdatedAt)
		}
		words = append(words, "x", day(end), born)
	case priority != "":
		words = append(words, "("+priority+")", born)
	default:
		words = append(words, born)
	}
	words = append(words, todoText(f.Text("title")))
	if crew := todoWord(f.Text(op.CrewField)); crew != "" {
		words = append(words, "+"+crew)
	}
	if t.Site != nil {
		if code := todoWord(t.Site.Fields.Text("code")); code != "" {
			words = append(words, "@"+code)
		}
	}
	for _, tag := range strings.Fields(joinTags(f)) {
		if tag = todoWord(tag); tag != "" {
			words = append(words, "@"+tag)
		}
	}
	if due := f.Int("due_at"); due != 0 {
		words = append(words, "due:"+day(due))
	}
	if ended && priority != "" {
		words = append(words, "pri:"+priority)
	}
	words = append(words, "status:"+todoWord(f.Text("status")), "id:"+t.ID)
	return strings.Join(words, " ")
}

// todoText parts words that todo.txt would read as more than text.
func todoText(s string) string {
	words := strings.Fields(op.Clean(s, false))
	for i, word := range words {
		first, size := utf8.DecodeRuneInString(word)
		if (first == '+' || first == '@') && len(word) > size {
			words[i] = string(first) + " " + word[size:]
			continue
		}
		key, value, ok := strings.Cut(word, ":")
		if ok && key != "" && value != "" && !strings.HasPrefix(value, "//") {
			words[i] = key + ": " + value
		}
	}
	return strings.Join(words, " ")
}

// todoWord is a text as one word of todo.txt.
func todoWord(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return '_'
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, op.Clean(s, false))
}
