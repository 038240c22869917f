package terminal

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of Keys, where KeyLimits leaves them out.
const (
	// DefaultWait is how long the rest of a sequence may stay out before an
	// escape byte is taken for the escape key; RemoteWait is the same over SSH.
	DefaultWait = 50 * time.Millisecond
	RemoteWait  = 100 * time.Millisecond
	// DefaultLost is the pulse of a paste: it is taken for ended when it brings
	// next to nothing in this time.
	DefaultLost = 2 * time.Second
	// DefaultPaste is how many bytes of a paste are given on at once.
	DefaultPaste = 64 << 10
)

const (
	pasteStart, pasteEnd = "\x1b[200~", "\x1b[201~"

	// pulse is what a living paste brings in KeyLimits.Lost at least. A key
	// held down brings less, a line of 9600 baud more.
	pulse = 256
	// burst is what arrives at once when a paste comes back after the link
	// stalled, and from no hand; it counts for resume after the paste was given up.
	burst  = 16
	resume = time.Minute
	// maxReport bounds a string that the terminal sends.
	maxReport = 4096
	// maxCSI bounds any other sequence.
	maxCSI = 64
)

// KeyLimits are the times and sizes of Keys; zero values mean the defaults.
type KeyLimits struct {
	Wait, Lost time.Duration
	Paste      int
}

// Keys puts the bytes of a terminal together into whole keys, however they were
// packed on their way. A key is a letter, a control character, a sequence, a
// mouse report, or a piece of a paste between its marks. Answers to questions
// that somebody else asked the terminal, and bytes that are no text, are dropped.
//
// Keys has no clock and does no I/O: Feed and Expire are told the time.
type Keys struct {
	limits  KeyLimits
	pending []byte    // begun, not whole
	since   time.Time // when the last byte of pending came
	sure    bool      // pending is a sequence, not the escape key
	ready   [][]byte

	pasting   bool
	text      []byte    // of the paste, not yet given on
	beat      time.Time // when the pulse was last looked at
	brought   int       // since then
	mayResume time.Time // until then a burst is taken for the rest of the paste
}

// NewKeys returns Keys with these limits.
func NewKeys(limits KeyLimits) *Keys {
	if limits.Wait <= 0 {
		limits.Wait = DefaultWait
	}
	if limits.Lost <= 0 {
		limits.Lost = DefaultLost
	}
	if limits.Paste <= 0 {
		limits.Paste = DefaultPaste
	}
	return &Keys{limits: limits}
}

// Next returns the next whole key, or nil.
func (k *Keys) Next() []byte {
	if len(k.ready) == 0 {
		return nil
	}
	key := k.ready[0]
	k.ready = k.ready[1:]
	return key
}

// Deadline is when Expire has something to do, if nothing more arrives.
func (k *Keys) Deadline() (time.Time, bool) {
	switch {
	case k.pasting:
		return k.beat.Add(k.limits.Lost), true
	case len(k.pending) > 0 && k.sure:
		return k.since.Add(k.limits.Lost), true
	case len(k.pending) > 0:
		return k.since.Add(k.limits.Wait), true
	}
	return time.Time{}, false
}

// Feed takes bytes that have arrived. They count as in time even after the
// deadline: only the caller knows whether they were there, and he not looking.
func (k *Keys) Feed(now time.Time, p []byte) {
	if !k.pasting && k.looksResumed(now, p) {
		k.startPaste(now)
	}
	k.pending = append(k.pending, p...)
	k.since = now
	for len(k.pending) > 0 {
		used := 0
		if k.pasting {
			used = k.paste(now)
		} else {
			used = k.key(now)
		}
		if used == 0 {
			return
		}
		k.pending = k.pending[used:]
	}
	k.pending = nil
}

// Expire gives up waiting where the time is over. It is for when nothing has
// arrived that could be fed.
func (k *Keys) Expire(now time.Time) {
	due, waiting := k.Deadline()
	if !waiting || now.Before(due) {
		return
	}
	if !k.pasting {
		k.flush()
		return
	}
	if k.brought >= pulse {
		k.beat, k.brought = now, 0
		return
	}
	k.pending, k.pasting, k.mayResume = nil, false, now.Add(resume)
	k.give()
}

// flush makes keys of a sequence that has no more to come: an escape byte is
// the escape key, with a letter behind it the letter with alt; what cannot be
// typed is dropped.
func (k *Keys) flush() {
	b := k.pending
	k.pending = nil
	if k.sure || b[0] != esc {
		return
	}
	for len(b) > 1 && b[1] == esc {
		k.ready = append(k.ready, b[:1])
		b = b[1:]
	}
	if len(b) > 1 && b[1] >= utf8.RuneSelf {
		b = b[:1]
	}
	k.ready = append(k.ready, b)
}

// key takes one key from the front of what is pending and says how many bytes
// it was, 0 when it is not whole yet.
func (k *Keys) key(now time.Time) int {
	n, kind := scan(k.pending)
	switch kind {
	case partial, partialSure:
		k.sure = kind == partialSure
		return 0
	case dropped:
		if string(k.pending[:n]) == pasteEnd {
			k.mayResume = time.Time{}
		}
	case pasteMark:
		k.startPaste(now)
	case whole:
		k.ready = append(k.ready, normal(k.pending[:n]))
	}
	return n
}

func (k *Keys) startPaste(now time.Time) {
	k.pasting, k.beat, k.brought, k.mayResume = true, now, 0, time.Time{}
}

// looksResumed tells whether these bytes are more of a paste that was given up:
// its text must never be taken for keys.
func (k *Keys) looksResumed(now time.Time, p []byte) bool {
	if !now.Before(k.mayResume) || len(p) <= burst {
		return false
	}
	return bytes.Contains(p, []byte(pasteEnd)) || !bytes.ContainsRune(p, esc)
}

// paste takes text from the front of what is pending, up to the mark that ends
// the paste; the beginning of such a mark stays.
func (k *Keys) paste(now time.Time) int {
	end := bytes.Index(k.pending, []byte(pasteEnd))
	used := end
	if end < 0 {
		used = len(k.pending) - markPrefix(k.pending)
	}
	k.text = append(k.text, k.pending[:used]...)
	k.brought += used
	for len(k.text) >= k.limits.Paste {
		k.give()
	}
	if end >= 0 {
		for len(k.text) > 0 {
			k.give()
		}
		k.pasting = false
		used += len(pasteEnd)
	}
	return used
}

// markPrefix is the length of the longest end of b that may be the beginning of
// the mark that ends a paste.
func markPrefix(b []byte) int {
	for n := min(len(b), len(pasteEnd)-1); n > 0; n-- {
		if string(b[len(b)-n:]) == pasteEnd[:n] {
			return n
		}
	}
	return 0
}

// give hands on the text of a paste, a piece at most, never half a letter.
// Bubble Tea drops what is no text, and a paste of nothing would be a key
// message without a letter, so neither is given.
func (k *Keys) give() {
	n := min(len(k.text), k.limits.Paste)
	if n < len(k.text) || k.pasting {
		n -= partialRune(k.text[:n])
	}
	n = max(n, min(len(k.text), 1))
	text := strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return -1
		}
		return r
	}, string(k.text[:n]))
	k.text = append([]byte(nil), k.text[n:]...)
	if text != "" {
		k.ready = append(k.ready, []byte(pasteStart+text+pasteEnd))
	}
}

// partialRune is how many bytes at the end of b begin a letter that goes on.
func partialRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
