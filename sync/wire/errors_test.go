package wire_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

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
