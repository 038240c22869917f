package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// Invite is what the office hands to a technician: where the server is, a code
// that works once, the fingerprint by which the server is known, and the pins of
// its certificates' keys where the office wants them held to those.
//
//	punchlist://sync.example:8443/#BCDF-GHJK-LMNP.3F2A…[.PIN]…
//
// A program that knows no pins refuses an invite that has some, instead of
// joining without them.
type Invite struct {
	URL         string // the server's base address: http on loopback, https anywhere else
	Code        string // twelve letters of [CodeAlphabet], in groups of four
	Fingerprint string // see [Fingerprint]
	Pins        []Pin  // at most MaxPins; none on loopback, which speaks no TLS
}

// MaxPins is how many pins an invite holds, and a device keeps.
const MaxPins = 8

// CodeAlphabet holds the letters of an invite's code: RFC 8628's, without
// vowels, so that a code spells no word, and without letters that are misread.
const CodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"

// Lengths of an invite's two parts, in characters.
const (
	CodeLength        = 12
	FingerprintLength = 20
)

// InviteScheme opens every invite.
const InviteScheme = "punchlist://"

// Fingerprint names a server's Ed25519 public key in few characters: 100 bits
// of its SHA-256 in base32. A stranger cannot make a key with the same one.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return base32.StdEncoding.EncodeToString(sum[:])[:FingerprintLength]
}

// NormalCode brings a code as a person typed it to the form that is hashed and
// compared: capital letters only.
func NormalCode(code string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(strings.TrimSpace(code)))
}

// GroupCode writes a code in groups of four, as people read it.
func GroupCode(code string) string {
	code = NormalCode(code)
	var parts []string
	for len(code) > 4 {
		parts, code = append(parts, code[:4]), code[4:]
	}
	return strings.Join(append(parts, code), "-")
}

// FormatInvite is the invite as one string. It fails when the address is not
// one that a device may talk to: plain http is for loopback only.
func FormatInvite(i Invite) (string, error) {
	host, err := inviteAddress(i.URL)
	if err != nil {
		return "", err
	}
	text := InviteScheme + host + "/#" + GroupCode(i.Code) + "." + i.Fingerprint
	for _, p := range i.Pins {
		text += "." + string(p)
	}
	return text, i.pinFault()
}

// pinFault says why an invite cannot have those pins.
func (i Invite) pinFault() error {
	if u, err := ParseAddress(i.URL); len(i.Pins) > 0 && err == nil && u.Scheme != "https" {
		return &AddressError{"this machine itself is spoken to without TLS: there is no key to pin", "leave the pins out"}
	}
	if len(i.Pins) > MaxPins {
		return &AddressError{fmt.Sprintf("an invite holds at most %d pins", MaxPins), "the key in use and the next one are enough"}
	}
	return nil
}

// ParseInvite reads an invite as a person pasted it. Its error is a sentence
// that says what is wrong with the text.
func ParseInvite(text string) (Invite, error) {
	text = strings.TrimSpace(text)
	rest, ok := cutPrefixFold(text, InviteScheme)
	if !ok {
		return Invite{}, fmt.Errorf("an invite begins with %s and looks like %shost:port/#BCDF-GHJK-LMNP.…", InviteScheme, InviteScheme)
	}
	address, secret, ok := strings.Cut(rest, "#")
	if !ok {
		return Invite{}, fmt.Errorf("the invite has no code (the part behind #); was it cut off when it was copied?")
	}
	code, fingerprint, _ := strings.Cut(secret, ".")
	fingerprint, pinned, more := strings.Cut(fingerprint, ".")
	code, fingerprint = NormalCode(code), strings.ToUpper(fingerprint)
	if len(code) != CodeLength || strings.Trim(code, CodeAlphabet) != "" {
		return Invite{}, fmt.Errorf("the invite's code must be %d letters of %s; copy it again", CodeLength, CodeAlphabet)
	}
	if _, err := base32.StdEncoding.DecodeString(fingerprint + "===="); err != nil || len(fingerprint) != FingerprintLength {
		return Invite{}, fmt.Errorf("the invite's end (the server's fingerprint) must be %d characters; was it cut off when it was copied?", FingerprintLength)
	}
	base, err := ParseAddress("https://" + address)
	if err != nil {
		return Invite{}, err
	}
	if isLoopback(base.Hostname()) {
		base.Scheme = "http"
	}
	out := Invite{URL: base.String(), Code: GroupCode(code), Fingerprint: fingerprint}
	if more {
		for text := range strings.SplitSeq(pinned, ".") {
			pin, err := ParsePin(text)
			if err != nil {
				return Invite{}, fmt.Errorf("the invite's pins (behind the fingerprint) are damaged; was it cut off when it was copied?")
			}
			out.Pins = append(out.Pins, pin)
		}
	}
	return out, out.pinFault()
}

// inviteAddress is an address without its scheme, which an invite does not
// carry: this machine itself is spoken to without TLS, every other with it.
func inviteAddress(address string) (string, error) {
	u, err := ParseAddress(address)
	if err != nil {
		return "", err
	}
	if u.Scheme == "https" && isLoopback(u.Hostname()) {
		return "", &AddressError{"an invite to this machine itself cannot speak of https", "use http://" + u.Host}
	}
	return u.Host + u.Path, nil
}

// IsLoopback tells whether a host name or address is this machine itself.
func IsLoopback(host string) bool { return isLoopback(strings.Trim(host, "[]")) }

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
