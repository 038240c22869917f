package cmd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// publicName is a name of this machine that does not say "this machine itself",
// so that laptops ask for TLS.
func publicName(t testing.TB) string {
	t.Helper()
	if name, err := os.Hostname(); err == nil && name != "localhost" {
		if _, err := net.DefaultResolver.LookupHost(t.Context(), name); err == nil {
			return name
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no name and no address but loopback")
	return ""
}

// serveTLS starts the server for all addresses of the machine; it returns its URL.
func (w *world) serveTLS(flags ...string) string {
	w.t.Helper()
	_, port, err := net.SplitHostPort(w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.address = ":" + port
	url := "https://" + net.JoinHostPort(publicName(w.t), port)
	w.serveWith(append(flags, "--url", url)...)
	return url
}

func (w *world) inviteFor(user string, flags ...string) string {
	w.t.Helper()
	var invite struct{ Invite string }
	w.decode(w.office(append([]string{"invite", user, "--json"}, flags...)...), &invite)
	return invite.Invite
}

func (w *world) reach(name string) (reach, detail string) {
	w.t.Helper()
	var s struct{ Reach, Detail string }
	w.decode(w.laptop(name, "state", "--json"), &s)
	return s.Reach, s.Detail
}

// TestOwnTLS: a small office without an authority. The invite is all that a
// laptop needs, through restarts of the server too, and nobody else's server is
// taken for it.
func TestOwnTLS(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.refused(1, []string{"needs no TLS", "Try: --listen :8443"}, "punchlistd", "serve", "--db", "server.db", "--tls-auto", "--listen", w.address)
	w.refused(2, []string{"one or the other"}, "punchlistd", "serve", "--db", "server.db", "--tls-auto", "--tls-cert", "x", "--tls-key", "y", "--listen", ":0")
	url := w.serveTLS("--tls-auto")
	invite := w.inviteFor("ann")
	if !strings.HasPrefix("https"+strings.TrimPrefix(invite, "punchlist"), url) {
		t.Fatalf("the invite is %s, the server at %s", invite, url)
	}
	forged := invite[:len(invite)-4] + "AAAA"
	w.refused(1, []string{"signed by an authority that this laptop does not know", "--ca FILE"}, "punchlist", "--db", "a.db", "enroll", forged)
	w.laptop("a", "enroll", invite)
	w.add("a", "Look at the boiler")
	w.sync("a")
	if r, detail := w.reach("a"); r != "online" {
		t.Errorf("reach %s: %s", r, detail)
	}
	w.killServer()
	w.serveTLS("--tls-auto") // another certificate, the same authority
	w.add("a", "Look at the pump")
	w.sync("a")
	if n := w.pending("a"); n != 0 {
		t.Errorf("%d changes wait after a restart", n)
	}
	w.killServer()
	if err := os.Rename(filepath.Join(w.dir, "server.db"), filepath.Join(w.dir, "ours.db")); err != nil {
		t.Fatal(err)
	}
	w.serveTLS("--tls-auto") // a stranger at the same address, with the same flags
	if r, detail := w.reach("a"); r == "online" || !strings.Contains(detail, "an authority that this laptop does not know") {
		t.Errorf("a stranger's server is %s: %s", r, detail)
	}
}

// TestAuthorityOfTheOffice: an office with an authority of its own gives its
// certificate at enrolment; from then on the laptop trusts that one.
func TestAuthorityOfTheOffice(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.authority("ca.pem", "server.pem", "server.key", publicName(t))
	w.serveTLS("--tls-cert", "server.pem", "--tls-key", "server.key")
	invite := w.inviteFor("ann")
	w.refused(1, []string{"an authority that this laptop does not know", "Try: ", "--ca FILE"}, "punchlist", "--db", "a.db", "enroll", invite)
	w.file("empty.pem", "nothing\n")
	w.refused(1, []string{"holds no certificate"}, "punchlist", "--db", "a.db", "enroll", "--ca", "empty.pem", invite)
	w.laptop("a", "enroll", "--ca", "ca.pem", invite)
	w.add("a", "Look at the boiler")
	w.sync("a")
	if info, err := os.Stat(filepath.Join(w.dir, "a.db.ca")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kept authority: %v, %v", info, err)
	}
	if err := os.Remove(filepath.Join(w.dir, "a.db.ca")); err != nil {
		t.Fatal(err)
	}
	if r, detail := w.reach("a"); r == "online" || !strings.Contains(detail, "does not know") {
		t.Errorf("without the authority: %s: %s", r, detail)
	}
}

// TestF31Pins: an office names the keys of its server. A certificate of another
// key is not taken, though the laptop's own authority vouches for it: work waits,
// and the reason is said. Going over to the next pinned key asks nothing of
// anybody; one that was not pinned is told to the laptop.
func TestF31Pins(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	more := w.authority("ca.pem", "server.pem", "server.key", publicName(t))
	more("next.pem", "next.key")
	more("strange.pem", "strange.key")
	serve := func(name string) {
		w.killServer()
		w.serveTLS("--tls-cert", name+".pem", "--tls-key", name+".key")
	}
	serve("server")
	pin := func(file string) string { return strings.TrimSpace(w.run("punchlistd", "pin", file)) }
	if pin("next.pem") != pin("next.key") || !strings.HasPrefix(pin("next.pem"), "sha256//") {
		t.Fatalf("the pins of a certificate and of its key are %s and %s", pin("next.pem"), pin("next.key"))
	}
	w.refused(1, []string{"not pinned", "Try: "}, "punchlist", "--db", "a.db", "enroll", "--ca", "ca.pem", w.inviteFor("ann", "--pin", "strange.pem"))
	w.refused(2, []string{"a pin looks like"}, "punchlist", "--db", "a.db", "enroll", "--pin", "x", w.inviteFor("ann"))
	w.laptop("a", "enroll", "--ca", "ca.pem", w.inviteFor("ann", "--pin", "server.pem", "--pin", pin("next.key")))
	if got := w.laptop("a", "pin"); got != pin("server.key")+"\n"+pin("next.pem")+"\n" {
		t.Errorf("it pins %s", got)
	}
	w.add("a", "Look at the boiler")
	w.sync("a")
	serve("next") // nobody has to be told
	w.add("a", "Look at the pump")
	w.sync("a")
	serve("strange") // somebody has a certificate from the same authority
	w.add("a", "Look at the roof")
	w.refused(1, []string{"a key that is not pinned", "punchlist pin add"}, "punchlist", "--db", "a.db", "sync")
	if r, detail := w.reach("a"); r == "online" || !strings.Contains(detail, "not pinned") {
		t.Errorf("reach %s: %s", r, detail)
	}
	if n := w.pending("a"); n != 1 {
		t.Errorf("%d changes wait", n)
	}
	w.laptop("a", "pin", "add", pin("strange.pem"))
	w.sync("a")
	w.laptop("a", "pin", "remove", pin("server.pem"), pin("strange.pem"))
	w.refused(1, []string{"not pinned"}, "punchlist", "--db", "a.db", "sync")
	w.file("a.db.pins", "sha256//no pin\n")
	w.refused(1, []string{"something else than the pins"}, "punchlist", "--db", "a.db", "sync")
	w.laptop("a", "enroll", w.inviteFor("ann", "--pin", "strange.key")) // with a new invite, over what was there
	w.sync("a")
	w.refused(1, []string{"there is no key to pin"}, "punchlistd", "invite", "ann", "--db", "server.db", "--url", "http://127.0.0.1:1", "--pin", pin("next.pem"))
}

// authority writes an office's authority, and a server's certificate by it. It
// returns who signs more of them.
func (w *world) authority(ca, cert, key, name string) (more func(cert, key string)) {
	w.t.Helper()
	root := w.newKey()
	now := time.Now()
	parent := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "office"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	child := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		child.IPAddresses = []net.IP{ip}
	} else {
		child.DNSNames = []string{name}
	}
	sign := func(c *x509.Certificate, public *ecdsa.PublicKey) string {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, public, root)
		if err != nil {
			w.t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	w.file(ca, sign(parent, &root.PublicKey))
	more = func(cert, key string) {
		leaf := w.newKey()
		w.file(cert, sign(child, &leaf.PublicKey))
		der, err := x509.MarshalPKCS8PrivateKey(leaf)
		if err != nil {
			w.t.Fatal(err)
		}
		w.file(key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	}
	more(cert, key)
	return more
}

func (w *world) newKey() *ecdsa.PrivateKey {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}
