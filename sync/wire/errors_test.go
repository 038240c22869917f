package wire_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/sync/wire"
)

func pingError(t *testing.T, base string, o wire.TransportOptions) *wire.Unreachable {
	t.Helper()
	c, err := wire.NewClient(wire.ClientOptions{BaseURL: base, Transport: wire.NewTransport(o)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Hangup()
	_, err = c.Ping(t.Context())
	var lost *wire.Unreachable
	if !errors.As(err, &lost) {
		t.Fatalf("want Unreachable, got %T: %v", err, err)
	}
	return lost
}

func TestI33TheReasonIsASentence(t *testing.T) {
	failing := func(err error) wire.TransportOptions {
		return wire.TransportOptions{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	syscallErr := func(e syscall.Errno) error { return &net.OpError{Op: "dial", Net: "tcp", Err: e} }
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"F01 refused":       {syscallErr(syscall.ECONNREFUSED), "sync.example refused the connection"},
		"F02 no such name":  {&net.DNSError{Err: "no such host", Name: "sync.example", IsNotFound: true}, "the address sync.example does not resolve"},
		"F03 DNS timeout":   {&net.DNSError{Err: "i/o timeout", Name: "sync.example", IsTimeout: true}, "looking up sync.example gets no answer"},
		"no route":          {syscallErr(syscall.ENETUNREACH), "no route to sync.example"},
		"no host":           {syscallErr(syscall.EHOSTUNREACH), "no route to sync.example"},
		"F21 reset":         {syscallErr(syscall.ECONNRESET), "the connection to sync.example was cut"},
		"timed out":         {syscallErr(syscall.ETIMEDOUT), "sync.example does not answer in time"},
		"F25 proxy":         {&net.OpError{Op: "proxyconnect", Err: errors.New("407")}, "the proxy does not answer: 407"},
		"something strange": {errors.New("strange\x1b[2J"), "no answer from sync.example: strange[2J"},
	} {
		t.Run(name, func(t *testing.T) {
			got := pingError(t, "https://sync.example:8443", failing(tc.err))
			if got.Error() != tc.want {
				t.Errorf("%q, want %q", got.Error(), tc.want)
			}
			if !errors.Is(got, tc.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestI33CertificatesNameWhatIsWrong(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(honest))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of each refused handshake
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	at := func(t time.Time) func() time.Time { return func() time.Time { return t } }
	dialIt := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}
	for name, tc := range map[string]struct {
		base string
		conf *tls.Config
		want string
	}{
		"F28 expired":       {s.URL, &tls.Config{RootCAs: roots, Time: at(s.Certificate().NotAfter.AddDate(1, 0, 0))}, "not today"},
		"F29 not yet valid": {s.URL, &tls.Config{RootCAs: roots, Time: at(time.Unix(0, 0).AddDate(-1, 0, 0))}, "not today"},
		"F30 unknown CA":    {s.URL, &tls.Config{RootCAs: x509.NewCertPool()}, "does not know"},
		"other name":        {"https://sync.example", &tls.Config{RootCAs: roots, ServerName: "sync.example.org"}, "another name's certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			got := pingError(t, tc.base, wire.TransportOptions{TLS: tc.conf, Dial: dialIt})
			if !strings.Contains(got.Error(), tc.want) {
				t.Errorf("%q does not say %q", got.Error(), tc.want)
			}
		})
	}
	t.Run("plain server behind https", func(t *testing.T) {
		plain := httptest.NewServer(http.HandlerFunc(honest))
		defer plain.Close()
		u, _ := url.Parse(plain.URL)
		got := pingError(t, "https://"+u.Host, wire.TransportOptions{})
		if !strings.Contains(got.Error(), "does not speak TLS") {
			t.Error(got)
		}
	})
	t.Run("a good certificate", func(t *testing.T) {
		c := enrolled(t, wire.ClientOptions{BaseURL: s.URL, Transport: wire.NewTransport(wire.TransportOptions{TLS: &tls.Config{RootCAs: roots}})})
		if _, err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCleartextGoesToThisMachineOnly(t *testing.T) {
	for address, good := range map[string]bool{
		"https://sync.example:8443":  true,
		"https://sync.example/base/": true,
		"http://127.0.0.1:8080":      true,
		"http://127.9.9.9":           true,
		"http://[::1]:8080":          true,
		"http://localhost:8080":      true,
		"http://LocalHost:8080":      true,
		"http://sync.example":        false,
		"http://10.0.0.1":            false,
		"http://localhost.evil.org":  false,
		"http://127.0.0.1.evil.org":  false,
		"ftp://sync.example":         false,
		"sync.example:8443":          false,
		"https://":                   false,
		"https://ann:pw@sync":        false,
		"https://sync/?a=b":          false,
		"":                           false,
	} {
		_, err := wire.NewClient(wire.ClientOptions{BaseURL: address})
		var bad *wire.AddressError
		if good != (err == nil) || !good && (!errors.As(err, &bad) || bad.Hint() == "") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
