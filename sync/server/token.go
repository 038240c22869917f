package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"

	"example.com/punchlist/sync/wire"
)

// tokenPrefix lets secret scanners know a token when they see one.
const tokenPrefix = "plk1_"

var tokenText = base32.StdEncoding.WithPadding(base32.NoPadding)

// newToken makes a device's token: 256 bits and a check sum, so that a mistyped
// one is known without a look into the store. The same code and nonce make the
// same token: an enrolment that arrives twice, perhaps minutes later, must not
// lock out the device that the first one let in. Nobody else can make it, not
// even from a copy of the store, which holds neither code nor nonce.
func (s *Server) newToken(code, nonce string) (string, error) {
	secret := make([]byte, 32)
	if nonce == "" { // never redeemed again
		if err := s.random(secret); err != nil {
			return "", err
		}
		return tokenPrefix + tokenText.EncodeToString(checked(secret)), nil
	}
	mac := hmac.New(sha256.New, s.key.Seed())
	fmt.Fprintf(mac, "punchlist token\n%s\n%s\n", wire.NormalCode(code), nonce)
	return tokenPrefix + tokenText.EncodeToString(checked(mac.Sum(nil))), nil
}

func checked(secret []byte) []byte {
	return binary.BigEndian.AppendUint32(secret, crc32.ChecksumIEEE(secret))
}

// wellFormed tells whether a text can be a token at all.
func wellFormed(token string) bool {
	text, ok := strings.CutPrefix(token, tokenPrefix)
	b, err := tokenText.DecodeString(text)
	if !ok || err != nil || len(b) != 36 {
		return false
	}
	return crc32.ChecksumIEEE(b[:32]) == binary.BigEndian.Uint32(b[32:])
}

// hashOf is what the store keeps of a token or a code. Both hold too much
// chance to be guessed, so a quick hash is enough.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// newCode makes an invite's code. Bytes that would favour some letters are
// thrown away.
func (s *Server) newCode() (string, error) {
	const even = 256 - 256%len(wire.CodeAlphabet)
	var code []byte
	buf := make([]byte, 32)
	for len(code) < wire.CodeLength {
		if err := s.random(buf); err != nil {
			return "", err
		}
		for _, b := range buf {
			if int(b) < even && len(code) < wire.CodeLength {
				code = append(code, wire.CodeAlphabet[int(b)%len(wire.CodeAlphabet)])
			}
		}
	}
	return string(code), nil
}
