package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ReaderOptions say how a Reader works. In, Now
// and Ended are required.
type ReaderOptions struct {
	In     *os.File
	Now    func() time.Time
	Limits KeyLimits
	Ended  func(error) // called once when there is no more input
}

// Reader gives the keys of a terminal one a Read, which makes Bubble Tea see
// them one by one. It starts no goroutine: the one that calls Read does the
// waiting, and Pause and Close interrupt it.
//
// The file is left in blocking mode, since the shell shares it; waiting is done
// by poll, so that it can be broken off through a pipe.
type Reader struct {
	opts ReaderOptions
	fd   int
	keys *Keys    // used by the goroutine that calls Read
	rest []byte   // of the key that the last Read began; likewise
	wake *os.File // readable when somebody rings the bell
	bell *os.File
	over sync.Once // the end has been told

	mu      sync.Mutex // guards the fields below
	change  *sync.Cond
	waiting bool // Read is looking at the terminal
	paused  bool
	closed  bool
}

// NewReader returns a reader of the file's keys.
func NewReader(opts ReaderOptions) (*Reader, error) {
	wake, bell, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open wake-up pipe: %w", err)
	}
	r := &Reader{opts: opts, fd: int(opts.In.Fd()), keys: NewKeys(opts.Limits), wake: wake, bell: bell}
	r.change = sync.NewCond(&r.mu)
	return r, nil
}

// Read gives one key, or as much of it as fits. After the end of the input or
// Close it returns io.EOF.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.rest = r.keys.Next(); r.rest != nil {
			break
		}
		if !r.enter() {
			return 0, io.EOF
		}
		err := r.fill()
		r.leave()
		if err != nil {
			r.over.Do(func() { r.opts.Ended(err) })
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Pause leaves the terminal's input to somebody else until Resume.
func (r *Reader) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
	r.interrupt()
}

// Resume ends a pause.
func (r *Reader) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = false
	r.change.Broadcast()
}

// Close ends the Read that waits, and every later one. It may be called twice.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.interrupt()
	return errors.Join(r.wake.Close(), r.bell.Close())
}

// interrupt waits until Read does not look at the terminal; r.mu is held. A
// ring that comes too late only makes the next look a short one.
func (r *Reader) interrupt() {
	r.change.Broadcast()
	if r.waiting {
		_, _ = r.bell.Write([]byte{0})
	}
	for r.waiting {
		r.change.Wait()
	}
}

// enter waits for the end of a pause and marks that Read looks at the terminal;
// false means that the reader is closed.
func (r *Reader) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.paused && !r.closed {
		r.change.Wait()
	}
	r.waiting = !r.closed
	return r.waiting
}

func (r *Reader) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = false
	r.change.Broadcast()
}

// fill waits for input, or for the end of a wait, and feeds it to the keys.
func (r *Reader) fill() error {
	timeout := -1
	if due, waiting := r.keys.Deadline(); waiting {
		timeout = max(0, int(due.Sub(r.opts.Now()).Milliseconds())+1)
	}
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}, {Fd: int32(r.wake.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, timeout)
	switch {
	case errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("wait for input: %w", err)
	case fds[1].Revents != 0:
		_, err = r.wake.Read(make([]byte, 1))
		return err
	case n == 0:
		r.keys.Expire(r.opts.Now())
		return nil
	}
	var buf [4096]byte
	n, err = unix.Read(r.fd, buf[:])
	switch {
	case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		return nil
	case err != nil:
		return fmt.Errorf("read input: %w", err)
	case n == 0:
		return fmt.Errorf("read input: %w", io.EOF)
	}
	r.keys.Feed(r.opts.Now(), buf[:n])
	return nil
}
