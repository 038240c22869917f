package op

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
)

// Leaves is how many leaves a crew's digest has. A record is in the leaf that
// the last two digits of its id name: they are chance, and a database finds
// them without computing a hash.
const Leaves = 256

// LeafOf is the leaf of a record. An id that does not end in two hexadecimal
// digits is no UUID; it counts in the first.
func LeafOf(id string) uint8 {
	if len(id) < 2 {
		return 0
	}
	n, err := strconv.ParseUint(id[len(id)-2:], 16, 8)
	if err != nil {
		return 0
	}
	return uint8(n)
}

// LeafName is a leaf as the two digits that its ids end in.
func LeafName(leaf uint8) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[leaf>>4], digits[leaf&15]})
}

// Sum is the SHA-256 of what one record says, or of several, laid over each
// other bit by bit (XOR).
type Sum [sha256.Size]byte

// MarshalText writes a sum as base64url without padding.
func (s Sum) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, s[:]), nil
}

// UnmarshalText reads it.
func (s *Sum) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(b) != len(s) {
		return errors.New("not a sum: 32 bytes as base64url are")
	}
	*s = Sum(b)
	return nil
}

// SumOf is the sum of one record as the server tells it (see [Record.State]):
// the kind, and every member that is set, by name. Each is a line of its name,
// "=", a letter for its type, the length of its text in bytes, ":" and the text,
// so that no two records come to the same lines.
func SumOf(kind Kind, state Fields) Sum {
	b := make([]byte, 0, 1024)
	b = appendMember(b, "kind", string(kind))
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if v := state[name]; v != nil {
			b = appendMember(b, name, v)
		}
	}
	return sha256.Sum256(b)
}

// Sum is the sum of a record: [SumOf] its state, without making that.
func (r *Record) Sum() Sum {
	own := Fields{"id": r.ID, "version": r.Version, UpdatedAt: r.UpdatedAt(), Deleted: r.Deleted, CrewField: r.Crew}
	var names [64]string
	list := slices.AppendSeq(names[:0], maps.Keys(own))
	for name, v := range r.Fields {
		if _, hidden := own[name]; v != nil && !hidden {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	b := appendMember(make([]byte, 0, 1024), "kind", string(r.Kind))
	for _, name := range list {
		v, ok := own[name]
		if !ok {
			v = r.Fields[name]
		}
		b = appendMember(b, name, v)
	}
	return sha256.Sum256(b)
}

// appendMember writes one line. 3 and 3.0 are the same number, as in [Equal].
func appendMember(b []byte, name string, v any) []byte {
	letter, text := byte('s'), ""
	switch x := v.(type) {
	case string:
		text = x
	case int64:
		letter, text = 'n', strconv.FormatInt(x, 10)
	case float64:
		letter, text = 'n', strconv.FormatFloat(x, 'f', -1, 64)
	case bool:
		letter, text = 'b', strconv.FormatBool(x)
	}
	b = append(append(b, name...), '=', letter)
	b = append(strconv.AppendInt(b, int64(len(text)), 10), ':')
	return append(append(b, text...), '\n')
}

// Digest stands for a set of records: how many they are, and their sums laid
// over each other. It says nothing of their order and is kept up by what comes
// and goes alone. It finds damage and drift; against somebody who chooses
// records to deceive it, it is no proof.
type Digest struct {
	Count int64 `json:"count"`
	Sum   Sum   `json:"sum"`
}

// With is the digest with one more record.
func (d Digest) With(s Sum) Digest { return d.Plus(Digest{1, s}) }

// Without is the digest with one record less.
func (d Digest) Without(s Sum) Digest { return d.Plus(Digest{-1, s}) }

// Plus is the digest of two sets together. The difference between two states of
// a set is a digest too.
func (d Digest) Plus(e Digest) Digest {
	for i := range d.Sum {
		d.Sum[i] ^= e.Sum[i]
	}
	d.Count += e.Count
	return d
}

// Tally is the digest of a crew's records, leaf by leaf.
type Tally [Leaves]Digest

// Total is the digest of all leaves together.
func (t *Tally) Total() (d Digest) {
	for _, leaf := range t {
		d = d.Plus(leaf)
	}
	return d
}

// Differing lists the leaves in which two tallies differ.
func (t *Tally) Differing(other *Tally) []uint8 {
	var out []uint8
	for i := range t {
		if t[i] != other[i] {
			out = append(out, uint8(i))
		}
	}
	return out
}
