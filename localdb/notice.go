package localdb

import (
	"context"

	"example.com/punchlist/localdb/sqlite"
)

// Notice is something that the person has to know. It stays until it was read.
type Notice struct {
	Code    string // "reset", "forked", "newer", "repaired", "away", "mended" or "differs"
	Message string
	At      int64 // when it happened last, ms
	Times   int   // how often since it was read
}

// The notices.
const (
	NoticeReset    = "reset"
	NoticeForked   = "forked"
	NoticeNewer    = "newer"
	NoticeRepaired = "repaired"
	NoticeAway     = "away"
	NoticeMended   = "mended"
	NoticeDiffers  = "differs"
)

var noticeTexts = map[string]string{
	NoticeRepaired: "This laptop's database was damaged and made anew. Work that was not sent is here and goes out; everything else comes from the server with the next sync.",
	NoticeReset:    "The server was restored from a backup. Everything was fetched again, and what this laptop had sent since then is offered again.",
	NoticeForked:   "This laptop's data was copied or restored from a backup. Its changes go on under a new identity: nothing is lost.",
	NoticeNewer:    "The server told something that this punchlist is too old to show; all the rest was taken. Install the newest punchlist.",
	NoticeAway:     "This laptop was away for so long that the server has forgotten what was deleted meanwhile. Everything was fetched again; unsent work stays and is sent.",
	NoticeMended:   "Some records on this laptop were not what the server holds, though nobody had changed them. They were fetched again; unsent work stays.",
	NoticeDiffers:  "The records on this laptop still differ from the server's after they were fetched again. No work is lost. Tell the office what punchlist verify says.",
}

// Notices lists what nobody has read yet, newest first.
func (db *DB) Notices(ctx context.Context) ([]Notice, error) {
	var out []Notice
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query("SELECT code, message, at, times FROM notices WHERE read_at = 0 ORDER BY at DESC, code")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n Notice
			if err := rows.Scan(&n.Code, &n.Message, &n.At, &n.Times); err != nil {
				return err
			}
			out = append(out, n)
		}
		return rows.Err()
	})
	return out, err
}

// ReadNotices takes all notices as read.
func (db *DB) ReadNotices(ctx context.Context) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("UPDATE notices SET read_at = ? WHERE read_at = 0", max(db.clock().Wall, 1))
		return err
	})
}

func putNotice(tx *sqlite.Tx, code string, now int64) error {
	_, err := tx.Exec(`INSERT INTO notices (code, message, at) VALUES (?, ?, ?)
		ON CONFLICT (code) DO UPDATE SET message = excluded.message, at = excluded.at, times = CASE read_at WHEN 0 THEN times + 1 ELSE 1 END, read_at = 0`,
		code, noticeTexts[code], now)
	return err
}
