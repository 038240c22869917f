package exchange

import (
	"strings"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
)

// space is the namespace of the ids that an import makes.
var space = uuid.MustParse("6f1d2c3e-5a0b-5e47-9c55-2f0e1d7a9b34")

// idFor is the id of a record that a file knows by a key of its own: the same
// for the same kind, crew and key on every machine.
func idFor(kind op.Kind, parts ...string) string {
	return uuid.NewSHA1(space, []byte(string(kind)+"\x00"+strings.Join(parts, "\x00"))).String()
}
