package wire

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Pin names a public key that has to stand in the server's certificates: the
// SHA-256 of its SubjectPublicKeyInfo (as in RFC 7469 and curl's --pinnedpubkey),
// base64url without padding. A pin narrows whom a device takes for its server, and
// lets nobody in whom it would not have taken without.
type Pin string

// pinScheme opens a pin as people and other programs write it.
const pinScheme = "sha256//"

// PinOf is the pin of a certificate's key.
func PinOf(c *x509.Certificate) Pin { return PinOfKey(c.RawSubjectPublicKeyInfo) }

// PinOfKey is the pin of a public key (DER, SubjectPublicKeyInfo).
func PinOfKey(spki []byte) Pin {
	sum := sha256.Sum256(spki)
	return Pin(base64.RawURLEncoding.EncodeToString(sum[:]))
}

// ParsePin reads a pin in the form that [Pin.String] writes, or as an invite holds it.
func ParsePin(text string) (Pin, error) {
	plain := strings.TrimRight(strings.TrimPrefix(strings.TrimSpace(text), pinScheme), "=")
	sum, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(plain))
	if err != nil || len(sum) != sha256.Size {
		return "", fmt.Errorf("a pin looks like %s followed by 44 characters; punchlistd pin CERTIFICATE.pem prints it", pinScheme)
	}
	return Pin(base64.RawURLEncoding.EncodeToString(sum)), nil
}

// String is the pin as curl takes it.
func (p Pin) String() string {
	return pinScheme + strings.NewReplacer("-", "+", "_", "/").Replace(string(p)) + "="
}

// pinned holds the chains of a certificate that is valid against the pins.
func (t Trust) pinned(chains [][]*x509.Certificate) error {
	if t.Pins == nil {
		return nil
	}
	pins, err := t.Pins()
	if err != nil {
		return fmt.Errorf("read the pins: %w", err)
	}
	for _, chain := range chains {
		for _, c := range chain {
			if slices.Contains(pins, PinOf(c)) {
				return nil
			}
		}
	}
	if len(pins) == 0 {
		return nil
	}
	return errNotPinned
}

var errNotPinned = errors.New("none of its keys is pinned")
