package simtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// fault is what the network does to one exchange.
type mishap string

// The mishaps, by what the laptop meets.
const (
	fine         mishap = "fine"
	slow         mishap = "slow"          // seconds each way
	refused      mishap = "refused"       // nobody listens
	noName       mishap = "no name"       // DNS knows nothing
	nameSilent   mishap = "name silent"   // DNS does not answer
	lost         mishap = "lost"          // the request goes nowhere, and nobody says so
	resetEarly   mishap = "reset early"   // cut before the server saw it
	answerLost   mishap = "answer lost"   // the server did it; silence
	answerReset  mishap = "answer reset"  // the server did it; the line is cut
	answerCut    mishap = "answer cut"    // some bytes of the answer, then the line is cut
	answerStalls mishap = "answer stalls" // some bytes, then silence
	drip         mishap = "drip"          // the answer comes in small pieces
	twice        mishap = "twice"         // the request arrives again at once
	twiceLater   mishap = "twice later"   // … or up to an hour later
	delayed      mishap = "delayed"       // the request arrives when the laptop has given up long ago
	portalPage   mishap = "portal page"   // 200 and a sign-in page
	portalMoves  mishap = "portal moves"  // a redirect to one
	portalDenies mishap = "portal denies" // 401 or 403 by a stranger
	strangerJSON mishap = "stranger json" // 200 and results that look right
	otherServer  mishap = "other server"  // another punchlist server
	emptyAnswer  mishap = "empty answer"
	brokenJSON   mishap = "broken json" // our headers, half of the JSON, no word of it
	wrongType    mishap = "wrong type"  // our answer under another content type
	gateway      mishap = "gateway"     // 502 or 504 of something in between
	server500    mishap = "500"
	busy429      mishap = "429"
	busy503      mishap = "503"
)

// sky is the weather over one laptop: what happens to how many of a hundred exchanges.
type sky struct {
	name  string
	odds  []odds
	lasts [2]int64 // ms
}

type odds struct {
	what mishap
	of   int64
}

var skies = []sky{
	{"good", []odds{{fine, 97}, {slow, 3}}, [2]int64{20 * second, 100 * second}},
	{"bad", []odds{{fine, 28}, {slow, 6}, {lost, 4}, {resetEarly, 5}, {answerLost, 8}, {answerReset, 7}, {answerCut, 6}, {answerStalls, 3}, {drip, 3}, {twice, 6},
		{twiceLater, 7}, {delayed, 4}, {brokenJSON, 2}, {server500, 3}, {busy429, 3}, {busy503, 3}, {gateway, 2}}, [2]int64{40 * second, 3 * minute}},
	{"hotel", []odds{{portalPage, 25}, {portalMoves, 15}, {portalDenies, 10}, {strangerJSON, 15}, {otherServer, 10}, {emptyAnswer, 10}, {wrongType, 5}, {noName, 10}},
		[2]int64{20 * second, 90 * second}},
	{"none", []odds{{refused, 40}, {noName, 20}, {nameSilent, 20}, {lost, 20}}, [2]int64{20 * second, 8 * minute}},
	{"busy", []odds{{busy429, 20}, {busy503, 30}, {server500, 20}, {gateway, 10}, {fine, 20}}, [2]int64{15 * second, 80 * second}},
	// Something in between keeps requests and passes them on much later: what was
	// written long ago arrives as if it were new.
	{"held", []odds{{delayed, 60}, {twiceLater, 10}, {lost, 15}, {fine, 15}}, [2]int64{40 * second, 4 * minute}},
}

// link is one laptop's way to the office.
type link struct {
	w    *world
	lap  *laptop
	dice *dice

	mu     sync.Mutex // guards all below
	lanes  map[string]*dice
	sky    sky
	quiet  map[*run]int64 // boot clock: the server asked a program for silence until then
	tries  map[tried][]int64
	last   map[*run]int64 // when each program tried last
	era    int            // of the server that gave the last answer to the engine
	held   int64          // ms: how long a request was under way that arrived in the end
	live   map[*run]int64 // since when, ms, a program's stream of pokes is open
	breaks func()         // ends what is open when the sky changes
	open   context.Context
	nudges []int64 // what may call for a try beside the engine's own timers
}

func newLink(w *world, l *laptop) *link {
	k := &link{w: w, lap: l, dice: w.chance("link " + l.name), lanes: map[string]*dice{}, sky: skies[0], quiet: map[*run]int64{}, tries: map[tried][]int64{}, last: map[*run]int64{}, live: map[*run]int64{}}
	k.open, k.breaks = context.WithCancel(w.ctx)
	return k
}

// weather changes the sky now and then.
func (k *link) weather() {
	k.w.sleep(k.dice, 0) // apart from the others
	for !k.w.isCalm() {
		next := pick(k.dice, skies)
		if k.dice.one(2) {
			next = skies[k.dice.n(2)]
		}
		k.set(next)
		if !k.w.sleep(k.dice, k.dice.span(next.lasts[0], next.lasts[1])) {
			return
		}
	}
}

func (k *link) set(s sky) {
	k.mu.Lock()
	was := k.sky.name
	k.sky = s
	if was != s.name {
		k.breaks()
		k.open, k.breaks = context.WithCancel(k.w.ctx)
	}
	k.mu.Unlock()
	if was != s.name {
		k.w.note(k.lap.name, "sky %s", s.name)
		k.lap.linksChanged()
	}
}

// tried are the tries of one program by one method.
type tried struct {
	run    *run
	method string
}

// trip is one exchange under way. Push and pull travel side by side, and so do two
// programs: each has a source of chance of its own, so that it does not matter
// which draws first.
type trip struct {
	*link
	run  *run
	dice *dice
	left int64 // true time when it began
}

func (y *way) trip(path string) *trip {
	k := y.link
	name := fmt.Sprintf("link %s %s %d %t", k.lap.name, path, y.run.no, y.person)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lanes[name] == nil {
		k.lanes[name] = k.w.chance(name)
	}
	return &trip{link: k, run: y.run, dice: k.lanes[name]}
}

func (k *trip) draw() mishap {
	if k.w.isCalm() {
		return fine
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.dice.n(100)
	for _, o := range k.sky.odds {
		if n -= o.of; n < 0 {
			return o.what
		}
	}
	return fine
}

// wait is a pause in the network, which ends early when the laptop gives up.
func (k *trip) wait(ctx context.Context, ms int64) error {
	t := time.NewTimer(time.Duration(ms)*time.Millisecond + time.Duration(k.dice.n(1_000_000)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func silence(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// way is the link as one program on the laptop uses it.
type way struct {
	*link
	run    *run
	person bool // a person enrols: not the engine's manners
}

// RoundTrip carries one exchange.
func (y *way) RoundTrip(r *http.Request) (*http.Response, error) {
	if y.run != nil && y.run.isDead() {
		return nil, syscall.ENETDOWN
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body) // a bytes.Reader
		r.Body.Close()
	}
	t := y.trip(r.URL.Path)
	t.left = y.w.now()
	what := t.draw()
	if !y.person {
		y.asked(r)
	}
	if what != fine {
		y.w.count("mishap " + string(what))
		y.w.count("mishaps")
	}
	resp, err := t.carry(r, body, what)
	if !y.person {
		y.answered(r, resp)
	}
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	y.w.note(y.lap.name, "%s %s %d", r.URL.Path, what, status)
	return resp, err
}

func (k *trip) carry(r *http.Request, body []byte, what mishap) (*http.Response, error) {
	ctx := r.Context()
	if err := k.wait(ctx, k.dice.span(1, 60)); err != nil {
		return nil, err
	}
	switch what {
	case refused:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case noName:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "office", IsNotFound: true}}
	case nameSilent:
		if err := k.wait(ctx, 10*second); err != nil {
			return nil, err
		}
		return nil, &net.DNSError{Err: "i/o timeout", Name: "office", IsTimeout: true}
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	meet := k.meet
	if r.URL.Path == wire.PathEvents {
		meet = k.meetStream
	}
	resp, err := meet(r, body, what)
	if err != nil {
		return nil, err
	}
	if trace != nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	return resp, nil
}

// meet is the exchange behind the connection.
func (k *trip) meet(r *http.Request, body []byte, what mishap) (*http.Response, error) {
	ctx := r.Context()
	up, down := k.dice.span(1, 150), k.dice.span(1, 150)
	if what == slow {
		up, down = k.dice.span(100, 12*second), k.dice.span(100, 12*second)
	}
	switch what {
	case lost:
		return nil, silence(ctx)
	case delayed:
		k.later(r, body, k.dice.span(16*second, 20*minute))
		return nil, silence(ctx)
	}
	if err := k.wait(ctx, up); err != nil {
		if what == slow && k.dice.one(2) {
			k.later(r, body, 0) // it was on its way already
		}
		return nil, err
	}
	if what == resetEarly {
		return nil, syscall.ECONNRESET
	}
	if resp := k.stranger(r, body, what); resp != nil {
		return resp, nil
	}
	version, era := k.lap.mark()
	deliver := k.deliver
	if r.URL.Query().Has("wait") {
		deliver = k.awaits
	}
	resp, err := deliver(ctx, r, body)
	if err != nil {
		return nil, err
	}
	k.answeredIn(r, resp, version, era)
	switch what {
	case twice:
		k.later(r, body, 0)
	case twiceLater:
		k.later(r, body, k.dice.span(1, hour))
	case answerLost:
		return nil, silence(ctx)
	case answerReset:
		return nil, syscall.ECONNRESET
	}
	if err := k.wait(ctx, down); err != nil {
		return nil, err
	}
	return k.spoil(ctx, resp, what), nil
}

// answeredIn: a server that was restored must not answer as if it were the one
// that the laptop was told of.
func (k *link) answeredIn(r *http.Request, resp *http.Response, version int64, era int) {
	now := k.w.book.era()
	k.mu.Lock()
	k.era = now
	k.mu.Unlock()
	exchange := r.URL.Path == wire.PathBatch || r.URL.Path == wire.PathChanges
	if exchange && resp.StatusCode == http.StatusOK && k.w.book.forgotten(version, era) {
		k.w.violated("I35", "%s was told of version %d before the server was restored, and is answered on %s as if nothing had happened", k.lap.name, version, r.URL.Path)
	}
}

func (k *link) eraOf() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.era
}

// mark is the newest version that a laptop knows it was told of, and the era.
func (l *laptop) mark() (version int64, era int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard, max(l.heardEra, l.era)
}

// deliver hands a copy of the request to the server.
func (k *trip) deliver(ctx context.Context, r *http.Request, body []byte) (*http.Response, error) {
	if k.w.plant.arrives != nil {
		r, body = k.w.plant.arrives(k, r, body)
	}
	again, err := http.NewRequestWithContext(context.WithoutCancel(ctx), r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	again.Header = r.Header.Clone()
	again.RemoteAddr = fmt.Sprintf("10.0.0.%d:4711", k.lap.n+1)
	if !k.w.isCured() && bytes.Contains(plain(r.Header, body), []byte(cursed)) {
		return problem(k.w, http.StatusInternalServerError, wire.CodeInternal, 0), nil
	}
	resp, err := k.w.office.deliver(again)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

// awaits hands over a request that the server may keep for long: who gave it up
// does not wait for the answer.
func (k *trip) awaits(ctx context.Context, r *http.Request, body []byte) (*http.Response, error) {
	type answered struct {
		resp *http.Response
		err  error
	}
	out := make(chan answered, 1)
	k.w.wg.Go(func() {
		resp, err := k.deliver(ctx, r, body)
		out <- answered{resp, err}
	})
	select {
	case a := <-out:
		return a.resp, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// later lets a request arrive a second time, or late; its answer reaches nobody.
func (k *trip) later(r *http.Request, body []byte, ms int64) {
	ctx := context.WithoutCancel(r.Context())
	own := &dice{r: rand.New(rand.NewPCG(k.w.seed, uint64(k.dice.n(1<<62))))} // the lane's goes on meanwhile
	k.w.onItsWay(1)
	k.w.wg.Go(func() {
		defer k.w.onItsWay(-1)
		if k.w.sleepOrCalm(own, ms) {
			k.heldFor(k.w.now() - k.left)
			resp, err := k.deliver(ctx, r, body)
			status := 0
			if err == nil {
				status = resp.StatusCode
			}
			k.w.note(k.lap.name, "late %s %d", r.URL.Path, status)
		}
	})
}

func (k *link) heldFor(ms int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = max(k.held, ms)
}

// cursed stands in a text on which the server fails, every time, until it is cured.
const cursed = "~cursed~"

func plain(h http.Header, body []byte) []byte {
	if h.Get("Content-Encoding") != "zstd" {
		return body
	}
	z, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return body
	}
	defer z.Close()
	out, _ := io.ReadAll(z) // the server will say what is wrong with it
	return out
}

func answer(status int, contentType, body string) *http.Response {
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// problem is a refusal by the server itself.
func problem(w *world, status int, code string, after int64) *http.Response {
	b, _ := json.Marshal(wire.Problem{Status: status, Code: code, Message: "not now"}) // a struct of texts
	resp := answer(status, "application/problem+json", string(b))
	s, done := w.office.serving()
	defer done()
	if s == nil {
		return answer(http.StatusBadGateway, "text/html", "<h1>Bad gateway</h1>")
	}
	resp.Header.Set(wire.HeaderProtocol, wire.Protocol)
	resp.Header.Set(wire.HeaderServer, s.srv.ID())
	resp.Header.Set(wire.HeaderTime, strconv.FormatInt(w.now(), 10))
	if after > 0 {
		resp.Header.Set("Retry-After", strconv.FormatInt(after, 10))
	}
	return resp
}

// stranger answers instead of the server; nil when it is the server's turn.
func (k *trip) stranger(r *http.Request, body []byte, what mishap) *http.Response {
	switch what {
	case portalPage:
		return answer(200, "text/html", "<html>Welcome! Room number?</html>")
	case portalMoves:
		resp := answer(302, "text/html", "")
		resp.Header.Set("Location", "http://wifi.hotel.example/login")
		resp.Request = r
		return resp
	case portalDenies:
		return answer(int(401+2*k.dice.n(2)), "text/html", "<h1>Pay first</h1>")
	case strangerJSON:
		return answer(200, "application/json", looksRight(r, body))
	case otherServer:
		resp := answer(200, "application/json", looksRight(r, body))
		resp.Header.Set(wire.HeaderProtocol, wire.Protocol)
		resp.Header.Set(wire.HeaderServer, "00000000-0000-4000-8000-000000000000")
		resp.Header.Set(wire.HeaderTime, strconv.FormatInt(k.w.now(), 10))
		return resp
	case emptyAnswer:
		return answer(200, "", "")
	case gateway:
		return answer(int(502+2*k.dice.n(2)), "text/html", "<h1>Bad gateway</h1>")
	case server500:
		return problem(k.w, 500, wire.CodeInternal, 0)
	case busy429:
		return problem(k.w, 429, wire.CodeTooMany, k.dice.span(1, 90))
	case busy503:
		return problem(k.w, 503, wire.CodeBusy, k.dice.n(2)*k.dice.span(1, 240))
	}
	return nil
}

// looksRight is what a stranger who knows the protocol might answer.
func looksRight(r *http.Request, body []byte) string {
	var b wire.Batch
	var out wire.Results
	if json.Unmarshal(plain(r.Header, body), &b) == nil {
		for _, o := range b.Ops {
			out.Results = append(out.Results, wire.Result{OpID: o.ID, Outcome: op.Applied, Version: 999, Stamp: epoch})
		}
	}
	text, _ := json.Marshal(out) // structs of scalars
	if r.URL.Path == wire.PathChanges {
		return `{"changes":[],"cursor":"stranger","more":false,"crews":["south"],"user":"eve","role":"viewer"}`
	}
	return string(text)
}

// spoil does to a true answer what the network does on its way back.
func (k *trip) spoil(ctx context.Context, resp *http.Response, what mishap) *http.Response {
	b, _ := io.ReadAll(resp.Body) // the recorder's buffer
	part := b[:k.dice.n(int64(len(b)+1))]
	switch what {
	case answerCut:
		resp.Body = &pieces{k: k, ctx: ctx, rest: part, end: pick(k.dice, []error{syscall.ECONNRESET, io.ErrUnexpectedEOF})}
	case answerStalls:
		resp.Body = &pieces{k: k, ctx: ctx, rest: part}
	case drip:
		resp.Body = &pieces{k: k, ctx: ctx, rest: b, size: 400, pause: 300, end: io.EOF}
	case brokenJSON:
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(part)), int64(len(part))
	case wrongType:
		resp.Header.Set("Content-Type", "text/plain")
		fallthrough
	default:
		resp.Body = io.NopCloser(bytes.NewReader(b))
	}
	return resp
}

// pieces is a body as a bad line brings it; without an end it falls silent.
type pieces struct {
	k     *trip
	ctx   context.Context
	rest  []byte
	size  int
	pause int64
	end   error
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		if p.end == nil {
			return 0, silence(p.ctx)
		}
		return 0, p.end
	}
	if p.pause > 0 {
		if err := p.k.wait(p.ctx, p.pause); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.rest)
	if p.size > 0 {
		n = min(n, p.size)
	}
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pieces) Close() error { return nil }
