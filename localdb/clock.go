package localdb

import (
	"context"
	"time"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// maxExchange is the longest exchange, ms, that may teach the clock offset: half
// of it is the error that it can bring.
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
	o := op.Offsets{ByBoot: map[string]int64{}}
	if err := tx.Scan([]any{&o.Wall, &o.Known}, "SELECT clock_offset, offset_known FROM device"); err != nil {
		return o, err
	}
	rows, err := tx.Query("SELECT boot_id, offset_ms FROM boots")
	if err != nil {
		return o, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var ms int64
		if err := rows.Scan(&id, &ms); err != nil {
			return o, err
		}
		o.ByBoot[id] = ms
	}
	return o, rows.Err()
}

// LearnOffset takes the server's time out of a completed exchange, with the
// clocks before the request and after the answer. Of the recent exchanges the
// shortest counts; one that proves the known offset wrong counts whatever came
// before it. Long ones teach nothing else: clocks drift apart by seconds while a
// machine sleeps for days, and then the first exchange may be a slow one. The
// first short one in a boot puts right what waiting changes of this boot wrote by
// the wall clock.
func (db *DB) LearnOffset(ctx context.Context, serverTime int64, before, after op.Reading) error {
	rtt := after.Boot - before.Boot
	if before.BootID == "" || before.BootID != after.BootID || rtt < 0 {
		return nil
	}
	offset := serverTime - (before.Boot + rtt/2)
	wall := serverTime - (before.Wall + rtt/2)
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		// The server read its clock between the two readings of ours.
		_, err := tx.Exec("UPDATE boots SET offset_ms = ?, rtt_ms = ?, learned_ms = ? WHERE boot_id = ? AND offset_ms NOT BETWEEN ? AND ?",
			offset, rtt, after.Boot, before.BootID, serverTime-after.Boot, serverTime-before.Boot)
		if err != nil || rtt > maxExchange {
			return err
		}
		known, err := loadTimes(tx, after)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO boots (boot_id, offset_ms, rtt_ms, learned_ms) VALUES (?, ?, ?, ?)
			ON CONFLICT (boot_id) DO UPDATE SET offset_ms = excluded.offset_ms, rtt_ms = excluded.rtt_ms, learned_ms = excluded.learned_ms
			WHERE excluded.rtt_ms <= rtt_ms OR excluded.learned_ms - learned_ms > ?`, before.BootID, offset, rtt, after.Boot, keepExchange)
		if err != nil {
			return err
		}
		if _, err = tx.Exec("UPDATE device SET clock_offset = ?, offset_known = 1", wall); err != nil || known.now != 0 {
			return err
		}
		return db.retime(tx, contact{boot: before.BootID, offset: offset, wall: wall, now: after.Boot + offset, before: known})
	})
}
