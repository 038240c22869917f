package terminal

import (
	"encoding/base64"
	"errors"
	"os"
	"sync"
	"time"
)

// Sink is where a Writer sends its bytes: an *os.File that the runtime can
// interrupt, or any connection.
type Sink interface {
	Write(p []byte) (int, error)
	SetWriteDeadline(t time.Time) error
}

// ErrStalled says that the terminal did not take the last bytes in time; they
// were thrown away.
var ErrStalled = errors.New("the terminal takes no output")

// longAgo is a deadline that has passed by any clock.
var longAgo = time.Unix(1, 0)

// WriterOptions say how a Writer works. Sink is required.
type WriterOptions struct {
	Sink          Sink
	Width, Height int
	Enter, Leave  string        // sent when the screen is taken and given back
	Pace          time.Duration // at most one frame in this time
	Flush         time.Duration // how long Release waits for a stalled terminal
	Discard       func()        // throws away what the kernel has not sent yet
	Failed        func(error)   // called once when the terminal is gone
}

// Writer keeps the terminal showing the newest frame. Its methods return at
// once, Release and Close excepted: one goroutine does the sending, and while
// it waits for a slow terminal frames replace each other.
type Writer struct {
	opts WriterOptions
	wake chan struct{} // something in the fields below has changed
	quit chan struct{}
	done chan struct{} // the goroutine has ended

	mu      sync.Mutex // guards the fields below
	frame   string
	cursor  Cursor
	fresh   bool          // frame has not been taken yet
	width   int           // 0: the size has not changed
	height  int           //
	forget  bool          // the terminal may show anything
	extra   []byte        // to be sent before the next frame
	wanted  bool          // the screen is to be ours
	settled chan struct{} // closed when the screen is as wanted
	stalled bool          // the last Release had to throw something away

	closing sync.Once
}

// NewWriter starts a writer; the screen stays as it is until Acquire. Close
// ends the goroutine.
func NewWriter(opts WriterOptions) *Writer {
	w := &Writer{
		opts: opts, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		settled: make(chan struct{}),
	}
	close(w.settled)
	go w.run(NewScreen(opts.Width, opts.Height))
	return w
}

// Frame hands over what the terminal is to show. An empty frame, which a model
// returns before it knows the size, changes nothing.
func (w *Writer) Frame(frame string, cur Cursor) {
	if frame == "" {
		return
	}
	w.mu.Lock()
	same := frame == w.frame && cur == w.cursor
	w.frame, w.cursor, w.fresh = frame, cur, w.fresh || !same
	w.mu.Unlock()
	if !same {
		w.nudge()
	}
}

// Resize tells the size of the terminal.
func (w *Writer) Resize(width, height int) {
	w.change(func() { w.width, w.height, w.fresh = width, height, w.frame != "" })
}

// Repaint takes the screen again and sends the newest frame whole, for when
// something else has changed the screen or its modes.
func (w *Writer) Repaint() {
	w.change(func() { w.forget, w.fresh = true, w.frame != "" })
}

// Clipboard puts text into the clipboard of the person's terminal (OSC 52).
func (w *Writer) Clipboard(text string) {
	seq := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\a"
	w.change(func() { w.extra = append(w.extra[:0], seq...) })
}

// Acquire takes the screen: frames are shown from now on.
func (w *Writer) Acquire() {
	w.want(true)
}

// Release gives the screen back as it was and returns when that is done, after
// the flush time at most. When the terminal takes nothing for so long, what
// waits is thrown away, the way back is sent ahead of it, and ErrStalled returned.
func (w *Writer) Release() error {
	return w.release(w.opts.Flush)
}

func (w *Writer) release(within time.Duration) error {
	settled := w.want(false)
	cut := time.AfterFunc(within, func() {
		select {
		case <-settled:
		default:
			_ = w.opts.Sink.SetWriteDeadline(longAgo)
		}
	})
	defer cut.Stop()
	giveUp := time.NewTimer(within + 2*lastWords) // a sink without deadlines never returns
	defer giveUp.Stop()
	select {
	case <-settled:
	case <-w.done:
	case <-giveUp.C:
		return ErrStalled
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stalled {
		return ErrStalled
	}
	return nil
}

// Close releases the screen and ends the goroutine. It may be called twice.
func (w *Writer) Close() error {
	err := w.Release()
	w.closing.Do(func() { close(w.quit) })
	select {
	case <-w.done:
	case <-time.After(lastWords): // a sink without deadlines holds the goroutine
	}
	return err
}

// lastWords is how long the few bytes that restore a stalled terminal may take.
const lastWords = 100 * time.Millisecond

func (w *Writer) change(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	w.nudge()
}

// nudge wakes the goroutine.
func (w *Writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// want says whether the screen is to be ours and returns what is closed when
// it is so.
func (w *Writer) want(ours bool) <-chan struct{} {
	var settled chan struct{}
	w.change(func() {
		if w.wanted != ours {
			w.wanted, w.settled = ours, make(chan struct{})
			w.fresh, w.stalled = w.frame != "", false
		}
		settled = w.settled
	})
	return settled
}

// sender is what only the writer's goroutine touches.
type sender struct {
	*Writer
	screen *Screen
	ours   bool             // the screen is taken
	gone   bool             // the terminal takes nothing any more
	pace   <-chan time.Time // no frame before it fires; nil when it has
}

func (w *Writer) run(screen *Screen) {
	s := &sender{Writer: w, screen: screen}
	defer close(w.done)
	defer s.recovered()
	for {
		select {
		case <-w.quit:
			return
		case <-w.wake:
		case <-s.pace:
			s.pace = nil
		}
		s.step()
	}
}

// recovered deals with a fault in the drawing: the terminal is restored all the same.
func (s *sender) recovered() {
	if v := recover(); v != nil {
		s.leave()
		s.failed(newPanicError(v))
	}
}

// step brings the terminal nearer to what is wanted, as far as that is possible now.
func (s *sender) step() {
	s.mu.Lock()
	wanted, settled, extra := s.wanted, s.settled, s.extra
	s.extra = nil
	again := wanted && s.forget
	draw := wanted && s.fresh && s.pace == nil
	frame, cursor := s.frame, s.cursor
	if draw {
		s.fresh = false
	}
	if wanted {
		s.forget = false
	}
	if s.width > 0 {
		s.screen.Resize(s.width, s.height)
		s.width = 0
	}
	s.mu.Unlock()

	if wanted && (again || !s.ours) {
		s.enter()
	} else if !wanted && s.ours {
		s.leave()
	}
	s.ours = wanted
	closeOnce(settled)
	if wanted {
		s.send(extra)
	}
	if draw {
		if out := s.screen.Draw(frame, cursor); len(out) > 0 {
			s.send(out)
			s.pace = time.After(s.opts.Pace)
		}
	}
}

// enter takes the screen.
func (s *sender) enter() {
	s.screen.Forget()
	_ = s.opts.Sink.SetWriteDeadline(time.Time{})
	s.send([]byte(s.opts.Enter))
}

// leave gives the screen back. A terminal that did not take all that was sent
// before is told to break off (CAN), and what waits on the way is dropped.
func (s *sender) leave() {
	if s.gone {
		return
	}
	_, err := s.opts.Sink.Write([]byte(s.opts.Leave))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		s.failed(err)
		return
	}
	s.mu.Lock()
	s.stalled = true
	s.mu.Unlock()
	if s.opts.Discard != nil {
		s.opts.Discard()
	}
	_ = s.opts.Sink.SetWriteDeadline(time.Time{})
	cut := time.AfterFunc(lastWords, func() { _ = s.opts.Sink.SetWriteDeadline(longAgo) })
	_, err = s.opts.Sink.Write([]byte("\x18" + s.opts.Leave))
	cut.Stop()
	_ = s.opts.Sink.SetWriteDeadline(time.Time{})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		s.failed(err)
	}
}

// send writes, unless the terminal is gone. A passed deadline is not a fault:
// Release wants the screen back, and leave deals with it.
func (s *sender) send(p []byte) {
	if s.gone || len(p) == 0 {
		return
	}
	_, err := s.opts.Sink.Write(p)
	if err != nil {
		s.screen.Forget()
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		s.failed(err)
	}
}

// failed notes that the terminal is gone and says so, once.
func (s *sender) failed(err error) {
	if err == nil || s.gone {
		return
	}
	s.gone = true
	if s.opts.Failed != nil {
		s.opts.Failed(err)
	}
}

// closeOnce closes a channel that only the writer's goroutine closes.
func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}
