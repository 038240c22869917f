package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// Start is what the clock of a [Rig] shows at first, ms since 1970 UTC.
const Start int64 = 1_793_000_000_000

// Rig is a server over a store, answering real HTTP on this machine, with a
// clock that stands still unless it is moved.
type Rig struct {
	T      testing.TB
	Store  server.Store
	Server *server.Server
	URL    string
	Now    atomic.Int64
}

// NewRig starts a server over a store; it stops when the test ends.
func NewRig(t testing.TB, store server.Store) *Rig {
	t.Helper()
	return NewRigWith(t, store, server.Options{})
}

// NewRigWith is NewRig with some options; the clock and the like are the rig's.
func NewRigWith(t testing.TB, store server.Store, o server.Options) *Rig {
	t.Helper()
	r := &Rig{T: t, Store: store}
	r.Now.Store(Start)
	o.Now, o.Rand, o.Lanes = r.Time, rand.Reader, 4
	srv, err := server.New(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = srv
	hs := httptest.NewServer(srv.Handler())
	t.Cleanup(hs.Close)
	r.URL = hs.URL
	return r
}

// Time is the rig's clock.
func (r *Rig) Time() time.Time { return time.UnixMilli(r.Now.Load()).UTC() }

// Pass moves the clock on.
func (r *Rig) Pass(d time.Duration) { r.Now.Add(d.Milliseconds()) }

// User makes a user with its crews.
func (r *Rig) User(name string, role op.Role, crews ...string) {
	r.T.Helper()
	if _, err := r.Server.AddUser(r.T.Context(), server.User{Name: name, Role: role, Crews: crews}); err != nil {
		r.T.Fatal(err)
	}
}

// Device is an enrolled device as the server's other end.
type Device struct {
	*Rig
	ID     string
	User   string
	Token  string
	Cursor string
	seq    int64
}

// Enrol makes a device for a user, the way a person does.
func (r *Rig) Enrol(user string) *Device {
	r.T.Helper()
	e, status := r.Redeem(r.Code(user), "nonce-"+uuid.NewString())
	if status != http.StatusOK {
		r.T.Fatalf("enrolment of %s: status %d", user, status)
	}
	return &Device{Rig: r, ID: e.DeviceID, User: e.User, Token: e.Token}
}

// At is the device as it talks to another server on the same store.
func (d *Device) At(r *Rig) *Device {
	there := *d
	there.Rig = r
	return &there
}

// Code makes an invite and returns its code.
func (r *Rig) Code(user string) string {
	r.T.Helper()
	text, _, err := r.Server.Invite(r.T.Context(), user, r.URL, time.Hour)
	if err != nil {
		r.T.Fatal(err)
	}
	i, err := wire.ParseInvite(text)
	if err != nil {
		r.T.Fatal(err)
	}
	return i.Code
}

// Redeem asks POST /enroll.
func (r *Rig) Redeem(code, nonce string) (e wire.Enrolled, status int) {
	r.T.Helper()
	a := r.Do(Request{Method: http.MethodPost, Path: wire.PathEnroll, Body: wire.Enroll{Code: code, DeviceName: "laptop", Nonce: nonce}})
	if a.Status == http.StatusOK {
		a.Into(&e)
	}
	return e, a.Status
}

// Request is one request; Body is sent as JSON unless it is bytes or text.
type Request struct {
	Method, Path, Token string
	Body                any
	Header              map[string]string
}

// Answer is what came back.
type Answer struct {
	T      testing.TB
	Status int
	Header http.Header
	Body   []byte
}

// Into decodes the answer.
func (a Answer) Into(v any) {
	a.T.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		a.T.Fatalf("%v in %q", err, a.Body)
	}
}

// Object is the answer as an object.
func (a Answer) Object() map[string]any {
	a.T.Helper()
	var m map[string]any
	a.Into(&m)
	return m
}

// Do sends a request.
func (r *Rig) Do(q Request) Answer {
	r.T.Helper()
	a, err := r.Try(q)
	if err != nil {
		r.T.Fatal(err)
	}
	return a
}

// Try sends a request from any goroutine.
func (r *Rig) Try(q Request) (Answer, error) {
	var body []byte
	switch b := q.Body.(type) {
	case nil:
	case []byte:
		body = b
	case string:
		body = []byte(b)
	default:
		var err error
		if body, err = json.Marshal(b); err != nil {
			return Answer{}, err
		}
	}
	req, err := http.NewRequestWithContext(context.Background(), q.Method, r.URL+q.Path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if q.Token != "" {
		req.Header.Set("Authorization", "Bearer "+q.Token)
	}
	for name, value := range q.Header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return Answer{r.T, res.StatusCode, res.Header, text}, err
}

// Op makes an op of the device at the rig's present time.
func (d *Device) Op(action op.Action, kind op.Kind, id string, base int64, fields op.Fields) op.Op {
	d.seq++
	fields = fields.Clone()
	if _, given := fields[op.UpdatedAt]; !given {
		fields[op.UpdatedAt] = d.Now.Load()
	}
	return op.Op{ID: uuid.NewString(), Seq: d.seq, Kind: kind, Entity: id, Action: action, Fields: fields, Base: base, CreatedAt: d.Now.Load(), Schema: op.Schema}
}

// NewTask makes an op that inserts a task.
func (d *Device) NewTask(id, title string) op.Op {
	return d.Op(op.Insert, op.Task, id, 0, op.Fields{"title": title, "status": "PENDING"})
}

// Set makes an op that changes a task.
func (d *Device) Set(id string, base int64, fields op.Fields) op.Op {
	return d.Op(op.Update, op.Task, id, base, fields)
}

// Push sends a batch and returns its results.
func (d *Device) Push(ops ...op.Op) []wire.Result {
	d.T.Helper()
	results, err := d.TryPush(ops...)
	if err != nil {
		d.T.Fatal(err)
	}
	return results
}

// TryPush is Push from any goroutine.
func (d *Device) TryPush(ops ...op.Op) ([]wire.Result, error) {
	a, err := d.Try(Request{Method: http.MethodPost, Path: wire.PathBatch, Token: d.Token, Body: wire.Batch{Ops: ops}})
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", a.Status, a.Body)
	}
	var r wire.Results
	if err := json.Unmarshal(a.Body, &r); err != nil {
		return nil, err
	}
	if len(r.Results) != len(ops) {
		return nil, fmt.Errorf("%d results for %d ops", len(r.Results), len(ops))
	}
	return r.Results, nil
}

// Must pushes ops of which each has to be applied, and returns the last result.
func (d *Device) Must(ops ...op.Op) wire.Result {
	d.T.Helper()
	results := d.Push(ops...)
	for i, r := range results {
		if r.Outcome != op.Applied || r.Duplicate {
			d.T.Fatalf("op %d: %+v; want applied", i, r)
		}
	}
	return results[len(results)-1]
}

// Page pulls one page and remembers its cursor.
func (d *Device) Page(limit int) wire.Changes {
	d.T.Helper()
	page, err := d.TryPage(limit)
	if err != nil {
		d.T.Fatal(err)
	}
	return page
}

// TryPage is Page from any goroutine.
func (d *Device) TryPage(limit int) (wire.Changes, error) {
	var c wire.Changes
	a, err := d.Try(Request{Method: http.MethodGet, Path: fmt.Sprintf("%s?since=%s&limit=%d", wire.PathChanges, d.Cursor, limit), Token: d.Token})
	if err != nil {
		return c, err
	}
	if a.Status != http.StatusOK {
		return c, fmt.Errorf("status %d: %s", a.Status, a.Body)
	}
	err = json.Unmarshal(a.Body, &c)
	d.Cursor = c.Cursor
	return c, err
}

// Pull pulls until there is no more.
func (d *Device) Pull() wire.Changes {
	d.T.Helper()
	all := d.Page(wire.MaxPage)
	for all.More {
		page := d.Page(wire.MaxPage)
		all.Changes, all.Conflicts, all.More = append(all.Changes, page.Changes...), append(all.Conflicts, page.Conflicts...), page.More
	}
	return all
}

// NewID makes a record's id.
func NewID() string { return uuid.NewString() }

// describe lists results in few words, for messages.
func describe(results []wire.Result) string {
	var parts []string
	for _, r := range results {
		parts = append(parts, strings.Trim(fmt.Sprintf("%s/%s/%s", r.Outcome, r.Code, r.Field), "/"))
	}
	return strings.Join(parts, " ")
}
