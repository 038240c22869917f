package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// Invite is what the office hands to a technician: where the server is, a code
// that works once, and the fingerprint by which the server is known.
//
//	punchlist://sync.example:8443/#BCDF-GHJK-LMNP.3F2A…
type Invite struct {
	URL         string // the server's base address: http on loopback, https anywhere else
	Code        string // twelve letters of [CodeAlphabet], in groups of four
	Fingerprint string // see [Fingerprint]
}

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
	return InviteScheme + host + "/#" + GroupCode(i.Code) + "." + i.Fingerprint, nil
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
	return Invite{URL: base.String(), Code: GroupCode(code), Fingerprint: fingerprint}, nil
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
