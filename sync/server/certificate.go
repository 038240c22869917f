package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// The server's own certificates, for an office without an authority. The
// authority's key is the server's identity, which devices know by the invite's
// fingerprint and which lies in the database alone; what it signs is no ping
// (those begin with "punchlist ping", a certificate with a DER header), so one
// key does both. Certificates for serving are made in memory and never stored:
// servers on one database have one authority, and a backup brings it back.
//
// All are valid from a fixed day on, long past: a laptop whose clock lost its
// battery would otherwise find a certificate of today "not yet valid", and
// nobody gains a day by it, for the key did not exist earlier.
var (
	certificatesFrom = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	authorityUntil   = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // RFC 5280: no end that is known
)

const (
	certificateLife = 90 * 24 * time.Hour
	certificateRest = 30 * 24 * time.Hour // with so much left a new one is made
)

// Authority is the certificate of the server's own authority (DER). It is the
// same however often it is asked for.
func (s *Server) Authority() ([]byte, error) {
	sum := sha256.Sum256(s.Key())
	t := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(sum[:16]), Subject: pkix.Name{CommonName: "punchlist " + s.id},
		NotBefore: certificatesFrom, NotAfter: authorityUntil, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: sum[:20],
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, s.Key(), s.key) // Ed25519 takes no chance
	if err != nil {
		return nil, fmt.Errorf("make the authority's certificate: %w", err)
	}
	return der, nil
}

// AuthorityPEM is Authority as other programs read it.
func (s *Server) AuthorityPEM() ([]byte, error) {
	der, err := s.Authority()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// TLS serves with certificates that the server signs itself, for the names and
// addresses that names gives; a new one is made in good time before the old one
// ends, with the names as they are then.
func (s *Server) TLS(names func() []string) (*tls.Config, error) {
	c := &certificates{server: s, names: names}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: c.get}, nil
}

type certificates struct {
	server *Server
	names  func() []string

	mu    sync.Mutex // guards all below
	now   *tls.Certificate
	until time.Time
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.server.now(); c.now == nil || c.until.Sub(at) < certificateRest || c.until.Sub(at) > certificateLife {
		until := at.Add(certificateLife)
		made, err := c.server.certificate(c.names(), until)
		if err != nil {
			return nil, err
		}
		c.now, c.until = made, until
	}
	return c.now, nil
}

// certificate makes a key and signs its certificate.
func (s *Server) certificate(names []string, until time.Time) (*tls.Certificate, error) {
	authority, err := s.Authority()
	if err != nil {
		return nil, err
	}
	parent, err := x509.ParseCertificate(authority)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial := make([]byte, 16)
	if err := s.random(serial); err != nil {
		return nil, err
	}
	serial[0] &= 0x7f // RFC 5280: positive, at most 20 bytes
	t := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: "punchlist server"},
		NotBefore: certificatesFrom, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), s.key)
	if err != nil {
		return nil, fmt.Errorf("make the server's certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, authority}, PrivateKey: key}, nil
}
