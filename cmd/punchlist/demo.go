package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/wire"
)

// The demo's people.
const (
	demoCrew       = "north"
	demoTechnician = "ann"
	demoDispatcher = "dora"
)

func (a *app) demoCmd() *cobra.Command {
	var script, reset bool
	var writer string
	cmd := &cobra.Command{Use: "demo", Short: "Show it: a server, a crew's day and a cable to pull, all on this machine",
		Long: `Show it: a server, a crew's day of real building inspections, a dispatcher who
edits the same tasks, and a cable to pull (ctrl+n on the screen), all on this
machine's loopback. Close the screen, or kill it, and start the demo again: it
goes on where it was. --reset starts from the morning.

Without a terminal, or with --script, it runs the offline story by itself, prints
what happens, and compares laptop and server at the end (exit code 1 when they differ).`,
		Example: "  punchlist demo\n  punchlist demo --script", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case writer != "":
				return a.demoWriter(cmd.Context(), writer)
			case a.dbPath != "":
				return cli.Usage("", "the demo always uses a folder of its own; leave --db out")
			case script && reset:
				return cli.Usage("", "the story without the screen begins afresh each time, in a folder of its own; leave --reset or --script out")
			case script || !a.onTerminal():
				return a.demoScript(cmd.Context())
			}
			return a.demoScreen(cmd.Context(), reset)
		}}
	cmd.Flags().BoolVar(&script, "script", false, "run the story without the screen")
	cmd.Flags().BoolVar(&reset, "reset", false, "start again from the morning")
	cmd.Flags().StringVar(&writer, "writer", "", "")
	_ = cmd.Flags().MarkHidden("writer") // the process that the script kills
	a.plainFlag(cmd)
	return a.JSONFlag(cmd)
}

// cable carries the laptop's requests; pulled, no packet gets anywhere, as on a
// roof or in a cellar: connections that stand break, new ones find no route.
type cable struct {
	*http.Transport
	pulled atomic.Bool
}

var errPulled = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}

func newCable() *cable {
	c := &cable{}
	dialer := &net.Dialer{}
	c.Transport = wire.NewTransport(wire.TransportOptions{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if c.pulled.Load() {
			return nil, errPulled
		}
		return dialer.DialContext(ctx, network, address)
	}})
	return c
}

// RoundTrip sends one request, if the cable is in.
func (c *cable) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.pulled.Load() {
		return nil, errPulled
	}
	return c.Transport.RoundTrip(r)
}

func (c *cable) pull(out bool) {
	c.pulled.Store(out)
	c.CloseIdleConnections()
}

// demo is the small world: an office with a server, and a laptop.
type demo struct {
	dir   string
	db    *localdb.DB
	srv   *server.Server
	store *sqlitestore.Store
	url   string
	cable *cable
	stop  context.CancelFunc
	ended chan error // the server's
}

// newDemo starts the server and opens the laptop; a fresh folder is given the
// crew's day first. now is the moment that the day's times are counted from.
func newDemo(ctx context.Context, dir string, now time.Time) (*demo, error) {
	d := &demo{dir: dir, cable: newCable()}
	if err := d.start(ctx, now); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *demo) start(ctx context.Context, now time.Time) error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	var err error
	if d.store, err = sqlitestore.Open(ctx, filepath.Join(d.dir, "server.db")); err != nil {
		return err
	}
	if d.srv, err = server.New(ctx, d.store, server.Options{Now: time.Now, Rand: rand.Reader}); err != nil {
		return err
	}
	if _, err := d.srv.User(ctx, demoTechnician); err != nil {
		if err := d.morning(ctx, now); err != nil {
			return fmt.Errorf("make the crew's day: %w", err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	d.url = "http://" + ln.Addr().String()
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop, d.ended = stop, make(chan error, 1)
	go func() { d.ended <- d.srv.Serve(serving, ln) }()
	if d.db, err = localdb.Open(ctx, filepath.Join(d.dir, "laptop.db"), localdb.Options{}); err != nil {
		return err
	}
	return d.join(ctx)
}

// join enrols the laptop, or tells it the server's new port.
func (d *demo) join(ctx context.Context) error {
	dev, err := d.db.Device(ctx)
	if err != nil {
		return err
	}
	if dev.ID == "" || dev.Token == "" {
		if dev, err = d.enrol(ctx, "Ann's laptop"); err != nil {
			return err
		}
	}
	dev.ServerURL = d.url
	return d.db.Enrol(ctx, dev)
}

// enrol makes a device of the technician's, over the protocol.
func (d *demo) enrol(ctx context.Context, name string) (localdb.Device, error) {
	text, _, err := d.srv.Invite(ctx, demoTechnician, d.url, time.Hour)
	if err != nil {
		return localdb.Device{}, err
	}
	invite, err := wire.ParseInvite(text)
	if err != nil {
		return localdb.Device{}, err
	}
	client, err := wire.NewClient(wire.ClientOptions{BaseURL: invite.URL, Version: version})
	if err != nil {
		return localdb.Device{}, err
	}
	defer client.Hangup()
	got, err := client.Enroll(ctx, wire.Enroll{Code: invite.Code, DeviceName: name}, invite.Fingerprint)
	if err != nil {
		return localdb.Device{}, err
	}
	return localdb.Device{ID: got.DeviceID, Token: got.Token, User: got.User, Name: name, Role: got.Role, Crews: got.Crews,
		ServerURL: d.url, ServerID: got.ServerID, ServerKey: got.ServerKey, EnrolledAt: got.Time}, nil
}

// close ends everything that newDemo started, whatever of it there is.
func (d *demo) close() error {
	var errs []error
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	d.cable.CloseIdleConnections()
	if d.stop != nil {
		d.stop()
		errs = append(errs, <-d.ended)
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}

// dispatch is the office's edit of a task, by the dispatcher, now.
func (d *demo) dispatch(ctx context.Context, task string, fields op.Fields) error {
	by, err := d.srv.Office(ctx, demoDispatcher, demoCrew)
	if err != nil {
		return err
	}
	base, err := d.versionOf(ctx, task)
	if err != nil {
		return err
	}
	f := fields.Clone()
	f[op.UpdatedAt] = time.Now().UnixMilli()
	results, err := d.srv.Apply(ctx, by, []op.Op{{ID: newID(), Kind: op.Task, Entity: task, Action: op.Update, Fields: f, Base: base, CreatedAt: time.Now().UnixMilli(), Schema: op.Schema}})
	if err != nil {
		return err
	}
	if results[0].Outcome != op.Applied {
		return fmt.Errorf("the dispatcher's edit was %s: %s", results[0].Outcome, results[0].Message)
	}
	return nil
}

// versionOf is what the dispatcher sees on a screen at the office.
func (d *demo) versionOf(ctx context.Context, task string) (int64, error) {
	loaded, err := d.store.Load(ctx, server.Needs{Crews: []string{demoCrew}, Records: []server.Ref{{Kind: op.Task, ID: task}}})
	if err != nil {
		return 0, err
	}
	for _, row := range loaded.Rows {
		if row.ID == task {
			return row.Version, nil
		}
	}
	return 0, fmt.Errorf("the server holds no task %s", task)
}

// onTerminal tells whether a person sits at both ends.
func (a *app) onTerminal() bool { return isTerminal(a.In) && isTerminal(a.Out) }

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// demoWriter adds tasks as fast as it can and prints each as soon as it is
// saved, until it is killed.
func (a *app) demoWriter(ctx context.Context, path string) error {
	db, err := localdb.Open(ctx, path, localdb.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	for i := 1; ctx.Err() == nil && i <= 100_000; i++ {
		id, err := db.AddTask(ctx, op.Fields{"title": fmt.Sprintf("Found on the way, %d", i)})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(a.Out, id+"\n"); err != nil {
			return err
		}
	}
	return nil
}
