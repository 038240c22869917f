package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/term"
)

// Meter tells in one line how far a long work is, and takes the line away at
// its end. It may be told as often as one likes, from any goroutine. The zero
// value says nothing.
type Meter struct {
	mu   sync.Mutex // guards line
	line string
	stop func()
}

// meterEvery is how often the line is drawn anew.
const meterEvery = 100 * time.Millisecond

// Meter starts one on Err, once patience is over; where Err is no terminal it
// says nothing. End it.
func (a *App) Meter(patience time.Duration) *Meter {
	m := &Meter{}
	f, ok := a.Err.(*os.File)
	if !ok || !term.IsTerminal(f.Fd()) {
		return m
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		m.draw(f, patience, done)
	}()
	m.stop = sync.OnceFunc(func() { close(done); <-ended })
	return m
}

// Say is what the line will be.
func (m *Meter) Say(format string, args ...any) {
	if m.stop == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.line = Plain(fmt.Sprintf(format, args...))
}

// End takes the line away. It may be called twice.
func (m *Meter) End() {
	if m.stop != nil {
		m.stop()
	}
}

func (m *Meter) draw(w io.Writer, patience time.Duration, done <-chan struct{}) {
	next := time.NewTimer(max(patience, meterEvery))
	defer next.Stop()
	shown, width := "", 0
	for {
		select {
		case <-done:
			if width > 0 {
				fmt.Fprintf(w, "\r%s\r", strings.Repeat(" ", width))
			}
			return
		case <-next.C:
			next.Reset(meterEvery)
		}
		m.mu.Lock()
		line := m.line
		m.mu.Unlock()
		if line == shown {
			continue
		}
		shown = line
		fmt.Fprintf(w, "\r%-*s", width, line)
		width = max(width, len(line))
	}
}
