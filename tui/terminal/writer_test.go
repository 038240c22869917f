package terminal_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/punchlist/tui/terminal"
	"example.com/punchlist/tui/terminal/vt"
)

const (
	enterSeq = "\x1b[?1049h"
	leaveSeq = "\x1b[?1049l"
)

// far is the other end of a terminal line: it keeps what it has read.
type far struct {
	conn net.Conn
	mu   sync.Mutex
	got  strings.Builder
}

// read takes all there is until the line is closed or the test stops it.
func (f *far) read() {
	buf := make([]byte, 1024)
	for {
		n, err := f.conn.Read(buf)
		f.mu.Lock()
		f.got.Write(buf[:n])
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take returns what was read since the last take.
func (f *far) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.got.String()
	f.got.Reset()
	return s
}

// pair returns a writer on a line and the far end of it, which nobody reads yet.
func pair(opts terminal.WriterOptions) (*terminal.Writer, *far) {
	near, other := net.Pipe()
	opts.Sink, opts.Width, opts.Height = near, 20, 4
	opts.Enter, opts.Leave = enterSeq, leaveSeq
	if opts.Pace == 0 {
		opts.Pace = 15 * time.Millisecond
	}
	if opts.Flush == 0 {
		opts.Flush = time.Second
	}
	return terminal.NewWriter(opts), &far{conn: other}
}

func TestWriterShowsTheNewestFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := pair(terminal.WriterOptions{})
		go f.read()
		w.Frame("before the screen is ours", terminal.NoCursor)
		synctest.Wait()
		if got := f.take(); got != "" {
			t.Fatalf("sent %q before Acquire", got)
		}
		w.Acquire()
		synctest.Wait()
		first, ok := strings.CutPrefix(f.take(), enterSeq)
		if !ok {
			t.Fatalf("the screen was not taken: %q", first)
		}
		emu := vt.New(t, 20, 4)
		emu.Feed([]byte(first))

		time.Sleep(time.Second) // the pace is over
		for i := range 100 {
			w.Frame(fmt.Sprintf("frame %d", i), terminal.NoCursor)
			synctest.Wait()
		}
		now := f.take()
		emu.Feed([]byte(now))
		if !strings.HasPrefix(emu.String(), "frame 0 ") {
			t.Errorf("the first frame of a burst was not shown at once:\n%s", emu)
		}
		time.Sleep(15 * time.Millisecond)
		synctest.Wait()
		emu.Feed([]byte(f.take()))
		if !strings.HasPrefix(emu.String(), "frame 99 ") {
			t.Errorf("the last frame of a burst is not shown:\n%s", emu)
		}
		w.Frame("frame 99", terminal.NoCursor)
		time.Sleep(time.Minute)
		if got := f.take(); got != "" {
			t.Errorf("an equal frame sent %q", got)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got := f.take(); got != leaveSeq {
			t.Errorf("closing sent %q", got)
		}
		_ = f.conn.Close()
	})
}

// Nobody reads: callers are not held up, and releasing takes the flush time.
func TestWriterDoesNotWaitForAStalledTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		discarded := 0
		w, f := pair(terminal.WriterOptions{Discard: func() { discarded++ }})
		began := time.Now()
		w.Acquire()
		synctest.Wait()
		for i := range 1000 {
			w.Frame(fmt.Sprintf("frame %d", i), terminal.NoCursor)
		}
		w.Repaint()
		w.Resize(10, 3)
		w.Clipboard("text")
		if d := time.Since(began); d != 0 {
			t.Errorf("handing over took %v", d)
		}
		if err := w.Close(); !errors.Is(err, terminal.ErrStalled) {
			t.Errorf("Close: %v, want ErrStalled", err)
		}
		if d := time.Since(began); d < time.Second || d > 1200*time.Millisecond {
			t.Errorf("closing took %v", d)
		}
		if discarded != 1 {
			t.Errorf("discarded %d times", discarded)
		}
		if err := w.Close(); !errors.Is(err, terminal.ErrStalled) {
			t.Errorf("Close again: %v", err)
		}
		_ = f.conn.Close()
	})
}

// The link comes back just before the end: the frame is cut off, the way back is sent.
func TestWriterRestoresAfterACutFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := pair(terminal.WriterOptions{Discard: func() {}})
		w.Acquire()
		synctest.Wait()
		time.AfterFunc(time.Second+time.Millisecond, f.read)
		if err := w.Close(); !errors.Is(err, terminal.ErrStalled) {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		if got := f.take(); got != "\x18"+leaveSeq {
			t.Errorf("sent %q", got)
		}
		_ = f.conn.Close()
	})
}

func TestWriterGivesAwayAndTakesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := pair(terminal.WriterOptions{})
		go f.read()
		w.Acquire()
		w.Frame("one", terminal.NoCursor)
		synctest.Wait()
		if err := w.Release(); err != nil {
			t.Fatal(err)
		}
		f.take()
		w.Acquire()
		time.Sleep(time.Second)
		if got := f.take(); !strings.HasPrefix(got, enterSeq) || !strings.Contains(got, "one") {
			t.Errorf("taken back with %q", got)
		}
		if err := w.Release(); err != nil {
			t.Fatal(err)
		}
		f.take()
		w.Frame("two", terminal.NoCursor)
		time.Sleep(time.Second)
		if got := f.take(); got != "" {
			t.Errorf("sent %q while given away", got)
		}
		w.Acquire()
		synctest.Wait()
		if got := f.take(); !strings.HasPrefix(got, enterSeq) || !strings.Contains(got, "two") {
			t.Errorf("taken back with %q", got)
		}
		w.Resize(3, 1)
		w.Frame("three", terminal.NoCursor)
		time.Sleep(time.Second)
		if got := f.take(); !strings.Contains(got, "thr") || strings.Contains(got, "thre") {
			t.Errorf("after a resize to 3 columns sent %q", got)
		}
		w.Clipboard("hi")
		synctest.Wait()
		if got := f.take(); got != "\x1b]52;c;aGk=\a" {
			t.Errorf("clipboard: %q", got)
		}
		_ = w.Close()
		_ = w.Close()
		_ = f.conn.Close()
	})
}

func TestWriterTellsThatTheTerminalIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures []error
		w, f := pair(terminal.WriterOptions{Failed: func(err error) { failures = append(failures, err) }})
		_ = f.conn.Close()
		w.Acquire()
		w.Frame("one", terminal.NoCursor)
		synctest.Wait()
		began := time.Now()
		_ = w.Close()
		if len(failures) != 1 {
			t.Errorf("told %v, want one failure", failures)
		}
		if d := time.Since(began); d > 0 {
			t.Errorf("closing took %v on a terminal that is gone", d)
		}
	})
}
