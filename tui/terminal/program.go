package terminal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// Why a program ended, when it was not the model that wanted it. Run returns
// them wrapped; a cancelled context comes as the context's error.
var (
	ErrHangup      = errors.New("the terminal is gone")
	ErrTerminated  = errors.New("told to end by a signal")
	ErrInterrupted = errors.New("interrupted by a signal")
)

// Options say where and how a program runs. In, Out and Now are required, the
// rest has defaults.
type Options struct {
	In, Out *os.File
	Now     func() time.Time
	Getenv  func(string) string // os.Getenv
	Mouse   bool                // report clicks and the wheel, where the terminal can

	Keys  KeyLimits     // as documented there; over SSH the wait is RemoteWait
	Pace  time.Duration // between two frames: 15 ms, over SSH 40 ms
	Flush time.Duration // for the last bytes at the end: 1 s
	Grace time.Duration // for the model to let go when the program must end: 2 s
	Exit  func(int)     // ends the process when it did not: os.Exit
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Exit == nil {
		o.Exit = os.Exit
	}
	wait, pace := DefaultWait, 15*time.Millisecond
	if o.Getenv("SSH_CONNECTION") != "" {
		wait, pace = RemoteWait, 40*time.Millisecond
	}
	o.Keys.Wait = cmp.Or(o.Keys.Wait, wait)
	o.Pace = cmp.Or(o.Pace, pace)
	o.Flush = cmp.Or(o.Flush, time.Second)
	o.Grace = cmp.Or(o.Grace, 2*time.Second)
	return o
}

// mailbox is how many messages may wait for the model.
const mailbox = 256

// Program runs a model on a terminal.
type Program struct {
	opts   Options
	can    abilities
	tty    *tty
	writer *Writer
	reader *Reader
	tea    *tea.Program

	closeSink func()

	mail    chan tea.Msg
	resized chan struct{}
	over    chan struct{} // the model's loop has ended
	ended   chan struct{} // the terminal is restored

	leaving   chan struct{} // closed when the program must end
	leaveOnce sync.Once
	reason    error // why; written before leaving is closed

	fault   atomic.Pointer[PanicError]
	sigs    chan os.Signal
	away    atomic.Bool   // the terminal is given away
	stopped atomic.Bool   // by suspend, which waits for resumed
	resumed chan struct{} // SIGCONT has come
}

// New prepares a program. It touches nothing yet; it fails with ErrNoScreen
// where no screen can be shown.
func New(model tea.Model, opts Options) (*Program, error) {
	if opts.Now == nil {
		return nil, errors.New("terminal options lack the clock")
	}
	opts = opts.withDefaults()
	can, err := abilitiesOf(opts.Getenv("TERM"))
	if err != nil {
		return nil, err
	}
	tty, err := openTTY(opts.In, opts.Out, opts.Getenv)
	if err != nil {
		return nil, err
	}
	p := &Program{
		opts: opts, can: can, tty: tty,
		mail: make(chan tea.Msg, mailbox), resized: make(chan struct{}, 1),
		over: make(chan struct{}), ended: make(chan struct{}),
		leaving: make(chan struct{}), resumed: make(chan struct{}, 1),
		sigs: make(chan os.Signal, 16),
	}
	p.tea = tea.NewProgram(shell{program: p, model: model}, p.teaOptions()...)
	return p, nil
}

// teaOptions leave to Bubble Tea what it does well: the loop and the commands.
func (p *Program) teaOptions() []tea.ProgramOption {
	return []tea.ProgramOption{
		tea.WithInput(inputOf{p}), tea.WithOutput(io.Discard), tea.WithFilter(p.filter),
		tea.WithoutRenderer(), tea.WithoutSignalHandler(), tea.WithoutCatchPanics(),
	}
}

// inputOf is the program's reader, which is there once it runs.
type inputOf struct{ program *Program }

func (i inputOf) Read(p []byte) (n int, err error) {
	err = io.EOF // also after a panic: Bubble Tea reads on a goroutine of its own
	defer i.program.Recover()
	return i.program.reader.Read(p)
}

// Send gives the model a message. It does not wait for the terminal, nor for
// the program to be started; only when the model is many messages behind does
// it wait for the model. After the end it does nothing.
func (p *Program) Send(msg tea.Msg) {
	select {
	case p.mail <- msg:
	case <-p.over:
	}
}

// Recover is to be deferred in every goroutine that runs beside the program. A
// panic in it ends the program, the terminal is restored, and Run returns it as
// a PanicError.
func (p *Program) Recover() {
	if v := recover(); v != nil {
		p.failed(newPanicError(v))
	}
}

// failed ends the program because of a panic; the first one is kept.
func (p *Program) failed(fault *PanicError) {
	p.fault.CompareAndSwap(nil, fault)
	p.tea.Kill()
}

// Run shows the model until it quits, the context ends, the terminal goes away
// or a signal says so, and returns with the terminal as it was. It returns nil
// when the model wanted to end, else why; it can be called once. After it SIGHUP
// remains without effect, so that the caller can close what he has open.
func (p *Program) Run(ctx context.Context) error {
	p.ownSignals()
	defer p.disownSignals()
	if err := p.start(); err != nil {
		return err
	}
	watching := sync.WaitGroup{}
	watching.Go(func() {
		defer p.Recover()
		p.watchSignals(ctx)
	})
	watching.Go(func() {
		defer p.Recover()
		p.deliver()
	})
	p.changedSize()

	_, err := p.tea.Run()
	close(p.over)
	err = errors.Join(p.outcome(err), p.restore())
	close(p.ended)
	watching.Wait()
	return err
}

// start takes the terminal.
func (p *Program) start() error {
	sink, closeSink := p.tty.sink()
	reader, err := NewReader(ReaderOptions{In: p.opts.In, Now: p.opts.Now, Limits: p.opts.Keys, Ended: p.hungUp})
	if err != nil {
		closeSink()
		return err
	}
	if err := p.tty.raw(); err != nil {
		closeSink()
		return errors.Join(err, reader.Close())
	}
	width, height := p.tty.size()
	p.reader = reader
	p.writer = NewWriter(WriterOptions{
		Sink: sink, Width: width, Height: height,
		Enter: p.can.enter(p.opts.Mouse), Leave: p.can.leave(p.opts.Mouse),
		Pace: p.opts.Pace, Flush: p.opts.Flush, Discard: p.tty.discard, Failed: p.outputFailed,
	})
	p.closeSink = closeSink
	p.writer.Acquire()
	return nil
}

// restore gives the terminal back. That it takes nothing, or is gone, is no
// fault of a program that wanted to end.
func (p *Program) restore() error {
	err := p.reader.Close()
	_ = p.writer.Close()
	mode := p.tty.restore()
	p.closeSink()
	if errors.Is(mode, syscall.EIO) {
		mode = nil
	}
	return errors.Join(err, mode)
}

// outcome is what Run returns for how the loop ended.
func (p *Program) outcome(err error) error {
	if fault := p.fault.Load(); fault != nil {
		return fault
	}
	select {
	case <-p.leaving:
		return p.reason
	default:
	}
	if err != nil {
		return fmt.Errorf("run the screen: %w", err)
	}
	return nil
}

// leave ends the program; the first reason counts.
func (p *Program) leave(why error) {
	p.leaveOnce.Do(func() {
		p.reason = why
		close(p.leaving)
	})
}

func (p *Program) hungUp(err error) { p.leave(fmt.Errorf("%w: %w", ErrHangup, err)) }

func (p *Program) outputFailed(err error) {
	var fault *PanicError
	if errors.As(err, &fault) {
		p.failed(fault)
		return
	}
	p.hungUp(err)
}

// deliver brings the model its messages, one after the other.
func (p *Program) deliver() {
	leaving := p.leaving
	for {
		select {
		case <-p.over:
			return
		case <-leaving:
			leaving = nil
			p.tea.Send(leaveMsg{p.reason})
		case <-p.resized:
			width, height := p.tty.size()
			p.writer.Resize(width, height)
			p.tea.Send(tea.WindowSizeMsg{Width: width, Height: height})
		case msg := <-p.mail:
			p.tea.Send(msg)
		}
	}
}

// changedSize says that the size must be looked at.
func (p *Program) changedSize() {
	select {
	case p.resized <- struct{}{}:
	default:
	}
}
