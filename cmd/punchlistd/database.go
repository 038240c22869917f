package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/pgstore"
	"example.com/punchlist/sync/server/sqlitestore"
)

// database is what --db names: a file, or an address of PostgreSQL.
type database string

// database is the one of --db, else of the environment, else the default file.
func (a *app) database() database {
	for _, name := range []string{a.dbPath, a.getenv("PUNCHLISTD_DB")} {
		if name != "" {
			return database(name)
		}
	}
	return defaultDB
}

// postgres tells an address from a file's path.
func (d database) postgres() bool {
	return strings.HasPrefix(string(d), "postgres://") || strings.HasPrefix(string(d), "postgresql://")
}

// meant finds what somebody meant as an address, though it is none that is known:
// taken for a file's path it would be made, and shown, with the password in it.
var meant = regexp.MustCompile(`://|(^|\s)(host|hostaddr|dbname|service|password)\s*=`)

// check refuses what is neither an address of PostgreSQL nor a file's path. It
// shows nothing of it.
func (d database) check() error {
	if d.postgres() || !meant.MatchString(string(d)) {
		return nil
	}
	return cli.Usage("write it like postgres://USER@HOST:5432/DATABASE, or name a file", "what --db (or $PUNCHLISTD_DB) names is neither a file nor an address that punchlistd knows")
}

// password is where one stands in what cannot be read as an address.
var password = regexp.MustCompile(`(://[^:/@]*):.*@|(password=)[^&\s]*`)

// String is the database as it may be shown: without a password.
func (d database) String() string {
	if !d.postgres() {
		return string(d)
	}
	u, err := url.Parse(string(d))
	if err != nil {
		return password.ReplaceAllString(string(d), "$1$2…@")
	}
	if _, set := u.User.Password(); set {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	if q.Has("password") {
		q.Del("password")
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// store is an open database.
type store interface {
	server.Store
	Close() error
}

// open opens the database and brings it to the newest schema.
func (d database) open(ctx context.Context) (store, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.postgres() {
		s, err := pgstore.Open(ctx, string(d))
		if err != nil {
			return nil, openFault(err)
		}
		return s, nil
	}
	s, err := sqlitestore.Open(ctx, string(d))
	if err != nil {
		return nil, openFault(err)
	}
	return s, nil
}

// openToRead opens the database for a command that only reads, and writes nothing:
// a file that is not there is not made. Only one of an older program is brought to
// the newest schema first, unless a server has it open: that one does not know it.
func (d database) openToRead(ctx context.Context) (store, error) {
	if d.postgres() || d.check() != nil {
		return d.open(ctx)
	}
	s, err := sqlitestore.OpenToRead(ctx, string(d))
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, &server.Fault{Message: fmt.Sprintf("there is no database %q", string(d)), Cure: "name the server's with --db (or $PUNCHLISTD_DB); punchlistd serve makes a new one"}
	case !errors.Is(err, sqlitestore.ErrOlder):
		return nil, openFault(err)
	}
	release, err := d.lockServing()
	if served := (*server.Fault)(nil); errors.As(err, &served) {
		return nil, &server.Fault{Message: "an older punchlistd serves the database " + string(d) + ", and does not know the schema of this one",
			Cure: "use the punchlistd that serves it; or stop that, and start this one: punchlistd serve"}
	}
	if err == nil {
		defer func() { _ = release() }()
	}
	return d.open(ctx) // of a place that cannot be written it says so
}

// full tells whether the disk of a database file has no room for a batch. It is
// asked, not tried: who only looks writes nothing. nil of PostgreSQL's disk, of
// which the server that serves says it (/readyz), and where it cannot be told.
func (d database) full() *bool {
	var st unix.Statfs_t
	if d.postgres() || unix.Statfs(filepath.Dir(string(d)), &st) != nil {
		return nil
	}
	full := int64(st.Bavail)*int64(st.Bsize) < server.SpaceForBatch
	return &full
}

// lanes is how many writes at once the database gains from.
func (d database) lanes() int {
	if d.postgres() {
		return pgstore.Lanes
	}
	return 1
}

// openFault adds the next step to what can go wrong with a database.
func openFault(err error) error {
	for known, cure := range map[error]string{
		sqlite.ErrNotSQLite: "name another file with --db; this one was left as it is",
		sqlite.ErrForeign:   "name another file with --db; a laptop's database is not a server's",
		sqlite.ErrNewer:     "use the version of punchlistd that wrote it, or a newer one",
		sqlite.ErrLocked:    "see which program has it open: fuser FILE",
		sqlite.ErrReadOnly:  "check who owns the file and its folder",
		pgstore.ErrForeign:  "make a database for punchlist alone: createdb punchlist",
		pgstore.ErrNewer:    "use the version of punchlistd that wrote it, or a newer one",
	} {
		if errors.Is(err, known) {
			return &server.Fault{Message: err.Error(), Cure: cure}
		}
	}
	return err
}

// lockServing makes this process the one that serves a database file, until
// release or its end, however it ends: a second one would take the remembered
// address over, and new invites would lead to it. On PostgreSQL any number of
// servers work together.
func (d database) lockServing() (release func() error, err error) {
	if d.postgres() {
		return func() error { return nil }, nil
	}
	path := string(d)
	f, err := os.OpenFile(path+".serve", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database for serving: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = &server.Fault{Message: "another punchlistd serves the database " + path + " already", Cure: "use that one, or stop it first; or serve another database: --db OTHER.db"}
	case err != nil:
		err = fmt.Errorf("lock the database for serving: %w", err)
	default:
		return f.Close, nil
	}
	return nil, errors.Join(err, f.Close())
}
