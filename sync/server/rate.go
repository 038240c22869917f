package server

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"example.com/punchlist/sync/wire"
)

// Limits bound what one device, or one address, may ask of the server. In the
// zero value nothing is bounded.
type Limits struct {
	Device     Rate // of a device's requests
	Together   int  // requests of a device that run at once, beside streams and long polls
	Address    Rate // of requests without a token that is known here, by address
	WrongCodes int  // wrong codes in an hour after which no open invite is good any more
}

// DefaultLimits are those of punchlistd serve.
var DefaultLimits = Limits{Device: Rate{10, 40}, Together: 2, Address: Rate{50, 200}, WrongCodes: 20}

// Rate is how many requests go on for long, and how many may come at once after
// a rest.
type Rate struct {
	PerSecond float64
	Burst     int
}

// maxCallers is how many devices, or addresses, a gate remembers. Beyond them
// newcomers share one measure, so that its memory is bounded.
const maxCallers = 10_000

// gate lets callers through as often as its rate says. What it knows of a caller
// who rested is the same as of one who never came, and is forgotten.
type gate struct {
	rate     Rate
	together int // 0: any number

	mu    sync.Mutex // guards all below
	known map[string]*caller
	swept int64 // ms
}

type caller struct {
	room    float64 // requests that may come now …
	at      int64   // … as of then, ms
	running int
}

func newGate(rate Rate, together int) *gate {
	return &gate{rate: rate, together: together, known: map[string]*caller{}}
}

// enter asks for one request. Either leave must be called at its end, or why
// says what there was too much of, and wait for how long.
func (g *gate) enter(who string, now int64, running bool) (leave func(), why string, wait time.Duration) {
	running = running && g.together > 0
	if g.rate.PerSecond <= 0 && !running {
		return func() {}, "", 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.of(who, now)
	if running && c.running >= g.together {
		return nil, "together", time.Second
	}
	if g.rate.PerSecond > 0 {
		if g.fill(c, now); c.room < 1 {
			return nil, "rate", time.Duration((1 - c.room) / g.rate.PerSecond * float64(time.Second))
		}
		c.room--
	}
	if !running {
		return func() {}, "", 0
	}
	c.running++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		c.running--
	}, "", 0
}

// of finds a caller; g.mu is held.
func (g *gate) of(who string, now int64) *caller {
	if c, ok := g.known[who]; ok {
		return c
	}
	if len(g.known) >= maxCallers && (now-g.swept >= 1000 || now < g.swept) {
		g.swept = now
		for who, c := range g.known {
			if g.fill(c, now); c.running == 0 && c.room >= float64(g.rate.Burst) {
				delete(g.known, who)
			}
		}
	}
	if len(g.known) >= maxCallers {
		who = "" // the measure that newcomers share
	}
	if g.known[who] == nil {
		g.known[who] = &caller{room: float64(g.rate.Burst), at: now}
	}
	return g.known[who]
}

// fill gives a caller what its rest is worth. A clock that went back gives nothing.
func (g *gate) fill(c *caller, now int64) {
	rested := max(0, now-c.at)
	c.room = min(float64(g.rate.Burst), c.room+float64(rested)/1000*g.rate.PerSecond)
	c.at = now
}

// tooManyError says that somebody asks more than is good.
type tooManyError struct {
	who, why string
	wait     time.Duration
}

// Error is for the log.
func (e *tooManyError) Error() string { return fmt.Sprintf("%s asks too much (%s)", e.who, e.why) }

// refusalPause is how long a refusal for asking too much is held back. Whoever asks
// again at once is slowed by it to a pace that costs the others nothing; whoever
// does as the refusal says loses nothing, for that asks for a second at least.
const refusalPause = 500 * time.Millisecond

func (s *Server) tooMany(w http.ResponseWriter, r *http.Request, e *tooManyError, message string) {
	pause := time.NewTimer(refusalPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-r.Context().Done():
	}
	s.meter.Refused(e.who + " " + e.why)
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(e.wait.Seconds())))))
	s.problem(w, &wire.Problem{Status: http.StatusTooManyRequests, Code: wire.CodeTooMany, Message: message, Hint: "nothing is lost; try again in a moment"})
}

// stranger lets a request through whose sender is not known.
func (s *Server) stranger(r *http.Request) *tooManyError {
	if _, why, wait := s.strangers.enter(networkOf(r.RemoteAddr), s.ms(), false); why != "" {
		return &tooManyError{"address", why, wait}
	}
	return nil
}

// networkOf is by what an address is counted: of IPv6 the network, of which one
// machine has all addresses.
func networkOf(address string) string {
	host := hostOf(address)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return host
}

// anyone is a request that needs no token.
func (s *Server) anyone(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if much := s.stranger(r); much != nil {
			s.tooMany(w, r, much, "too many requests from this address")
			return
		}
		handle(w, r)
	}
}

// LimitListener hands out at most n connections at once: whoever comes then
// waits for one to be closed.
func LimitListener(ln net.Listener, n int) net.Listener {
	return &limited{Listener: ln, room: make(chan struct{}, n), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	room   chan struct{} // holds a token for each connection
	once   sync.Once
	closed chan struct{}
}

// Accept waits for room and for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &counted{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

// Close ends the waiting too.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type counted struct {
	net.Conn
	leave func()
}

// Close makes room for another.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
