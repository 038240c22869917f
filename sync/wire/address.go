package wire

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// AddressError says what is wrong with a server's address or key, before
// anybody was asked.
type AddressError struct {
	Message string
	Cure    string
}

// Error is the sentence for people.
func (e *AddressError) Error() string { return e.Message }

// Hint is the next step for a person.
func (e *AddressError) Hint() string { return e.Cure }

// ParseAddress checks a server's address: https anywhere, http only to this
// machine itself, no user, query or fragment.
func ParseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, &AddressError{"“" + line(text) + "” is not the address of a server", "use https://HOST:PORT"}
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, &AddressError{"http:// to " + line(u.Hostname()) + " would send the work unencrypted",
			"use https://; plain http is only for a server on this machine (127.0.0.1, localhost)"}
	default:
		return nil, &AddressError{"“" + line(u.Scheme) + "” is not a way to reach a server", "use https://HOST:PORT"}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// hostOnly is an address without its port.
func hostOnly(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}
