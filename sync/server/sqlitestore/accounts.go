package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

// Setting returns a setting, stored now if it was not there.
func (s *Store) Setting(ctx context.Context, name, initial string) (string, error) {
	var value string
	find := func(t *sqlite.Tx) error {
		err := t.Scan([]any{&value}, `SELECT value FROM settings WHERE name = ?`, name)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	}
	if err := s.read(ctx, find); err != nil || value != "" || initial == "" {
		return value, err
	}
	err := s.write(ctx, func(t *sqlite.Tx) error {
		if _, err := t.Exec(`INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, initial); err != nil {
			return err
		}
		return find(t)
	})
	return value, err
}

// SetSetting stores a setting.
func (s *Store) SetSetting(ctx context.Context, name, value string, log ...server.Entry) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		if err := setSetting(t, name, value); err != nil {
			return err
		}
		return logged(t, log)
	})
}

func setSetting(t *sqlite.Tx, name, value string) error {
	_, err := t.Exec(`INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// ChangeSetting stores what change makes of a setting.
func (s *Store) ChangeSetting(ctx context.Context, name string, change func(old string) (string, []server.Entry, error)) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		var old string
		if err := t.Scan([]any{&old}, `SELECT value FROM settings WHERE name = ?`, name); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		value, log, err := change(old)
		if err != nil {
			return err
		}
		if err := setSetting(t, name, value); err != nil {
			return err
		}
		return logged(t, log)
	})
}

// PutUser stores a user and the crews that are missing.
func (s *Store) PutUser(ctx context.Context, u server.User, isNew bool, log ...server.Entry) (made []string, err error) {
	err = s.write(ctx, func(t *sqlite.Tx) error {
		made = nil
		query := `INSERT INTO users (name, role, created_at, disabled_at) VALUES (?, ?, ?, ?)`
		if !isNew {
			query += ` ON CONFLICT (name) DO UPDATE SET role = excluded.role, disabled_at = excluded.disabled_at`
		}
		if _, err := t.Exec(query, u.Name, u.Role, u.Created, u.Disabled); err != nil {
			if sqlite.IsUnique(err) {
				return server.ErrExists
			}
			return err
		}
		if _, err := t.Exec(`DELETE FROM members WHERE user = ?`, u.Name); err != nil {
			return err
		}
		for place, crew := range u.Crews {
			isNew, err := putCrew(t, crew, u.Created)
			if err != nil {
				return err
			}
			if isNew {
				made = append(made, crew)
			}
			if _, err := t.Exec(`INSERT INTO members (user, place, crew) VALUES (?, ?, ?)`, u.Name, place, crew); err != nil {
				return err
			}
		}
		return logged(t, log)
	})
	return made, err
}

func putCrew(t *sqlite.Tx, name string, at int64) (made bool, err error) {
	res, err := t.Exec(`INSERT INTO crews (name, created_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, at)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// PutCrew makes a crew unless it is there.
func (s *Store) PutCrew(ctx context.Context, name string, at int64, log ...server.Entry) (made bool, err error) {
	err = s.write(ctx, func(t *sqlite.Tx) error {
		if made, err = putCrew(t, name, at); err != nil || !made {
			return err
		}
		return logged(t, log)
	})
	return made, err
}

// Users lists all users.
func (s *Store) Users(ctx context.Context) (out []server.User, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		out, err = users(t, ``)
		return err
	})
	return out, err
}

// users reads users by name with their crews in order; all with an empty name.
func users(t *sqlite.Tx, name string) (out []server.User, err error) {
	at := map[string]int{}
	err = each(t, func(r *sql.Rows) error {
		var u server.User
		err := r.Scan(&u.Name, &u.Role, &u.Created, &u.Disabled)
		at[u.Name] = len(out)
		out = append(out, u)
		return err
	}, `SELECT name, role, created_at, disabled_at FROM users WHERE ?1 = '' OR name = ?1 ORDER BY name`, name)
	if err != nil {
		return nil, err
	}
	err = each(t, func(r *sql.Rows) error {
		var user, crew string
		err := r.Scan(&user, &crew)
		if i, ok := at[user]; ok {
			out[i].Crews = append(out[i].Crews, crew)
		}
		return err
	}, `SELECT user, crew FROM members WHERE ?1 = '' OR user = ?1 ORDER BY user, place`, name)
	return out, err
}

// user reads one user; [server.ErrUnknown] when there is none.
func user(t *sqlite.Tx, name string) (server.User, error) {
	found, err := users(t, name)
	if err != nil || name == "" || len(found) == 0 {
		return server.User{}, errors.Join(err, server.ErrUnknown)
	}
	return found[0], nil
}
