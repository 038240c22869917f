package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/localdb"
)

// recordings are links as they were: a subway, a ferry, cars.
var recordings = []string{"net-nyu-mets/dataset_2/7trainNew.csv", "net-nyu-mets/dataset_1/Ferry/Ferry3.csv", "net-mahimahi-cellular/ATT-LTE-driving.up", "net-mahimahi-cellular/Verizon-EVDO-driving.down"}

// recording is the capacity of a real link: how many bytes passed in each slot.
type recording struct {
	slot  time.Duration
	bytes []int

	mu    sync.Mutex // guards all below
	began time.Time
	at    int // the slot of which used is
	used  int
}

// wait lets so many bytes through as soon as the link had room for them.
func (r *recording) wait(ctx context.Context, n int) bool {
	for {
		r.mu.Lock()
		if r.began.IsZero() {
			r.began = time.Now()
		}
		since := time.Since(r.began)
		if at := int(since/r.slot) % len(r.bytes); at != r.at {
			r.at, r.used = at, 0
		}
		room := r.bytes[r.at]
		if free := room > 0 && (r.used == 0 || r.used+n <= room); free {
			r.used += n
			r.mu.Unlock()
			return true
		}
		r.mu.Unlock()
		timer := time.NewTimer(r.slot - since%r.slot)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

func (r *recording) carry(ctx context.Context, l *faultLine, near net.Conn) {
	paced := func(w io.Writer, piece []byte) bool { return r.wait(ctx, len(piece)) && whole(w, piece) }
	l.pipe(near, paced, paced)
}

// readLink reads a recording: a packet of 1,500 bytes a line, by its ms, or the
// throughput of a second a line, with its unit.
func readLink(t *testing.T, path string) *recording {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recording is not on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{slot: time.Second}
	packets := !strings.HasSuffix(path, ".csv")
	if packets {
		r.slot = 100 * time.Millisecond
	}
	units := map[string]float64{"Mbits/sec": 1e6 / 8, "Kbits/sec": 1e3 / 8, "bits/sec": 1. / 8}
	for line := range strings.Lines(string(text)) {
		value, unit, _ := strings.Cut(strings.TrimSpace(line), ",")
		number, err := strconv.ParseFloat(value, 64)
		if !packets {
			if err != nil { // the connection was lost, or the heading
				number = 0
			}
			r.bytes = append(r.bytes, int(number*units[unit]))
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for slot := int(number) / 100; len(r.bytes) <= slot; {
			r.bytes = append(r.bytes, 0)
		}
		r.bytes[int(number)/100] += 1500
	}
	return r
}

// open tells whether the link has room now.
func (r *recording) open() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.began.IsZero() && r.bytes[int(time.Since(r.began)/r.slot)%len(r.bytes)] > 0
}

// soakTime is how long a laptop rides on a recording.
func soakTime() time.Duration { return time.Duration(size(4, 600)) * time.Second }

// soak is a ride on a recorded link, and the worst that was seen on it.
type soak struct {
	*afield
	link   *recording
	tasks  int
	slow   time.Duration // the slowest action with a look at the list
	storm  int64         // the most connections in ten seconds
	down   time.Duration // how long the link had no room
	stalls time.Duration // the longest time for which it had room, work waited, and none of it went out
}

// work makes and reads tasks all the time.
func (s *soak) work(length time.Duration) {
	s.t.Helper()
	const beat = 200 * time.Millisecond
	var stalled time.Duration
	left, conns, since := 0, int64(0), time.Now()
	for began := time.Now(); time.Since(began) < length; time.Sleep(beat) {
		acted := time.Now()
		s.add(fmt.Sprint("task ", s.tasks))
		s.tasks++
		if _, err := s.db.Tasks(s.t.Context(), localdb.Query{}); err != nil {
			s.t.Fatal(err)
		}
		s.slow = max(s.slow, time.Since(acted))
		if now := s.line.conns.Load(); time.Since(since) >= 10*time.Second {
			s.storm, conns, since = max(s.storm, now-conns), now, time.Now()
		}
		switch sent := s.tasks - s.pending(); {
		case sent > left:
			left, stalled = sent, 0
		case s.link.open():
			stalled += beat
		default:
			s.down += beat
		}
		s.stalls = max(s.stalls, stalled)
	}
}

// TestSoakOnRecordedLinks (I29, I30, I31): the capacity of real links, as they
// were recorded, and a laptop that works all the time. Everything is sent once;
// work goes out again when the link is back; there is no storm of connections
// while it is away, and the person never waits.
func TestSoakOnRecordedLinks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes its time")
	}
	t.Parallel()
	length := soakTime()
	for _, name := range recordings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &soak{link: readLink(t, "../../shared/data/"+name)}
			s.afield = outside(t, "127.0.0.1:0")
			s.line.set(s.link.carry)
			s.work(length)
			s.settled("the end of the recording")
			if got := s.titles(); len(got) != s.tasks {
				t.Errorf("the server holds %d of %d tasks", len(got), s.tasks)
			}
			t.Logf("%d tasks in %v, %v of it without room; slowest action and look %v; at most %d connections in 10 s; at most %v with room and nothing sent",
				s.tasks, length, s.down, s.slow, s.storm, s.stalls)
			if s.stalls > 3*time.Minute {
				t.Errorf("nothing was sent for %v while the link had room", s.stalls)
			}
			if s.storm > 30 {
				t.Errorf("%d connections in 10 s", s.storm)
			}
		})
	}
}

// TestSoakOfTheScreen (I9, I31, G18): the same ride with the real programs. The
// screen, the sender beside it and the commands work on one file; keys are
// answered throughout, and what a command saved is on the screen soon.
func TestSoakOfTheScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes its time")
	}
	t.Parallel()
	link := readLink(t, "../../shared/data/"+recordings[1])
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	line := newFaultLine(t, w.address, "127.0.0.1:0")
	w.laptop("a", "enroll", w.inviteFor("ann", "--url", "http://"+line.addr))
	id := strings.TrimSpace(w.laptop("a", "add", "Seen 0", "--due", "today"))
	w.laptop("a", "add", "Stays", "--due", "today")
	line.set(link.carry)
	watching := w.command(t.Context(), "punchlist", "--db", "a.db", "sync", "--watch")
	if err := watching.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watching.Process.Kill(); _ = watching.Wait() }()
	s := w.session(80, 24, nil).sees("Seen 0", "Stays")
	var keys, edits []time.Duration
	slowest := func(of []time.Duration) (most time.Duration) {
		for _, d := range of {
			most = max(most, d)
		}
		return most
	}
	for began, n := time.Now(), 0; time.Since(began) < soakTime(); n++ {
		at := marked(s.text())
		pressed := time.Now()
		s.types([]string{"j", "k"}[n%2]).until("the mark to move", func(shown string) bool { return marked(shown) != at && marked(shown) != "" })
		keys = append(keys, time.Since(pressed))
		if n%10 == 0 {
			title := fmt.Sprint("Seen ", n+1)
			w.laptop("a", "set", id, "title="+title)
			saved := time.Now()
			s.sees(title)
			edits = append(edits, time.Since(saved))
		}
		time.Sleep(100 * time.Millisecond) // a person's pace
	}
	s.types("q").ends(0)
	t.Logf("%d keys, the slowest answered after %v; %d edits of another program, the slowest on the screen after %v", len(keys), slowest(keys), len(edits), slowest(edits))
	line.set(pass)
	w.sync("a")
	if n := w.pending("a"); n != 0 {
		t.Errorf("%d changes wait", n)
	}
}

// marked is the line of the list on which the mark stands.
func marked(shown string) string {
	for line := range strings.Lines(shown) {
		if strings.HasPrefix(line, "> ") {
			return line
		}
	}
	return ""
}
