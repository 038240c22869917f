package localdb

import (
	"encoding/json"
	"strings"

	"example.com/punchlist/localdb/sqlite"
)

// foundColumns are where a word may stand that a line of the list does not show,
// in the order of what tells a reader most, with what people call them.
var foundColumns = []struct{ word, column string }{
	{"site", "s.name"}, {"at", "s.address"}, {"at", "s.city"}, {"asset", "t.asset"}, {"contact", "t.contact_name"}, {"ref", "t.external_ref"}, {"says", "t.description"},
}

// explainFinds says of each row why a search found it, where the row itself does
// not tell.
func explainFinds(tx *sqlite.Tx, rows []TaskRow, words []string) error {
	if len(words) == 0 {
		return nil
	}
	dark := map[string]*TaskRow{}
	var ids []string
	for i := range rows {
		if hidden(rows[i], words) != nil {
			dark[rows[i].ID], ids = &rows[i], append(ids, rows[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	query := "SELECT t.id"
	for _, c := range foundColumns {
		query += ", coalesce(" + c.column + ", '')"
	}
	found, err := tx.Query(query+" FROM json_each(?) c CROSS JOIN tasks t ON t.id = c.value LEFT JOIN sites s ON s.id = t.site_id", string(list))
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		texts := make([]string, len(foundColumns)+1)
		into := make([]any, len(texts))
		for i := range texts {
			into[i] = &texts[i]
		}
		if err := found.Scan(into...); err != nil {
			return err
		}
		row := dark[texts[0]]
		row.Found = whereFound(hidden(*row, words)[0], texts[1:])
	}
	return found.Err()
}

// hidden are the words that a row's line does not show.
func hidden(r TaskRow, words []string) (out []string) {
	shown := strings.ToLower(r.Number + "\n" + r.Title + "\n" + r.SiteCode)
	for _, w := range words {
		if !strings.Contains(shown, w) {
			out = append(out, w)
		}
	}
	return out
}

// whereFound names the text that holds a word, and the part of it around the word.
func whereFound(word string, texts []string) string {
	for i, c := range foundColumns {
		for line := range strings.Lines(texts[i]) {
			if at := strings.Index(strings.ToLower(line), word); at >= 0 {
				return c.word + " " + around(strings.TrimSpace(line), len([]rune(strings.ToLower(line)[:at])))
			}
		}
	}
	return ""
}

// around is a line from a little before a place on, as far as anybody has room for.
func around(line string, at int) string {
	const before, most = 12, 60
	r := []rune(line)
	from := 0
	if at > 2*before {
		from = min(at-before, len(r))
	}
	text := string(r[from:min(len(r), from+most)])
	if _, rest, ok := strings.Cut(text, " "); ok && from > 0 {
		text = "…" + rest
	}
	return text
}
