package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// defaultListen is where the server listens unless told otherwise.
const defaultListen = "127.0.0.1:8700"

// urlSetting remembers the address that invites name.
const urlSetting = "url"

// serving is what the flags of serve ask for.
type serving struct {
	listen, cert, key, url string
	auto                   bool
	metrics                string
	connections            int
}

func (a *app) serveCmd() *cobra.Command {
	var o serving
	var rules server.TokenRules
	cmd := &cobra.Command{Use: "serve", Short: "Run the sync server until it is stopped",
		Long: `Run the sync server until it is stopped (Ctrl+C or SIGTERM: requests that run are
finished first). The database is made or brought to the newest form on start.

Plain http is served to this machine only. For other machines: --tls-auto makes
certificates that laptops know by their invites, and renews them; or give a
certificate; or put a proxy that speaks TLS in front and say with --url how
devices reach it.`,
		Example: "  punchlistd serve\n  punchlistd serve --listen :8443 --tls-auto\n  punchlistd serve --listen :8443 --tls-cert sync.pem --tls-key sync.key --url https://sync.example:8443", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.tokens = rules
			if o.metrics != "" {
				a.metrics = newMetrics()
			}
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				if a.metrics != nil {
					stop, err := a.metrics.serve(o.metrics, srv)
					if err != nil {
						return err
					}
					defer func() { _ = stop() }()
				}
				release, err := a.database().lockServing()
				if err != nil {
					return err
				}
				return errors.Join(a.serve(ctx, srv, store, o), release())
			})
		}}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", defaultListen, "address to listen on; port 0 takes a free one")
	f.StringVar(&o.cert, "tls-cert", "", "file of the certificate, with its chain (PEM)")
	f.StringVar(&o.key, "tls-key", "", "file of its key (PEM)")
	f.BoolVar(&o.auto, "tls-auto", false, "serve TLS with certificates of the server's own making")
	f.StringVar(&o.metrics, "metrics", "", "address on which GET /metrics tells Prometheus how the server does, in plain HTTP (default: none)")
	f.DurationVar(&rules.Renew, "token-renew", 30*24*time.Hour, "give a device a new token after so long; 0: never")
	f.DurationVar(&rules.Unused, "token-unused", 90*24*time.Hour, "a device that was away for so long has to enrol again; 0: none has to")
	f.IntVar(&o.connections, "connections", 10_000, "connections at once; whoever comes then waits; 0: any number")
	limits(cmd, &a.limits)
	f.StringVar(&o.url, "url", "", "the address by which devices reach the server (default: made from --listen)")
	return cmd
}

func (a *app) serve(ctx context.Context, srv *server.Server, store server.Store, o serving) error {
	ln, base, err := listen(srv, o)
	if err != nil {
		return err
	}
	public := base
	if o.url != "" {
		public = o.url
	}
	err = checkURL(public, o.url)
	if err == nil { // else no invite may lead to it
		err = a.keepURL(ctx, store, public, o.url)
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	a.Printf("punchlistd: serving %s (database %s, server %s)\n", base, a.database(), srv.ID())
	users, err := store.Users(ctx)
	if ctx.Err() != nil { // stopped before it served anybody
		return ln.Close()
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	if len(users) == 0 {
		a.next("user add NAME --crew CREW")
	}
	if err := srv.Serve(ctx, ln); err != nil {
		return err
	}
	a.Note("punchlistd: stopped")
	return nil
}

// limits are the flags that bound what one laptop or address may ask.
func limits(cmd *cobra.Command, l *server.Limits) {
	f, d := cmd.Flags(), server.DefaultLimits
	f.Float64Var(&l.Device.PerSecond, "device-rate", d.Device.PerSecond, "requests a second of one device; 0: any number")
	f.IntVar(&l.Device.Burst, "device-burst", d.Device.Burst, "requests of one device at once, after a rest")
	f.IntVar(&l.Together, "device-together", d.Together, "requests of one device that run at once, beside those that wait for news; 0: any number")
	f.Float64Var(&l.Address.PerSecond, "address-rate", d.Address.PerSecond, "requests a second of one address without a token that is known; 0: any number")
	f.IntVar(&l.Address.Burst, "address-burst", d.Address.Burst, "such requests of one address at once, after a rest")
	f.IntVar(&l.WrongCodes, "wrong-codes", d.WrongCodes, "wrong codes in an hour after which all open invites are closed; 0: never")
}

// keepURL remembers the address that invites name. Of several servers on one
// database the first one's is kept, unless one is told which it is.
func (a *app) keepURL(ctx context.Context, store server.Store, public, given string) error {
	if a.database().postgres() && given == "" {
		_, err := store.Setting(ctx, urlSetting, public)
		return err
	}
	return store.SetSetting(ctx, urlSetting, public)
}

// checkURL refuses an address that no invite could name. One made from --listen
// is let through: it may be for this machine only.
func checkURL(address, given string) error {
	if given == "" {
		return nil
	}
	_, err := wire.FormatInvite(wire.Invite{URL: address})
	return err
}

// listen opens the address and returns it as a URL.
func listen(srv *server.Server, o serving) (net.Listener, string, error) {
	host, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return nil, "", cli.Usage("--listen "+defaultListen, "--listen %q is not HOST:PORT", o.listen)
	}
	conf, err := tlsOf(srv, o, host)
	if err != nil {
		return nil, "", err
	}
	if conf == nil && !wire.IsLoopback(host) {
		return nil, "", &server.Fault{Message: fmt.Sprintf("%s can be reached from other machines, and without TLS everything would be sent in the clear", o.listen),
			Cure: "--tls-auto; or --tls-cert FILE --tls-key FILE; or --listen 127.0.0.1:" + port + " behind a proxy that speaks TLS"}
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, "", listenFault(o.listen, err)
	}
	if o.connections > 0 {
		ln = server.LimitListener(ln, o.connections) // beneath TLS: what shakes hands counts
	}
	scheme := "http"
	if conf != nil {
		scheme = "https"
		ln = tls.NewListener(ln, conf)
	}
	return ln, scheme + "://" + net.JoinHostPort(publicHost(host), fmt.Sprint(ln.Addr().(*net.TCPAddr).Port)), nil
}

// tlsOf is the certificate to serve with; nil: plain http.
func tlsOf(srv *server.Server, o serving, host string) (*tls.Config, error) {
	switch {
	case o.auto && o.cert+o.key != "":
		return nil, cli.Usage("give one or the other", "--tls-auto makes the certificates; --tls-cert and --tls-key give one")
	case (o.cert == "") != (o.key == ""):
		return nil, cli.Usage("give both", "--tls-cert and --tls-key belong together")
	case o.auto && o.url == "" && wire.IsLoopback(host):
		return nil, &server.Fault{Message: "this machine itself needs no TLS, and its laptops would not ask for it", Cure: "--listen :8443, or say with --url https://NAME:PORT by what name other machines reach it"}
	case o.auto:
		return srv.TLS(func() []string { return ownNames(host, o.url) })
	case o.cert == "":
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, &server.Fault{Message: "the certificate cannot be used: " + err.Error(), Cure: "give PEM files that belong together"}
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

// ownNames are the names and addresses under which this machine may be reached,
// for programs that look at the name in a certificate. Laptops look at its key.
func ownNames(host, public string) []string {
	names := []string{publicHost(host), "localhost"}
	if u, err := url.Parse(public); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	if addresses, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
				names = append(names, n.IP.String())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// publicHost is the machine's name where the server listens on all addresses.
func publicHost(host string) string {
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return host
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

func listenFault(address string, err error) error {
	cure := "use another address or port: --listen 127.0.0.1:0 takes a free one"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &server.Fault{Message: "another program already listens on " + address, Cure: cure}
	case errors.Is(err, fs.ErrPermission):
		return &server.Fault{Message: "you may not listen on " + address, Cure: "use a port above 1023"}
	}
	return &server.Fault{Message: err.Error(), Cure: cure}
}
