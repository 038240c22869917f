package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"syscall"
	"time"
)

// NotOurServer says that something answered which is not the enrolled server:
// a hotel's sign-in page, a gateway, another punchlist server. Nothing it said
// was believed and nothing was changed.
type NotOurServer struct {
	Host   string // who answered, as far as it can be told
	Status int    // the HTTP status of that answer
	What   string // what was wrong with it
	Err    error  // its cause, where there is one
}

// Error is the sentence for people.
func (e *NotOurServer) Error() string {
	return e.Host + " answers instead of the server: " + e.What
}

// Unwrap is the cause, where there is one.
func (e *NotOurServer) Unwrap() error { return e.Err }

// Hint is the next step for a person.
func (e *NotOurServer) Hint() string {
	if e.Gateway() {
		return "the server behind this address does not run; ask whoever looks after it"
	}
	return "open a web page to sign in to this network, or check the server's address"
}

// Gateway tells whether it was a gateway that found no server behind itself.
func (e *NotOurServer) Gateway() bool {
	return e.Status >= http.StatusBadGateway && e.Status <= http.StatusGatewayTimeout
}

// ServerError is a refusal by the enrolled server itself. It speaks of the
// channel, never of an op.
type ServerError struct {
	Problem    Problem
	RetryAfter time.Duration // how long the server asks to wait; 0: it does not say
}

// Error is the sentence for people.
func (e *ServerError) Error() string {
	if e.Problem.Message != "" {
		return e.Problem.Message
	}
	return fmt.Sprintf("the server answers %d %s", e.Problem.Status, http.StatusText(e.Problem.Status))
}

// Hint is the next step for a person; often "".
func (e *ServerError) Hint() string { return e.Problem.Hint }

// Status is the answer's HTTP status.
func (e *ServerError) Status() int { return e.Problem.Status }

// Unreachable says that no answer came, in a sentence for people.
type Unreachable struct {
	Host string
	What string
	Cure string
	Sent bool // the request had begun to leave: the server may have seen it
	Err  error
}

// Error is the sentence for people.
func (e *Unreachable) Error() string { return e.What }

// Unwrap is what the network said.
func (e *Unreachable) Unwrap() error { return e.Err }

// Hint is the next step for a person; often "".
func (e *Unreachable) Hint() string { return e.Cure }

func (c *Client) stranger(status int, what string) error {
	return &NotOurServer{Host: hostOnly(c.base.Host), Status: status, What: what}
}

// unreachable folds whatever the network said into one sentence.
func (c *Client) unreachable(err error, sent bool) error {
	host := hostOnly(c.base.Host)
	e := &Unreachable{Host: host, Sent: sent, Err: err}
	for _, f := range []func(error, string) (string, string){proxyFault, nameFault, tlsFault, socketFault} {
		if e.What, e.Cure = f(err, host); e.What != "" {
			return e
		}
	}
	e.What = "no answer from " + host + ": " + line(err.Error())
	return e
}

// proxyRefusal is a proxy's answer to CONNECT that is not 200.
type proxyRefusal struct {
	proxy  string
	status int
}

// Error is what the proxy said.
func (e *proxyRefusal) Error() string {
	return fmt.Sprintf("the proxy %s answers %d %s", e.proxy, e.status, http.StatusText(e.status))
}

func proxyFault(err error, host string) (string, string) {
	var oe *net.OpError
	var refusal *proxyRefusal
	switch {
	case errors.As(err, &refusal) && refusal.status == http.StatusProxyAuthRequired:
		return "the proxy " + line(refusal.proxy) + " wants a sign-in first", "put name and password into HTTPS_PROXY: http://NAME:PASSWORD@HOST:PORT"
	case errors.As(err, &refusal):
		return fmt.Sprintf("the proxy %s lets nobody through to %s: %d %s", line(refusal.proxy), host, refusal.status, http.StatusText(refusal.status)), "ask whoever looks after the network, or check HTTPS_PROXY"
	}
	if errors.As(err, &oe) && oe.Op == "proxyconnect" {
		return "the proxy does not answer: " + line(oe.Err.Error()), "check HTTPS_PROXY"
	}
	return "", ""
}

func nameFault(err error, host string) (string, string) {
	var de *net.DNSError
	if !errors.As(err, &de) {
		return "", ""
	}
	if de.IsNotFound {
		return "the address " + line(de.Name) + " does not resolve", "check the spelling, or the network's DNS"
	}
	return "looking up " + host + " gets no answer", "the network's DNS does not answer; is there a connection?"
}

func tlsFault(err error, host string) (string, string) {
	var bad *badCertificate
	var record tls.RecordHeaderError
	var alert *net.OpError // crypto/tls keeps the type of an alert to itself
	switch {
	case errors.As(err, &bad):
		return bad.told(host)
	case errors.As(err, &record):
		return host + " does not speak TLS on that port", "check the port in the server's address"
	case strings.Contains(err.Error(), alertVersion), strings.Contains(err.Error(), oldVersion):
		return host + " speaks only a version of TLS that is too old to be safe", "the server needs TLS 1.2 or newer; tell whoever looks after it"
	case errors.As(err, &alert) && alert.Op == "remote error":
		return host + " broke the TLS handshake off: " + line(strings.TrimPrefix(alert.Err.Error(), "tls: ")), "tell whoever looks after the server"
	}
	return "", ""
}

// How crypto/tls says that the other side speaks too old a version, where it has
// no types for that: by the other side's alert, and by its answer.
const (
	alertVersion = "tls: protocol version not supported"
	oldVersion   = "tls: server selected unsupported protocol version"
)

// told is what is wrong with a certificate, and the next step, for people.
func (e *badCertificate) told(host string) (string, string) {
	switch e.kind {
	case expired:
		return "the certificate of " + host + " expired on " + day(e.cert.NotAfter) + "; this laptop takes today for " + day(e.at),
			"check this laptop's date; if it is right, the server needs a new certificate"
	case notYetValid:
		return "the certificate of " + host + " is valid from " + day(e.cert.NotBefore) + " on; this laptop takes today for " + day(e.at),
			"set this laptop's date; if it is right, the server needs a new certificate"
	case unknownAuthority:
		return "the certificate of " + host + " is signed by an authority that this laptop does not know",
			"somebody may be listening in; if the office has an authority of its own, give its file: punchlist enroll --ca FILE"
	case wrongName:
		return "whoever answers at " + host + " shows another name's certificate", "is this a network that wants a sign-in first?"
	case wrongKey:
		return "the certificate of " + host + " is of a key that is not pinned on this laptop",
			"somebody may be listening in; if the office says that its key is new, ask it for the pin: punchlist pin add PIN"
	}
	return "the certificate of " + host + " is not valid: " + line(e.err.Error()), "ask whoever looks after the server"
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

func socketFault(err error, host string) (string, string) {
	var slow *errSlow
	var ne net.Error
	var header textproto.ProtocolError
	switch {
	case errors.As(err, &slow):
		return host + ": " + slow.Error(), ""
	case errors.As(err, &header):
		return "the answer of " + host + " broke off in its heading", ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return host + " refused the connection", "does the server run, and is the port right?"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETDOWN),
		errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no route to " + host, "is there a network connection?"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection to " + host + " was cut", ""
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout(), errors.Is(err, syscall.ETIMEDOUT):
		return host + " does not answer in time", ""
	}
	return "", ""
}
