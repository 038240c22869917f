package pgstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/server"
)

// Setting returns a setting, stored now if it was not there.
func (s *Store) Setting(ctx context.Context, name, initial string) (value string, err error) {
	find := func() error {
		return s.query(ctx, func(rows pgx.Rows) error { return rows.Scan(&value) }, `SELECT value FROM settings WHERE name = $1`, name)
	}
	if err := find(); err != nil || value != "" || initial == "" {
		return value, err
	}
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, initial)
		return err
	})
	return value, errors.Join(err, find()) // whoever was first: what is committed is the same for all
}

// SetSetting stores a setting.
func (s *Store) SetSetting(ctx context.Context, name, value string, log ...server.Entry) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		if err != nil {
			return err
		}
		return logged(ctx, tx, log)
	})
}

// ChangeSetting stores what change makes of a setting; its row is what servers
// that change it at once wait for.
func (s *Store) ChangeSetting(ctx context.Context, name string, change func(old string) (string, []server.Entry, error)) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		old, err := lockSetting(ctx, tx, name)
		if err != nil {
			return err
		}
		value, log, err := change(old)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE settings SET value = $2 WHERE name = $1`, name, value); err != nil {
			return err
		}
		return logged(ctx, tx, log)
	})
}

// lockSetting reads a setting, made empty if it was not there, and holds its row
// until the transaction ends.
func lockSetting(ctx context.Context, tx pgx.Tx, name string) (value string, err error) {
	if _, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, '') ON CONFLICT (name) DO NOTHING`, name); err != nil {
		return "", err
	}
	err = tx.QueryRow(ctx, `SELECT value FROM settings WHERE name = $1 FOR UPDATE`, name).Scan(&value)
	return value, err
}

// accountsSetting counts the changes of who may come in and where: see Watch.
const accountsSetting = "accounts"

// changedAccounts tells the other servers.
func changedAccounts(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, '1') ON CONFLICT (name) DO UPDATE SET value = (settings.value::bigint + 1)::text`, accountsSetting)
	return err
}

// PutUser stores a user and the crews that are missing.
func (s *Store) PutUser(ctx context.Context, u server.User, isNew bool, log ...server.Entry) (made []string, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		made = nil
		home := ""
		if len(u.Crews) > 0 {
			home = u.Crews[0]
		}
		query := `INSERT INTO users (name, role, home, created_at, disabled_at) VALUES ($1, $2, $3, $4, $5)`
		if !isNew {
			query += ` ON CONFLICT (name) DO UPDATE SET role = excluded.role, disabled_at = excluded.disabled_at`
		}
		if _, err := tx.Exec(ctx, query, u.Name, string(u.Role), home, u.Created, u.Disabled); err != nil {
			if codeOf(err) == codeUnique {
				return server.ErrExists
			}
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM members WHERE author = $1`, u.Name); err != nil {
			return err
		}
		for place, crew := range u.Crews {
			isNew, err := putCrew(ctx, tx, crew, u.Created)
			if err != nil {
				return err
			}
			if isNew {
				made = append(made, crew)
			}
			if _, err := tx.Exec(ctx, `INSERT INTO members (author, place, crew) VALUES ($1, $2, $3)`, u.Name, place, crew); err != nil {
				return err
			}
		}
		if err := logged(ctx, tx, log); err != nil {
			return err
		}
		return changedAccounts(ctx, tx)
	})
	return made, err
}

func putCrew(ctx context.Context, tx pgx.Tx, name string, at int64) (made bool, err error) {
	tag, err := tx.Exec(ctx, `INSERT INTO crews (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, at)
	return tag.RowsAffected() > 0, err
}

// PutCrew makes a crew unless it is there.
func (s *Store) PutCrew(ctx context.Context, name string, at int64, log ...server.Entry) (made bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if made, err = putCrew(ctx, tx, name, at); err != nil || !made {
			return err
		}
		return logged(ctx, tx, log)
	})
	return made, err
}

// Users lists all users.
func (s *Store) Users(ctx context.Context) (out []server.User, err error) {
	r := newReads()
	r.Queue(`SELECT name, role, created_at, disabled_at FROM users`).Query(each(func(rows pgx.Rows) error {
		var u server.User
		err := rows.Scan(&u.Name, &u.Role, &u.Created, &u.Disabled)
		out = append(out, u)
		return err
	}))
	crews := map[string][]string{}
	r.Queue(`SELECT author, crew FROM members ORDER BY author, place`).Query(each(func(rows pgx.Rows) error {
		var user, crew string
		err := rows.Scan(&user, &crew)
		crews[user] = append(crews[user], crew)
		return err
	}))
	if err := s.read(ctx, r); err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Crews = crews[out[i].Name]
	}
	slices.SortFunc(out, func(a, b server.User) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// userOf reads one user; [server.ErrUnknown] when there is none.
func userOf(ctx context.Context, tx pgx.Tx, name string) (u server.User, err error) {
	err = tx.QueryRow(ctx, `SELECT u.name, u.role, u.created_at, u.disabled_at, `+crewsOfUser+` FROM users AS u WHERE u.name = $1`, name).
		Scan(&u.Name, &u.Role, &u.Created, &u.Disabled, &u.Crews)
	return u, err
}

// crewsOfUser are a user's crews in their order.
const crewsOfUser = `(SELECT coalesce(array_agg(m.crew ORDER BY m.place), '{}') FROM members AS m WHERE m.author = u.name)`
