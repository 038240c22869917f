package wire_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/wire"
)

// authority signs certificates with one key.
type authority struct {
	*testing.T
	key  ed25519.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{T: t, key: key}
	a.cert = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, NotBefore: day(2020, 1, 1), NotAfter: day(9999, 12, 31),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, key.Public())
	return a
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func (a *authority) sign(c *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	a.Helper()
	c.SerialNumber = big.NewInt(1)
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, a.key)
	if err != nil {
		a.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.Fatal(err)
	}
	return cert
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) fingerprint() string {
	return wire.Fingerprint(a.key.Public().(ed25519.PublicKey))
}

// serve answers with a certificate for names, valid in 2026.
func (a *authority) serve(names ...string) *httptest.Server {
	a.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, NotBefore: day(2026, 1, 1), NotAfter: day(2026, 12, 31),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(honest))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of each refused handshake
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{a.sign(c, key.Public()).Raw, a.cert.Raw}, PrivateKey: key}}}
	s.StartTLS()
	a.Cleanup(s.Close)
	return s
}

// to dials one server whatever the address says.
func to(s *httptest.Server) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}
}

func at(y int, m time.Month, d int) func() time.Time {
	return func() time.Time { return day(y, m, d) }
}

func TestI33CertificatesNameWhatIsWrong(t *testing.T) {
	office, stranger := newAuthority(t), newAuthority(t)
	good := office.serve("sync.example", "xn--bcher-kva.example", "10.1.2.3")
	now := at(2026, 6, 1)
	pinned := func(a *authority, when func() time.Time) wire.Trust {
		return wire.Trust{Host: "sync.example", Fingerprint: a.fingerprint(), Roots: x509.NewCertPool(), Time: when}
	}
	held := func(host string, pins ...wire.Pin) wire.Trust {
		return wire.Trust{Host: host, Roots: office.pool(), Time: now, Pins: func() ([]wire.Pin, error) { return pins, nil }}
	}
	own := pinned(office, now)
	own.Pins = held("", wire.PinOf(stranger.cert)).Pins
	unread := held("sync.example")
	unread.Pins = func() ([]wire.Pin, error) { return nil, errors.New("no such disk") }
	roots := func(host string, when func() time.Time) wire.Trust {
		return wire.Trust{Host: host, Roots: office.pool(), Time: when}
	}
	for name, tc := range map[string]struct {
		base  string
		trust wire.Trust
		want  string // "": taken
	}{
		"taken by its name":                {"https://sync.example", roots("sync.example", now), ""},
		"taken by its address":             {"https://10.1.2.3", roots("10.1.2.3", now), ""},
		"F28 expired":                      {"https://sync.example", roots("sync.example", at(2027, 1, 2)), "expired on 2026-12-31; this laptop takes today for 2027-01-02"},
		"F29 not yet valid":                {"https://sync.example", roots("sync.example", at(1970, 1, 5)), "valid from 2026-01-01 on; this laptop takes today for 1970-01-05"},
		"F30 unknown CA":                   {"https://sync.example", wire.Trust{Host: "sync.example", Roots: stranger.pool(), Time: now}, "an authority that this laptop does not know"},
		"another name":                     {"https://other.example", roots("other.example", now), "shows another name's certificate"},
		"another address":                  {"https://10.1.2.4", roots("10.1.2.4", now), "shows another name's certificate"},
		"the server's own key":             {"https://sync.example", pinned(office, now), ""},
		"own key, reached by another way":  {"https://10.9.9.9", wire.Trust{Host: "10.9.9.9", Fingerprint: office.fingerprint(), Time: now}, ""},
		"F31 another key than the pinned":  {"https://sync.example", held("sync.example", wire.PinOf(stranger.cert)), "a key that is not pinned"},
		"F31 a name with a final dot":      {"https://sync.example.", held("sync.example.", wire.PinOf(stranger.cert)), "a key that is not pinned"},
		"F31 a name outside ASCII":         {"https://bücher.example", held("bücher.example", wire.PinOf(stranger.cert)), "a key that is not pinned"},
		"one of two pins, final dot":       {"https://sync.example.", held("sync.example.", wire.PinOf(stranger.cert), wire.PinOf(good.Certificate())), ""},
		"own key, a name outside ASCII":    {"https://bücher.example", wire.Trust{Host: "bücher.example", Fingerprint: office.fingerprint(), Time: now}, ""},
		"one of two pins":                  {"https://sync.example", held("sync.example", wire.PinOf(stranger.cert), wire.PinOf(good.Certificate())), ""},
		"the authority's pin":              {"https://sync.example", held("sync.example", wire.PinOf(office.cert)), ""},
		"no pins":                          {"https://sync.example", held("sync.example"), ""},
		"a pin opens no other name":        {"https://other.example", held("other.example", wire.PinOf(good.Certificate())), "another name's certificate"},
		"pins that cannot be read":         {"https://sync.example", unread, "no such disk"},
		"own key, whatever else is pinned": {"https://sync.example", own, ""},
		"F31 pin mismatch":                 {"https://sync.example", pinned(stranger, now), "an authority that this laptop does not know"},
		"own key, expired":                 {"https://sync.example", pinned(office, at(2027, 1, 2)), "expired"},
		"own key is no pin for others":     {"https://sync.example", wire.Trust{Host: "elsewhere.example", Fingerprint: office.fingerprint(), Roots: x509.NewCertPool(), Time: now}, "does not know"},
		"nobody said whose":                {"https://10.1.2.3", wire.Trust{Roots: office.pool(), Time: now}, "another name's certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			transport := wire.TransportOptions{Trust: tc.trust, Dial: to(good)}
			if tc.want == "" {
				c := enrolled(t, wire.ClientOptions{BaseURL: tc.base, Transport: wire.NewTransport(transport)})
				if _, err := c.Ping(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			got := pingError(t, tc.base, transport)
			if !strings.Contains(got.Error(), tc.want) || got.Hint() == "" || got.Sent {
				t.Errorf("%q does not say %q; hint %q, sent %v", got.Error(), tc.want, got.Hint(), got.Sent)
			}
		})
	}
}

// TestAChainThatOnlyNamesTheKey: the server's public key is no secret. Who puts
// a certificate of it into his chain has not signed with it.
func TestAChainThatOnlyNamesTheKey(t *testing.T) {
	office, stranger := newAuthority(t), newAuthority(t)
	s := stranger.serve("sync.example")
	s.TLS.Certificates[0].Certificate = append(s.TLS.Certificates[0].Certificate, office.cert.Raw)
	got := pingError(t, "https://sync.example", wire.TransportOptions{Dial: to(s),
		Trust: wire.Trust{Host: "sync.example", Fingerprint: office.fingerprint(), Roots: stranger.pool(), Time: at(2026, 6, 1)}})
	if !strings.Contains(got.Error(), "does not know") {
		t.Error(got)
	}
}

func TestF32OldTLSIsNamed(t *testing.T) {
	a := newAuthority(t)
	s := a.serve("sync.example")
	s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	trust := wire.Trust{Host: "sync.example", Roots: a.pool(), Time: at(2026, 6, 1)}
	got := pingError(t, "https://sync.example", wire.TransportOptions{Trust: trust, Dial: to(s)})
	if !strings.Contains(got.Error(), "too old to be safe") {
		t.Error(got)
	}
	// One that answers in the old version all the same, without an alert.
	got = pingError(t, "https://sync.example", wire.TransportOptions{Trust: trust, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			hello := make([]byte, 4096)
			_, _ = server.Read(hello)
			body := append([]byte{3, 1}, make([]byte, 32)...) // TLS 1.0, random
			body = append(body, 0, 0xc0, 0x13, 0)             // no session, a suite, no compression
			message := append([]byte{2, 0, 0, byte(len(body))}, body...)
			_, _ = server.Write(append([]byte{22, 3, 1, 0, byte(len(message))}, message...))
			_, _ = io.Copy(io.Discard, server)
		}()
		return client, nil
	}})
	if !strings.Contains(got.Error(), "too old to be safe") {
		t.Error(got)
	}
}

func TestPlainServerBehindHTTPS(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(honest))
	defer plain.Close()
	u, err := url.Parse(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	got := pingError(t, "https://"+u.Host, wire.TransportOptions{})
	if !strings.Contains(got.Error(), "does not speak TLS") {
		t.Error(got)
	}
}
