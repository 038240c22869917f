package localdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"example.com/punchlist/localdb/sqlite"
)

// Words are looked up as parts of words: "oil" finds the boiler. With FTS5 an
// index of all groups of three letters says which few tasks can match; what it
// does not know yet is added, and each of them is still compared, so that a
// search finds the same with the index, without it, and while it is being made.

const (
	gramLetters   = 3    // shorter words are common ones: the list's own order finds enough of them soon
	maxCandidates = 1000 // from here on the list's own order is quicker
	indexChunk    = 500  // tasks a transaction: a person's save never waits longer than for one
)

// IndexSearch brings the index for searching up to date, a few tasks at a time.
// Without FTS5 in this build it does nothing.
func (db *DB) IndexSearch(ctx context.Context) error {
	for {
		var stale bool
		err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
			return tx.Scan([]any{&stale}, "SELECT sqlite_compileoption_used('ENABLE_FTS5') AND EXISTS (SELECT 1 FROM search_docs WHERE stale = 1)")
		})
		if err != nil || !stale {
			return err
		}
		if err := db.sql.Write(ctx, indexSome); err != nil {
			return err
		}
	}
}

func indexSome(tx *sqlite.Tx) error {
	if _, err := tx.Exec(`CREATE VIRTUAL TABLE IF NOT EXISTS task_search USING fts5 (text, tokenize = 'trigram case_sensitive 1', detail = none, content = '', contentless_delete = 1)`); err != nil {
		return err
	}
	rows, err := tx.Query("SELECT d.doc, t.search FROM search_docs d LEFT JOIN tasks t ON t.id = d.id WHERE d.stale = 1 LIMIT ?", indexChunk)
	if err != nil {
		return err
	}
	defer rows.Close()
	type document struct {
		doc  int64
		text sql.NullString
	}
	var docs []document
	for rows.Next() {
		var d document
		if err := rows.Scan(&d.doc, &d.text); err != nil {
			return err
		}
		docs = append(docs, d)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, d := range docs {
		if _, err := tx.Exec("DELETE FROM task_search WHERE rowid = ?", d.doc); err != nil {
			return err
		}
		if !d.text.Valid { // the task left this laptop
			if _, err := tx.Exec("DELETE FROM search_docs WHERE doc = ?", d.doc); err != nil {
				return err
			}
			continue
		}
		if _, err := tx.Exec("INSERT INTO task_search (rowid, text) VALUES (?, ?)", d.doc, d.text.String); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE search_docs SET stale = 0 WHERE doc = ?", d.doc); err != nil {
			return err
		}
	}
	return nil
}

// candidates are the tasks that a filter's words can match, as a JSON list; not
// narrowed when there is no index or they are too many.
func candidates(tx *sqlite.Tx, f Filter) (list string, narrowed bool, err error) {
	word, grams := "", ""
	for _, w := range f.words { // the longest says most
		if utf8.RuneCountInString(w) >= max(gramLetters, utf8.RuneCountInString(word)) {
			word, grams = w, gramQuery(w)
		}
	}
	if word == "" {
		return "", false, nil
	}
	var indexed bool
	err = tx.Scan([]any{&indexed}, `SELECT sqlite_compileoption_used('ENABLE_FTS5') AND EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'task_search')
		AND (SELECT count(*) FROM (SELECT 1 FROM search_docs WHERE stale = 1 LIMIT ?1)) < ?1`, maxCandidates)
	if err != nil || !indexed {
		return "", false, err
	}
	// Each part has its own limit: a UNION gathers all of them before it gives one.
	ids, err := collectAll(tx, `SELECT * FROM (SELECT d.id FROM task_search s CROSS JOIN search_docs d ON d.doc = s.rowid WHERE task_search MATCH ?1 LIMIT ?3)
		UNION SELECT id FROM search_docs INDEXED BY search_docs_stale WHERE stale = 1
		UNION SELECT * FROM (SELECT t.id FROM sites s CROSS JOIN tasks t ON t.site_id = s.id WHERE instr(s.search, ?2) > 0 LIMIT ?3) LIMIT ?3`, grams, word, maxCandidates+1)
	if err != nil || len(ids) > maxCandidates {
		return "", false, err
	}
	if ids == nil {
		ids = []string{}
	}
	text, err := json.Marshal(ids)
	return string(text), true, err
}

// gramQuery asks for all groups of three letters of a word.
func gramQuery(word string) string {
	letters := []rune(word)
	var grams []string
	for i := 0; i+gramLetters <= len(letters); i++ {
		grams = append(grams, `"`+strings.ReplaceAll(string(letters[i:i+gramLetters]), `"`, `""`)+`"`)
	}
	return strings.Join(grams, " AND ")
}
