package wire

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/punchlist/sync/op"
)

// Trust says whose TLS certificate is taken for the server's. There is no way
// to take any: the zero value trusts the system's authorities.
//
// A server that makes its own certificates (punchlistd serve --tls-auto) signs
// them with the same Ed25519 key that signs its pings. The invite's fingerprint
// therefore is all that a laptop needs to know them: the chain has to end in a
// certificate of that key.
type Trust struct {
	// Host is the server's name or address as it stands in its URL.
	Host string
	// Fingerprint names the server's own key: see [Fingerprint]. A chain which
	// that key signed is the server's under whatever name it is reached, because
	// nobody else can have one. "" knows no key.
	Fingerprint string
	// Roots are the authorities to trust in place of the system's; nil: those.
	Roots *x509.CertPool
	// Pins are asked for in each handshake, so that a change counts from the next
	// connection on: of the keys in the server's chain one must be among them. The
	// server's own key always is. nil, or no pins: any key that the authorities
	// vouch for.
	Pins func() ([]Pin, error)
	// Time is the moment for which a certificate must be valid; nil: now by the
	// wall clock. A laptop whose clock lost its battery gives a better one.
	Time func() time.Time
}

// TrustIn is the trust in the server at an address, which owns a key as
// [Enrolled] tells it; "" knows none.
func TrustIn(address, serverKey string) Trust {
	var t Trust
	if u, err := ParseAddress(address); err == nil {
		t.Host = u.Hostname()
	}
	if key, err := parseKey(serverKey); err == nil {
		t.Fingerprint = Fingerprint(key)
	}
	return t
}

// TLS is the configuration of a connection with that trust. InsecureSkipVerify
// only hands the check over: crypto/tls looks for a name and a root that are
// known beforehand, where here the chain itself shows the root and the
// fingerprint says whether it is the right one. verify runs in every handshake.
func (t Trust) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: t.verify}
}

func (t Trust) verify(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return &badCertificate{kind: unknownAuthority, err: errors.New("no certificate was shown")}
	}
	name := cs.ServerName
	if name == "" { // an address is not sent as a name
		name = t.Host
	}
	o := x509.VerifyOptions{DNSName: name, Roots: t.Roots, Intermediates: x509.NewCertPool(), CurrentTime: t.now()}
	leaf := cs.PeerCertificates[0]
	for _, c := range cs.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	root := t.own(cs.PeerCertificates[1:])
	if root != nil && t.speaksOf(name) {
		o.Roots, o.DNSName = x509.NewCertPool(), ""
		o.Roots.AddCert(root)
	}
	if name == "" {
		return &badCertificate{kind: wrongName, cert: leaf, err: errors.New("nobody said whose certificate it should be")}
	}
	chains, err := leaf.Verify(o)
	if err == nil && root == nil && t.speaksOf(name) { // another name is a proxy's
		err = t.pinned(chains)
	}
	return certificateFault(err, leaf, o.CurrentTime)
}

// speaksOf tells whether a name of a handshake is the server's. It comes without a
// final dot, and one outside ASCII comes in another form: then every name is taken
// for the server's, so that none gets round the pins.
func (t Trust) speaksOf(name string) bool {
	for _, c := range t.Host {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return strings.EqualFold(strings.TrimSuffix(name, "."), strings.TrimSuffix(t.Host, "."))
}

func (t Trust) now() time.Time {
	if t.Time != nil {
		return t.Time()
	}
	return time.UnixMilli(op.SystemClock().Wall)
}

// own is the certificate of the server's own key in the chain that it shows.
func (t Trust) own(chain []*x509.Certificate) *x509.Certificate {
	for _, c := range chain {
		if key, ok := c.PublicKey.(ed25519.PublicKey); ok && t.Fingerprint != "" && Fingerprint(key) == t.Fingerprint {
			return c
		}
	}
	return nil
}

// certificateKind is what is wrong with a certificate.
type certificateKind int

const (
	invalid certificateKind = iota
	expired
	notYetValid
	unknownAuthority
	wrongName
	wrongKey
)

// badCertificate says why a certificate was not taken.
type badCertificate struct {
	kind certificateKind
	cert *x509.Certificate // that is at fault; may be nil
	at   time.Time         // the moment it was held against
	err  error
}

// Error is what the library says; people are told by tlsFault.
func (e *badCertificate) Error() string { return fmt.Sprintf("certificate: %v", e.err) }

// Unwrap is the library's error.
func (e *badCertificate) Unwrap() error { return e.err }

func certificateFault(err error, leaf *x509.Certificate, at time.Time) error {
	if err == nil {
		return nil
	}
	e := &badCertificate{cert: leaf, at: at, err: err}
	var bad x509.CertificateInvalidError
	switch {
	case errors.As(err, &bad) && bad.Reason == x509.Expired:
		e.kind, e.cert = expired, bad.Cert
		if at.Before(bad.Cert.NotBefore) {
			e.kind = notYetValid
		}
	case errors.As(err, new(x509.UnknownAuthorityError)):
		e.kind = unknownAuthority
	case errors.As(err, new(x509.HostnameError)):
		e.kind = wrongName
	case errors.Is(err, errNotPinned):
		e.kind = wrongKey
	}
	return e
}
