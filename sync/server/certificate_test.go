package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// shown is the chain that a server with its own certificates shows.
func shown(t *testing.T, conf *tls.Config) []*x509.Certificate {
	t.Helper()
	c, err := conf.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	var out []*x509.Certificate
	for _, der := range c.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, cert)
	}
	return out
}

func ownTLS(t *testing.T, s *server.Server, names ...string) *tls.Config {
	t.Helper()
	conf, err := s.TLS(func() []string { return names })
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func TestOwnCertificatesAreRenewed(t *testing.T) {
	r := newRig(t)
	names := []string{"office.example"}
	conf, err := r.Server.TLS(func() []string { return names })
	if err != nil {
		t.Fatal(err)
	}
	first := shown(t, conf)[0]
	if left := first.NotAfter.Sub(r.Time()); left != 90*24*time.Hour || !slices.Equal(first.DNSNames, names) {
		t.Errorf("valid for %s, names %v", left, first.DNSNames)
	}
	if first.NotBefore.Year() != 2020 {
		t.Errorf("valid from %s: a laptop without a clock battery would be locked out", first.NotBefore)
	}
	r.Pass(60 * 24 * time.Hour)
	if again := shown(t, conf)[0]; !again.Equal(first) {
		t.Error("renewed too early")
	}
	r.Pass(time.Hour)
	names = []string{"new.example", "10.0.0.7"}
	next := shown(t, conf)
	if next[0].Equal(first) || next[0].NotAfter.Sub(r.Time()) != 90*24*time.Hour || next[0].DNSNames[0] != "new.example" || len(next[0].IPAddresses) != 1 {
		t.Errorf("not renewed in time: until %s, %v", next[0].NotAfter, next[0].DNSNames)
	}
	r.Now.Store(storetest.Start) // the server's clock is set back
	if back := shown(t, conf)[0]; back.NotAfter.Sub(r.Time()) != 90*24*time.Hour {
		t.Errorf("a clock that was set back leaves a certificate until %s", back.NotAfter)
	}
}

// TestOneAuthorityADatabase: servers that share a database are one to a laptop,
// and so is one that is started again.
func TestOneAuthorityADatabase(t *testing.T) {
	r := newRig(t)
	second := storetest.NewRig(t, r.Store)
	a, err := r.Server.AuthorityPEM()
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.Server.AuthorityPEM()
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two authorities over one database, %v", err)
	}
	other, err := newRig(t).Server.AuthorityPEM()
	if err != nil || bytes.Equal(a, other) {
		t.Errorf("two databases have one authority, %v", err)
	}
	one, two := shown(t, ownTLS(t, r.Server, "x")), shown(t, ownTLS(t, second.Server, "x"))
	if one[0].Equal(two[0]) || !one[1].Equal(two[1]) || !one[1].IsCA {
		t.Error("each server makes its own certificate, under the one authority")
	}
}

// TestEnrolmentOverOwnTLS: the invite alone makes the server known, at whatever
// address; nobody else's certificate is taken.
func TestEnrolmentOverOwnTLS(t *testing.T) {
	r, stranger := newRig(t), newRig(t)
	serve := func(s *server.Server) string {
		hs := httptest.NewUnstartedServer(s.Handler())
		hs.Listener = tls.NewListener(hs.Listener, ownTLS(t, s, "office.example"))
		hs.Start()
		t.Cleanup(hs.Close)
		return hs.Listener.Addr().String()
	}
	ours, theirs := serve(r.Server), serve(stranger.Server)
	client := func(at, host string, o wire.ClientOptions) *wire.Client {
		o.BaseURL = "https://" + host
		trust := wire.TrustIn(o.BaseURL, o.ServerKey)
		if o.ServerKey == "" {
			trust.Fingerprint = wire.Fingerprint(r.Server.Key())
		}
		trust.Time = r.Time
		o.Transport = wire.NewTransport(wire.TransportOptions{Trust: trust, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, at)
		}})
		c, err := wire.NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Hangup)
		return c
	}
	ask := wire.Enroll{Code: r.Code("ann"), DeviceName: "a", Nonce: "n1"}
	if _, err := client(theirs, "office.example", wire.ClientOptions{}).Enroll(t.Context(), ask, wire.Fingerprint(r.Server.Key())); err == nil {
		t.Fatal("a stranger's certificate was taken")
	}
	got, err := client(ours, "198.51.100.7:8443", wire.ClientOptions{}).Enroll(t.Context(), ask, wire.Fingerprint(r.Server.Key()))
	if err != nil {
		t.Fatal(err)
	}
	known := wire.ClientOptions{ServerID: got.ServerID, ServerKey: got.ServerKey, Token: got.Token}
	if _, err := client(ours, "office.example", known).Changes(t.Context(), wire.Self{}, "", 10); err != nil {
		t.Error(err)
	}
	if _, err := client(theirs, "office.example", known).Changes(t.Context(), wire.Self{}, "", 10); err == nil {
		t.Error("an enrolled laptop shows its token to a stranger")
	}
	pool := x509.NewCertPool() // any other program: the authority's file, and the name
	pem, err := r.Server.AuthorityPEM()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	web := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "office.example", Time: r.Time}}}
	defer web.CloseIdleConnections()
	resp, err := web.Get("https://" + ours + wire.PathHealth)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
