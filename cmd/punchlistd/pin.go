package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

func (a *app) pinCmd() *cobra.Command {
	return &cobra.Command{Use: "pin [FILE...]", Short: "Print the pins of certificates and keys, for invites and laptops",
		Long: `Print the pins of the certificates and keys in PEM files; without a file, that of
the server's own authority (serve --tls-auto).

A laptop with pins takes no other key for the server's, whichever authority vouches
for it. Invites carry them (invite --pin). Pin two: the key in use, and the next one,
made now and kept elsewhere. Going over to that is then only a new certificate; after
that make another, and give its pin to new invites and to the laptops that there
are: punchlist pin add PIN.`,
		Example: "  punchlistd pin\n  punchlistd pin server.pem next.key", Args: cli.Args(0, 16),
		RunE: func(cmd *cobra.Command, files []string) error {
			if len(files) == 0 {
				return a.with(cmd, func(_ context.Context, srv *server.Server, _ server.Store) error {
					text, err := srv.AuthorityPEM()
					if err != nil {
						return err
					}
					return a.printPins(text, "the server's authority")
				})
			}
			for _, name := range files {
				text, err := os.ReadFile(name)
				if err == nil {
					err = a.printPins(text, name)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}}
}

func (a *app) printPins(text []byte, name string) error {
	pins, err := pinsIn(text)
	if err != nil {
		return &server.Fault{Message: fmt.Sprintf("%s: %v", name, err), Cure: "name a certificate or a key in PEM form"}
	}
	for _, p := range pins {
		a.Printf("%s\n", p)
	}
	return nil
}

// pinsIn are the pins of all that a PEM file holds, in its order: of a chain the
// first is the server's own.
func pinsIn(text []byte) (pins []wire.Pin, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		spki, err := publicKey(block)
		if err != nil {
			return nil, err
		}
		if spki != nil {
			pins = append(pins, wire.PinOfKey(spki))
		}
	}
	if len(pins) == 0 {
		return nil, fmt.Errorf("it holds neither a certificate nor a key")
	}
	return pins, nil
}

// publicKey is the SubjectPublicKeyInfo of one part of a PEM file; nil: it has none.
func publicKey(block *pem.Block) ([]byte, error) {
	var private any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.RawSubjectPublicKeyInfo, nil
	case "PUBLIC KEY":
		_, err := x509.ParsePKIXPublicKey(block.Bytes)
		return block.Bytes, err
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default: // parameters of a curve, a request for a certificate
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	signer, ok := private.(interface{ Public() crypto.PublicKey })
	if !ok {
		return nil, fmt.Errorf("a key that signs nothing")
	}
	return x509.MarshalPKIXPublicKey(signer.Public())
}

// pinsNamed are those that a person gave: as such, or by a file, of which the first
// counts: the server's own in a chain.
func pinsNamed(words []string) (pins []wire.Pin, err error) {
	for _, word := range words {
		pin, bad := wire.ParsePin(word)
		if bad != nil {
			text, err := os.ReadFile(word)
			if err != nil {
				return nil, cli.Usage("punchlistd pin FILE", "--pin %q is neither a pin nor a file that can be read: %v", word, err)
			}
			of, err := pinsIn(text)
			if err != nil {
				return nil, cli.Usage("punchlistd pin FILE", "--pin %s: %v", word, err)
			}
			pin = of[0]
		}
		pins = append(pins, pin)
	}
	return pins, nil
}
