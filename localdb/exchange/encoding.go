package exchange

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	utf "golang.org/x/text/encoding/unicode"
)

// encodings are the names that --encoding takes. A short list of what field
// data really comes in; each is also a table in the program.
var encodings = map[string]encoding.Encoding{
	"cp932":        japanese.ShiftJIS, // as in Windows: with the NEC and IBM letters
	"shift_jis":    japanese.ShiftJIS,
	"sjis":         japanese.ShiftJIS,
	"euc-jp":       japanese.EUCJP,
	"windows-1252": charmap.Windows1252,
	"cp1252":       charmap.Windows1252,
	"iso-8859-1":   charmap.ISO8859_1,
	"latin1":       charmap.ISO8859_1,
	"iso-8859-15":  charmap.ISO8859_15,
	"utf-16":       utf.UTF16(utf.LittleEndian, utf.UseBOM),
	"utf-16le":     utf.UTF16(utf.LittleEndian, utf.IgnoreBOM),
	"utf-16be":     utf.UTF16(utf.BigEndian, utf.IgnoreBOM),
}

const encodingNames = "utf-8, cp932 (shift_jis), euc-jp, windows-1252, iso-8859-1, iso-8859-15, utf-16, utf-16le, utf-16be"

// decode turns a file's bytes into UTF-8 without a byte order mark. It never
// guesses and goes on: a file that is not what it should be is an error that
// says what it looks like.
func decode(raw []byte, name string) ([]byte, error) {
	if bytes.HasPrefix(raw, []byte("PK\x03\x04")) {
		return nil, cure("open it in the spreadsheet program and save it as CSV UTF-8", "the file is a spreadsheet or a zip archive, not text")
	}
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" && (bytes.HasPrefix(raw, []byte("\xFF\xFE")) || bytes.HasPrefix(raw, []byte("\xFE\xFF"))) {
		name = "utf-16"
	}
	if name == "" || name == "utf-8" || name == "utf8" {
		return decodeUTF8(raw)
	}
	enc, ok := encodings[name]
	if !ok {
		return nil, cure("use one of "+encodingNames, "the encoding %q is not known", name)
	}
	if !strings.HasPrefix(name, "utf-16") && utf8.Valid(raw) && len(raw)-utf8.RuneCount(raw) > 2 {
		// Text of another encoding is never UTF-8 by accident beyond a letter or two.
		return nil, cure("leave --encoding out", "the file is UTF-8, not %s", name)
	}
	text, err := enc.NewDecoder().Bytes(raw)
	if err != nil {
		return nil, fmt.Errorf("decode the file as %s: %w", name, err)
	}
	if at := bytes.IndexRune(text, utf8.RuneError); at >= 0 {
		return nil, cure("try another one of "+encodingNames, "line %d holds bytes that are not %s", lineAt(text, at), name)
	}
	return bytes.TrimPrefix(text, []byte("\uFEFF")), nil
}

func decodeUTF8(raw []byte) ([]byte, error) {
	raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
	if wide := looksUTF16(raw); wide != "" {
		return nil, cure("--encoding "+wide, "the file is not UTF-8; it looks like UTF-16")
	}
	if utf8.Valid(raw) {
		return raw, nil
	}
	at := 0
	for at < len(raw) {
		r, size := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	label, name := guess(raw)
	return nil, cure("--encoding "+name, "line %d holds bytes that are not UTF-8; the file looks like %s", lineAt(raw, at), label)
}

// looksUTF16: text in a Latin script, two bytes a letter, has every other byte zero.
func looksUTF16(raw []byte) string {
	head := raw[:min(len(raw), 4096)]
	var zero [2]int
	for i, b := range head {
		if b == 0 {
			zero[i%2]++
		}
	}
	switch {
	case zero[1] > len(head)/5 && zero[0] < len(head)/50:
		return "utf-16le"
	case zero[0] > len(head)/5 && zero[1] < len(head)/50:
		return "utf-16be"
	}
	return ""
}

// guess names the likeliest encoding of text that is not UTF-8. Japanese text
// shows by its hiragana and katakana, which wrongly decoded text hardly ever
// has; what is left is a western code page.
func guess(raw []byte) (label, name string) {
	best := 0.05 // of the letters beyond ASCII; plain names and addresses are mostly kanji
	label, name = "Windows-1252 (Western European)", "windows-1252"
	for _, c := range [...]struct{ label, name string }{{"Shift_JIS (CP932)", "cp932"}, {"EUC-JP", "euc-jp"}} {
		text, err := encodings[c.name].NewDecoder().Bytes(raw)
		if err != nil {
			continue
		}
		if share := kanaShare(text); share > best {
			best, label, name = share, c.label, c.name
		}
	}
	return label, name
}

// kanaShare is the share of full-width kana among the letters beyond ASCII.
func kanaShare(text []byte) float64 {
	var kana, all float64
	for _, r := range string(text) {
		if r >= 0x80 {
			all++
		}
		if r >= 0x3041 && r <= 0x30FE {
			kana++
		}
	}
	return kana / max(all, 1)
}

func lineAt(text []byte, offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }
