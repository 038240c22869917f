package localdb

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// maxExchange is the longest exchange, ms, whose middle is taken for the moment of
// the server's word: half of it is the error that it can bring.
const maxExchange = 2000

// keepExchange is how long, ms of boot clock, a short exchange is preferred to
// newer but longer ones; clocks drift apart meanwhile.
const keepExchange = 10 * 60 * 1000

// Now is this moment in ms since 1970 UTC, by the server's clock where this
// boot has met the server, else by the wall clock.
func (db *DB) Now() int64 {
	r := db.clock()
	var known times
	err := db.sql.Read(context.Background(), func(tx *sqlite.Tx) (err error) {
		known, err = loadTimes(tx, r)
		return err
	})
	if err != nil {
		return r.Wall
	}
	return known.of(r)
}

// Time is Now as a time.
func (db *DB) Time() time.Time { return time.UnixMilli(db.Now()) }

func loadOffsets(tx *sqlite.Tx) (op.Offsets, error) {
	o := op.Offsets{ByBoot: map[string][]op.Anchor{}}
	if err := tx.Scan([]any{&o.Wall, &o.Known}, "SELECT clock_offset, offset_known FROM device"); err != nil {
		return o, err
	}
	rows, err := tx.Query("SELECT boot_id, learned_ms, offset_ms, coalesce(earlier, '') FROM boots")
	if err != nil {
		return o, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var newest op.Anchor
		var earlier anchors
		if err := rows.Scan(&id, &newest.Boot, &newest.Offset, &earlier); err != nil {
			return o, err
		}
		o.ByBoot[id] = append(earlier, newest)
	}
	return o, rows.Err()
}

// LearnOffset takes the server's time out of a completed exchange, with the
// clocks before the request and after the answer. Of the recent exchanges the
// shortest counts; a longer one moves the known offset as far as it proves that
// wrong. Long ones teach nothing else: clocks drift apart by seconds while a
// machine sleeps for days, and then the first exchange may be a slow one. The
// first short one in a boot puts right what waiting changes of this boot wrote by
// the wall clock.
func (db *DB) LearnOffset(ctx context.Context, serverTime int64, before, after op.Reading) error {
	rtt := after.Boot - before.Boot
	if before.BootID == "" || before.BootID != after.BootID || rtt < 0 {
		return nil
	}
	now := exchange{boot: before.BootID, Anchor: op.Anchor{Boot: after.Boot, Offset: serverTime - (before.Boot + rtt/2)}, rtt: rtt}
	wall := serverTime - (before.Wall + rtt/2)
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		known, err := loadTimes(tx, after)
		if err != nil {
			return err
		}
		if err := now.keep(tx); err != nil || rtt > maxExchange {
			return err
		}
		if _, err = tx.Exec("UPDATE device SET clock_offset = ?, offset_known = 1", wall); err != nil || known.now != 0 {
			return err
		}
		return db.retime(tx, contact{boot: before.BootID, offset: now.Offset, wall: wall, now: after.Boot + now.Offset, before: known})
	})
}

// exchange is one that teaches a boot's offset.
type exchange struct {
	op.Anchor
	boot string
	rtt  int64
}

// keep notes an exchange, where it knows better than the one before it.
func (e exchange) keep(tx *sqlite.Tx) error {
	var last exchange
	var earlier anchors
	known, err := scanRow(tx, []any{&last.Boot, &last.Offset, &last.rtt, &earlier},
		"SELECT learned_ms, offset_ms, rtt_ms, coalesce(earlier, '') FROM boots WHERE boot_id = ?", e.boot)
	if err != nil {
		return err
	}
	old := e.Boot-last.Boot > keepExchange
	disproved := known && max(last.Offset-e.Offset, e.Offset-last.Offset) > (e.rtt+1)/2 // the server read its clock in between
	better := e.rtt <= maxExchange && (!known || old || e.rtt <= last.rtt)
	if disproved && !better { // no further than it proves: one way may have taken all the time
		e.Offset = min(max(last.Offset, e.Offset-(e.rtt+1)/2), e.Offset+(e.rtt+1)/2)
	}
	switch {
	case !disproved && !better:
		return nil
	case !known:
		_, err := tx.Exec("INSERT INTO boots (boot_id, learned_ms, offset_ms, rtt_ms) VALUES (?, ?, ?, ?)", e.boot, e.Boot, e.Offset, e.rtt)
		return err
	case old:
		if earlier, err = append(earlier, last.Anchor).needed(tx, e.boot); err != nil {
			return err
		}
	}
	_, err = tx.Exec("UPDATE boots SET learned_ms = ?, offset_ms = ?, rtt_ms = ?, earlier = nullif(?, '') WHERE boot_id = ?", e.Boot, e.Offset, e.rtt, earlier.text(), e.boot)
	return err
}

// maxAnchors is how many earlier exchanges of a boot are kept.
const maxAnchors = 64

// anchors are earlier exchanges of a boot, in a column as [[boot clock, offset], …].
type anchors []op.Anchor

// Scan reads the column.
func (a *anchors) Scan(column any) error {
	text, _ := column.(string)
	if text == "" {
		return nil
	}
	var pairs [][2]int64
	if err := json.Unmarshal([]byte(text), &pairs); err != nil {
		return fmt.Errorf("earlier exchanges of a boot: %w", err)
	}
	for _, p := range pairs {
		*a = append(*a, op.Anchor{Boot: p[0], Offset: p[1]})
	}
	return nil
}

func (a anchors) text() string {
	if len(a) == 0 {
		return ""
	}
	pairs := make([][2]int64, len(a))
	for i, anchor := range a {
		pairs[i] = [2]int64{anchor.Boot, anchor.Offset}
	}
	b, _ := json.Marshal(pairs) // numbers
	return string(b)
}

// needed are those that changes may still be timed by which were never sent. Of
// too many every second one is left out.
func (a anchors) needed(tx *sqlite.Tx, boot string) (anchors, error) {
	var unsent, oldest int64
	err := tx.Scan([]any{&unsent, &oldest}, "SELECT count(*), coalesce(min(boot_ms), 0) FROM sync_queue WHERE boot_id = ? AND tried = 0", boot)
	if err != nil || unsent == 0 {
		return nil, err
	}
	for len(a) > 1 && a[1].Boot <= oldest {
		a = a[1:]
	}
	if len(a) <= maxAnchors {
		return a, nil
	}
	var kept anchors
	for i := 0; i < len(a); i += 2 {
		kept = append(kept, a[i])
	}
	return kept, nil
}
