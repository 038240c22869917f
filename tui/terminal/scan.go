package terminal

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

const esc = 0x1b

// kind is what stands at the front of the input.
type kind int

const (
	whole       kind = iota // a key
	dropped                 // nothing for us
	pasteMark               // a paste begins
	partial                 // not whole, and perhaps already a key by itself
	partialSure             // not whole, and certainly a sequence
)

// scan tells what b begins with and how many bytes that is. It looks at no more
// bytes than it needs, so that the answer is the same however b has been cut.
func scan(b []byte) (int, kind) {
	switch {
	case b[0] == esc:
		return scanEscape(b)
	case b[0] < utf8.RuneSelf:
		return 1, whole
	case !utf8.FullRune(b):
		return 0, partial
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError || r < 0xa0 {
		return n, dropped
	}
	return n, whole
}

// ctrlH is backspace on the terminals whose backspace is not DEL.
const ctrlH = 0x08

// scanEscape is scan for what begins with an escape byte.
func scanEscape(b []byte) (int, kind) {
	if len(b) == 1 {
		return 0, partial
	}
	switch b[1] {
	case '[':
		return scanCSI(b)
	case 'O':
		return scanSS3(b)
	case ']':
		return scanString(b, "0123456789")
	case 'P':
		return scanString(b, "0123456789>!$|+{")
	case '_':
		return scanString(b, "G")
	case esc:
		return scanEscEsc(b)
	}
	if b[1] < ' ' && b[1] != '\r' && b[1] != ctrlH {
		return 1, whole // no key of ours is control with alt: the escape key, and another one behind it
	}
	n, k := scan(b[1:]) // a letter with alt, or enter or backspace
	if k == partial {
		return 0, partial
	}
	if k == dropped {
		return 1, whole // the escape key, and then bytes that are no text
	}
	return n + 1, whole
}

// scanEscEsc tells the escape key before another sequence from a key that is
// sent with an escape byte before it because alt is down. Bubble Tea knows the
// latter for keys of the keyboard; twice escape is two keys.
func scanEscEsc(b []byte) (int, kind) {
	if len(b) == 2 {
		return 0, partial
	}
	if b[2] != '[' && b[2] != 'O' {
		return 1, whole
	}
	n, k := scanEscape(b[1:])
	switch {
	case k == partial || k == partialSure:
		return 0, k
	case k == whole && n > 2 && b[3] != '<' && b[3] != 'M':
		return n + 1, whole
	}
	return 1, whole
}

// scanSS3 is scan for ESC O: cursor and function keys of the application mode.
func scanSS3(b []byte) (int, kind) {
	if len(b) == 2 {
		return 0, partial
	}
	switch c := b[2]; {
	case bytes.IndexByte([]byte("ABCDHFPQRSM"), c) >= 0:
		return 3, whole
	case c < ' ' || c >= 0x7f:
		return 2, whole // alt and the letter O
	}
	return 3, dropped
}

// scanString is scan for a string that the terminal sends, up to BEL or ST. It
// is one only if it goes on as such strings do; else it is a letter with alt.
func scanString(b []byte, first string) (int, kind) {
	if len(b) == 2 {
		return 0, partial
	}
	if bytes.IndexByte([]byte(first), b[2]) < 0 {
		return 2, whole
	}
	for i := 3; i < len(b); i++ {
		switch {
		case b[i] == 0x07:
			return i + 1, dropped
		case b[i] == esc && i+1 < len(b):
			if b[i+1] == '\\' {
				return i + 2, dropped
			}
			return i, dropped // broken off by another sequence
		case i >= maxReport:
			return i, dropped
		}
	}
	return 0, partialSure
}

// scanCSI is scan for ESC [.
func scanCSI(b []byte) (int, kind) {
	if len(b) == 2 {
		return 0, partial
	}
	switch b[2] {
	case '[': // function keys of the Linux console
		return exactly(b, 4, whole)
	case 'M': // a mouse report of the old form
		return exactly(b, 6, whole)
	case 'O': // a focus report, or an arrow of some terminals
		if len(b) == 3 {
			return 0, partialSure
		}
		if bytes.IndexByte([]byte("ABCDabcd"), b[3]) >= 0 {
			return 4, whole
		}
		return 3, dropped
	}
	for i := 2; i < len(b); i++ {
		switch c := b[i]; {
		case c == '$' && digitsOnly(b[2:i]), c >= 0x40 && c <= 0x7e:
			return i + 1, classify(b[2:i], c)
		case c < 0x20 || c > 0x3f || i > maxCSI:
			return i, dropped
		}
	}
	return 0, partialSure
}

// exactly is scan for a sequence of known length.
func exactly(b []byte, n int, k kind) (int, kind) {
	if len(b) < n {
		return 0, partialSure
	}
	return n, k
}

// classify tells keys from reports: of the device, of the cursor, of modes, of
// the window and of focus.
func classify(params []byte, final byte) kind {
	private := len(params) > 0 && params[0] >= '<' && params[0] <= '?'
	switch {
	case private && params[0] == '<' && (final == 'M' || final == 'm'):
		return whole // the mouse
	case private:
		return dropped
	case final == '~' && string(params) == "200":
		return pasteMark
	case final == '~' && string(params) == "201":
		return dropped
	case final == 'R':
		if isModifiedF3(params) {
			return whole
		}
		return dropped
	case final == 'c' && len(params) > 0, bytes.IndexByte([]byte("nytuI"), final) >= 0:
		return dropped
	}
	return whole
}

// isModifiedF3 tells F3 with shift, alt or ctrl from a cursor report. Nobody
// asks for the cursor here, so the few columns where they look alike are keys.
func isModifiedF3(params []byte) bool {
	rest, ok := bytes.CutPrefix(params, []byte("1;"))
	n, err := strconv.Atoi(string(rest))
	return ok && err == nil && n >= 2 && n <= 8
}

func digitsOnly(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// normal returns a key as Bubble Tea knows it: home, end and enter have forms
// in the application mode that it does not.
func normal(key []byte) []byte {
	switch string(key) {
	case "\x1bOH":
		return []byte("\x1b[H")
	case "\x1bOF":
		return []byte("\x1b[F")
	case "\x1bOM":
		return []byte("\r")
	}
	return append([]byte(nil), key...)
}
