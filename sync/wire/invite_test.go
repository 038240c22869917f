package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"reflect"
	"strings"
	"testing"

	"example.com/punchlist/sync/wire"
)

func TestInviteThereAndBack(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)).Public().(ed25519.PublicKey)
	for _, base := range []string{"http://127.0.0.1:8700", "http://localhost:1", "http://[::1]:8700", "https://sync.example:8443", "https://sync.example/office"} {
		in := wire.Invite{URL: base, Code: "BCDF-GHJK-LMNP", Fingerprint: wire.Fingerprint(key)}
		if strings.HasPrefix(base, "https") {
			in.Pins = []wire.Pin{wire.PinOfKey([]byte("one")), wire.PinOfKey([]byte("next"))}
		}
		text, err := wire.FormatInvite(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, typed := range []string{text, "  " + text + "\n", strings.Replace(text, "BCDF-GHJK-LMNP", "bcdfghjklmnp", 1)} {
			out, err := wire.ParseInvite(typed)
			if err != nil || !reflect.DeepEqual(out, in) {
				t.Errorf("%q read as %+v, %v; want %+v", typed, out, err, in)
			}
		}
	}
}

func TestInviteRefused(t *testing.T) {
	const fp = "ABCDEFGHIJKLMNOPQRST"
	for text, says := range map[string]string{
		"":                                              "begins with",
		"https://x/#BCDF-GHJK-LMNP." + fp:               "begins with",
		"punchlist://x:1/":                              "no code",
		"punchlist://x:1/#BCDF-GHJK." + fp:              "12 letters",
		"punchlist://x:1/#ACDF-GHJK-LMNP." + fp:         "12 letters",
		"punchlist://x:1/#BCDF-GHJK-LMNP":               "fingerprint",
		"punchlist://x:1/#BCDF-GHJK-LMNP.ABC":           "fingerprint",
		"punchlist://x:1/#BCDF-GHJK-LMNP." + fp + ".":   "pins",
		"punchlist://x:1/#BCDF-GHJK-LMNP." + fp + ".ab": "pins",
		"punchlist://[::1]:1/#BCDF-GHJK-LMNP." + fp + "." + string(wire.PinOfKey(nil)):              "without TLS",
		"punchlist://x:1/#BCDF-GHJK-LMNP." + fp + strings.Repeat("."+string(wire.PinOfKey(nil)), 9): "at most 8 pins",
		"punchlist:///#BCDF-GHJK-LMNP." + fp:                                                        "address",
		"punchlist://me:secret@x/#BCDF-GHJK-LMNP." + fp:                                             "address",
		"punchlist://x:port/#BCDF-GHJK-LMNP." + fp:                                                  "address",
	} {
		if _, err := wire.ParseInvite(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want something about %q", text, err, says)
		}
	}
	for _, base := range []string{"http://sync.example", "ftp://x", "sync.example", "https://127.0.0.1:1"} {
		if text, err := wire.FormatInvite(wire.Invite{URL: base, Code: "BCDFGHJKLMNP", Fingerprint: fp}); err == nil {
			t.Errorf("%q became the invite %q", base, text)
		}
	}
}

func TestPinsAreRead(t *testing.T) {
	pin := wire.PinOfKey([]byte("a key"))
	for _, text := range []string{pin.String(), string(pin), string(pin) + "=", " " + pin.String() + "\n", "sha256//" + string(pin)} {
		if got, err := wire.ParsePin(text); got != pin || err != nil {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "sha256//", "sha1//" + string(pin), string(pin)[1:], string(pin) + "a", string(pin) + " " + string(pin), "sha256//\x1b[2J"} {
		if got, err := wire.ParsePin(text); err == nil || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%q is the pin %q, %v", text, got, err)
		}
	}
}
