package pgstore

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"example.com/punchlist/sync/server"
)

// packID makes an id small: a UUID in its usual form is its 16 bytes. Anything
// else (a refused op may name what it likes) is itself, behind a letter and
// longer than 16 bytes, so that the two are never taken for each other.
func packID(id string) []byte {
	if len(id) == 36 {
		if u, err := uuid.Parse(id); err == nil && u.String() == id {
			return u[:]
		}
	}
	b := append([]byte{'t'}, id...)
	for len(b) <= 16 {
		b = append(b, 0)
	}
	return b
}

func unpackID(b []byte) string {
	if len(b) == 16 {
		return uuid.UUID(b).String()
	}
	if len(b) == 0 {
		return ""
	}
	text := string(b[1:])
	if len(b) == 17 { // the only length at which zeros were added
		text = strings.TrimRight(text, "\x00")
	}
	return text
}

// packPrint makes a fingerprint small: 43 letters of base64 are 32 bytes. Any
// other text gets a letter in front, and one behind where it would be as long.
func packPrint(print string) []byte {
	if b, err := base64.RawURLEncoding.Strict().DecodeString(print); err == nil && len(b) == sha256.Size {
		return b
	}
	b := append([]byte{'t'}, print...)
	if len(b) == sha256.Size {
		b = append(b, 0)
	}
	return b
}

func unpackPrint(b []byte) string {
	switch {
	case len(b) == sha256.Size:
		return base64.RawURLEncoding.EncodeToString(b)
	case len(b) == 0:
		return ""
	}
	return strings.TrimSuffix(string(b[1:]), "\x00")
}

// plainText makes text that PostgreSQL keeps: NUL is the one sign that it cannot.
func plainText(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

// packResult leaves an answer away that says no more than where and when: most do.
func packResult(result string, version, stamp int64) *string {
	if result == server.PlainResult(version, stamp) {
		return nil
	}
	return &result
}

// stampOf is the stamp of a result; of one that is more than plain and has none
// it may be anything, because such a one is kept as it is.
func stampOf(result string) int64 {
	_, text, _ := strings.Cut(result, `"stamp":`)
	end := strings.IndexFunc(text, func(r rune) bool { return r != '-' && (r < '0' || r > '9') })
	stamp, _ := strconv.ParseInt(text[:max(end, 0)], 10, 64)
	return stamp
}
