package localdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"example.com/punchlist/localdb/sqlite"
)

// maxTokens is how many of the newest tokens are kept.
const maxTokens = 3

// tokens are those of which the server said that it does not know them. The newest
// stands alone in a file beside the database, which every program that ever was
// can read; those before it, the newest first, in a second file. Whichever is
// shown, what was on the disk stays there: so the one before the newest still lets
// in when the newest was never used, or when the server was restored from a backup
// of the time before it. The second file names the newest token (by a hash) that its
// own are older than: a program of before there was such a file leaves it lying when
// it enrols anew, and to show another device's token would be an alarm.
//
//	.token         T0  ──offered T1──────────▶ T1   ──is shown──▶ known: it is the token now
//	.token.older       └─▶ T0, written first ─────────▶        └─▶ not known: T0 is shown
type tokens struct {
	mu      sync.Mutex // guards unknown
	unknown map[string]bool
}

func (db *DB) tokenFile() string { return db.Path() + ".token" }

// token is the newest one that the server may know.
func (db *DB) token() (string, error) {
	list, err := db.readTokens()
	if err != nil || len(list) == 0 {
		return "", err // a copied database: the server will ask to enrol again
	}
	db.tokens.mu.Lock()
	defer db.tokens.mu.Unlock()
	for _, t := range list {
		if !db.tokens.unknown[t] {
			return t, nil
		}
	}
	return list[0], nil
}

func (db *DB) olderFile() string { return db.tokenFile() + ".older" }

// readTokens are the newest token and those before it. Without the newest there is
// none: an older one by itself would look like a copy's.
func (db *DB) readTokens() (list []string, err error) {
	list, _, err = db.lookForTokens()
	return list, err
}

// lookForTokens tells as well whether there are older ones that are not this device's.
func (db *DB) lookForTokens() (list []string, strays bool, err error) {
	newest, err := readTokenFile(db.tokenFile())
	if err != nil || len(newest) == 0 {
		return nil, false, err
	}
	older, err := readTokenFile(db.olderFile())
	older, strays = olderThan(newest[0], older)
	for _, t := range append(newest, older...) {
		if !slices.Contains(list, t) { // an earlier program kept all in the first file
			list = append(list, t)
		}
	}
	return list[:min(len(list), maxTokens)], strays, err
}

// olderOf begins the word that names the token of which those beside it are older.
const olderOf = "of:"

// nameOf tells tokens apart without showing them.
func nameOf(token string) string {
	sum := sha256.Sum256([]byte("punchlist token " + token))
	return olderOf + hex.EncodeToString(sum[:8])
}

// olderThan are the tokens of the second file, unless they belong to another
// device than the newest. A kill may have come before the newest was written: then
// the one that still stands there is among them.
func olderThan(newest string, words []string) (older []string, strays bool) {
	name := ""
	for _, w := range words {
		if strings.HasPrefix(w, olderOf) {
			name = w
		} else {
			older = append(older, w)
		}
	}
	if name == "" || slices.ContainsFunc(append(older, newest), func(t string) bool { return nameOf(t) == name }) || slices.Contains(older, newest) {
		return older, false
	}
	return nil, true
}

func readTokenFile(path string) ([]string, error) {
	if err := sqlite.CheckFile(path); err != nil {
		return nil, &Error{Message: "the token is not safe: " + err.Error(), Hint: Cure(err, path), Cause: err}
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	return strings.Fields(string(b)), nil
}

// writeTokens keeps the newest token, and first those before it: killed in
// between, the newest one is missing and nothing else.
func (db *DB) writeTokens(newest string, older []string) error {
	var err error
	if len(older) > 0 {
		err = keepFile(db.olderFile(), strings.Join(older, "\n")+"\n"+nameOf(newest)+"\n") // in one step: these may be all that a restored server knows
	} else {
		err = os.Remove(db.olderFile())
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("keep the older tokens: %w", err)
	}
	if err := keepFile(db.tokenFile(), newest+"\n"); err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	return nil
}

// Renew keeps a token that the server offered to whoever showed the token from.
// It is on the disk, before the older ones, when Renew returns. Where this laptop
// joined anew meanwhile it has another token, and the offer means nothing. Whoever
// writes the file holds the database's write lock, so that no two do.
func (db *DB) Renew(ctx context.Context, from, next string) error {
	return db.sql.Write(ctx, func(*sqlite.Tx) error {
		list, err := db.readTokens()
		if err != nil || !slices.Contains(list, from) {
			return err
		}
		db.tokens.mu.Lock()
		delete(db.tokens.unknown, next) // the server knows it now
		db.tokens.mu.Unlock()
		if list[0] == next {
			return nil
		}
		older := slices.DeleteFunc(list, func(t string) bool { return t == next })
		return db.writeTokens(next, older[:min(len(older), maxTokens-1)])
	})
}

// Renewed hears that a token was replaced by a newer one: the server knows one of
// those here again that it did not, because it was restored to before them.
func (db *DB) Renewed() {
	db.tokens.mu.Lock()
	defer db.tokens.mu.Unlock()
	clear(db.tokens.unknown)
}

// Refused hears that the server does not know a token, and tells whether there
// is another one to show. Where there is none all begins again with the newest.
func (db *DB) Refused(token string) (other bool) {
	list, strays, err := db.lookForTokens()
	if err != nil {
		return false
	}
	if strays {
		db.dropStrays()
	}
	db.tokens.mu.Lock()
	defer db.tokens.mu.Unlock()
	if db.tokens.unknown == nil {
		db.tokens.unknown = map[string]bool{}
	}
	db.tokens.unknown[token] = true
	for _, t := range list {
		if !db.tokens.unknown[t] {
			return true
		}
	}
	clear(db.tokens.unknown)
	return false
}

// dropStrays removes another device's tokens, if they are still there once nobody
// else writes tokens. Where that cannot be done they are left out all the same.
func (db *DB) dropStrays() {
	_ = db.sql.Write(context.Background(), func(*sqlite.Tx) error {
		if _, strays, err := db.lookForTokens(); err != nil || !strays {
			return err
		}
		return os.Remove(db.olderFile())
	})
}
