package terminal

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// ownSignals asks for the signals from now on: before the terminal is taken, so
// that none finds it taken and us not listening.
func (p *Program) ownSignals() {
	signal.Notify(p.sigs, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT,
		syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT)
}

// disownSignals gives them back, SIGHUP excepted: a terminal that goes away sends
// it more than once, and what the caller has to close after us would be cut off
// by the next one.
func (p *Program) disownSignals() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // nobody listens
	signal.Stop(p.sigs)
}

// watchSignals turns signals, and the end of the context, into what they mean,
// until the terminal is restored. Once the program must end the model has the
// grace time to let go; then, or at a second SIGINT or SIGTERM, the terminal is
// restored from here and the process exits.
func (p *Program) watchSignals(ctx context.Context) {
	cancelled, leaving := ctx.Done(), p.leaving
	var grace <-chan time.Time
	ends := 0 // SIGINT and SIGTERM so far; the first may have ended the context before it came here
	for {
		select {
		case <-p.ended:
			return
		case sig := <-p.sigs:
			if sig == syscall.SIGINT || sig == syscall.SIGTERM {
				ends++
				if grace != nil && ends > 1 {
					p.exitHard()
					return
				}
			}
			p.signalled(sig)
		case <-cancelled:
			cancelled = nil
			p.leave(context.Cause(ctx))
		case <-leaving:
			leaving = nil
			grace = time.After(p.opts.Grace)
		case <-grace:
			p.exitHard()
			return
		}
	}
}

// signalled does what a signal asks for.
func (p *Program) signalled(sig os.Signal) {
	switch sig {
	case syscall.SIGHUP:
		p.leave(ErrHangup)
	case syscall.SIGTERM:
		p.leave(ErrTerminated)
	case syscall.SIGINT:
		if !p.away.Load() { // else it was meant for the other program
			p.leave(ErrInterrupted)
		}
	case syscall.SIGWINCH:
		p.changedSize()
	case syscall.SIGTSTP:
		if !p.away.Load() {
			p.post(tea.SuspendMsg{})
		} else if p.tty.hasJobControl() { // the shell waits for all of the group
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		}
	case syscall.SIGCONT:
		if p.stopped.CompareAndSwap(true, false) {
			p.resumed <- struct{}{}
			return
		}
		p.post(awakeMsg{})
	}
}

// post is Send for the goroutine that must not wait: when the model is so far
// behind, the message is not worth it.
func (p *Program) post(msg tea.Msg) {
	select {
	case p.mail <- msg:
	default:
	}
}

// exitHard ends a process whose model does not let go.
func (p *Program) exitHard() {
	_ = p.writer.release(lastWords)
	_ = p.tty.restore()
	p.opts.Exit(1)
}

// stopTime is how long a stop may take to come into effect. Where it never does
// (a shell that went away this moment), the program goes on after it.
const stopTime = 500 * time.Millisecond

// suspend stops the process group, as the shell's ctrl+z does, and returns when
// the shell has continued it. It does so by SIGSTOP: once the runtime has been
// asked for SIGTSTP, that one never stops us again.
func (p *Program) suspend() tea.Msg {
	if !p.tty.hasJobControl() {
		return NoJobControlMsg{}
	}
	err := p.giveAway(func() error {
		p.stopped.Store(true)
		if err := syscall.Kill(0, syscall.SIGSTOP); err != nil {
			return err
		}
		select {
		case <-p.resumed:
		case <-time.After(stopTime):
			if !p.stopped.CompareAndSwap(true, false) {
				<-p.resumed
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return tea.ResumeMsg{}
}
