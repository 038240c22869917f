package tui

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// Plain is the screen line by line, without cursor addressing: for screen
// readers, terminals that cannot address their cursor, and pipes. A line is a
// command (plain_commands.go), each answer ends before the next line is read,
// and nothing is printed in between, so that a voice is never talked over.
//
// The same [App] is underneath, with the same actions and the same words: its
// screens are opened, told what to do and read out, and the keys that its
// sentences name are commands here too. Each action is saved before it is
// confirmed; text that was begun and not finished when the input ends is kept as
// a draft, which the screen finds as well.
//
// Every question understands "help", "back" and "quit" (plain_ask.go).
//
// Limits: a line holds 64 KiB at most; a list reads out 20 tasks at a time.
// Input that never ends keeps one goroutine of a session that was stopped
// otherwise until the process ends, for a read of a terminal cannot be broken off.
type Plain struct {
	a              *App
	cancel         context.CancelFunc
	in             io.Reader
	out            io.Writer
	prompt         string
	columns        func() int
	slow, patience time.Duration

	ctx   context.Context // of Run
	lines chan plainLine
	done  chan struct{} // Run is over: nobody takes lines any more
	bad   error         // the output is gone

	mu     sync.Mutex // guards newest
	newest *engine.Status
	wake   chan struct{} // newest was set

	list  plainList
	ids   []string // what was read out last with numbers, other than tasks: they keep their numbers
	truth string   // the truth line as it was last printed
	ended bool     // there is no more input, or the person has quit
}

// PlainOptions are what a plain session takes beside the screen's options.
type PlainOptions struct {
	In     io.Reader
	Out    io.Writer
	Prompt bool // somebody sits before it: show where a line is wanted
	// Width tells how wide the terminal is, in cells: lines end between words then.
	// nil, or 0: nobody knows, and a line is as long as what it says.
	Width func() int
	// Patience is how long sync waits for a round; 0 means 15 s.
	Patience time.Duration
}

// plainWidth makes the screens' own cutting and wrapping stand still: a line is
// as long as what it says, and who reads it breaks it.
const plainWidth = 100_000

// maxPlainLine bounds a line of input, bytes.
const maxPlainLine = 64 << 10

// plainLine is one line of input.
type plainLine struct {
	text string
	long bool // it was too long, and text is nothing
}

// NewPlain makes a session. ctx bounds its reads of the database.
func NewPlain(ctx context.Context, o Options, po PlainOptions) *Plain {
	ctx, cancel := context.WithCancel(ctx)
	slow := cmp.Or(o.Slow, 1500*time.Millisecond)
	o.NoColor, o.Slow = true, time.Nanosecond // see call
	p := &Plain{a: New(ctx, o), cancel: cancel, in: po.In, out: po.Out, columns: po.Width, slow: slow, patience: cmp.Or(po.Patience, 15*time.Second), lines: make(chan plainLine), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	if p.columns == nil {
		p.columns = func() int { return 0 }
	}
	p.a.spoken = true
	p.a.w, p.a.h = plainWidth, plainWidth
	if po.Prompt {
		p.prompt = "> "
	}
	return p
}

// Status tells the session what the engine sees. It never blocks; the session
// reads it out with the next answer.
func (p *Plain) Status(s engine.Status) {
	p.mu.Lock()
	p.newest = &s
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Recover gives what a goroutine beside the session is to defer: nothing, for
// there is no terminal to restore.
func (p *Plain) Recover() func() { return func() {} }

// Run answers lines until the person quits, the input ends, ctx ends or the
// output is gone; only the last is an error. What was saved is on the disk, and
// when it returns nothing of the session uses the database any more.
func (p *Plain) Run(ctx context.Context) error {
	p.ctx = ctx
	go p.read()
	defer close(p.done)
	p.do(p.a.Init())
	p.print(`Punchlist, line by line: "help" lists the commands, "quit" ends.`)
	p.hear()
	p.list.show(p)
	if left := p.a.leftWords(); left != "" {
		p.print(left)
	}
	p.tell()
	for !p.ended {
		line, ok := p.line()
		if !ok {
			break
		}
		p.obey(line)
		p.sheets()
		p.tell()
	}
	p.do(p.a.lastDrafts())
	p.cancel()
	p.a.jobs.finish()
	if p.bad != nil {
		return fmt.Errorf("print: %w", p.bad)
	}
	return nil
}

// read takes the input apart. It ends with the input.
func (p *Plain) read() {
	defer close(p.lines)
	r := bufio.NewReaderSize(p.in, maxPlainLine)
	for {
		raw, err := r.ReadSlice('\n')
		l := plainLine{text: string(raw)}
		for errors.Is(err, bufio.ErrBufferFull) {
			l = plainLine{long: true}
			_, err = r.ReadSlice('\n')
		}
		if err != nil && l.text == "" && !l.long {
			return
		}
		select {
		case p.lines <- l:
		case <-p.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// line is the next line, cleaned; false when there is none any more.
func (p *Plain) line() (string, bool) {
	for p.bad == nil && !p.ended {
		p.write(p.prompt)
		select {
		case l, more := <-p.lines:
			switch {
			case !more:
				p.ended = true
			case l.long:
				p.print(fmt.Sprintf("Nothing was done: a line can hold %d characters.", maxPlainLine))
				continue
			default:
				p.hear()
				return strings.TrimSpace(op.Clean(strings.TrimRight(l.text, "\r\n"), false)), true
			}
		case <-p.ctx.Done():
			p.ended = true
		}
	}
	if p.prompt != "" {
		p.write("\n")
	}
	return "", false
}

// ask puts a question and takes a line for its answer; false when there is none.
func (p *Plain) ask(question ...string) (string, bool) {
	p.print(question...)
	return p.line()
}

// print writes lines. Everything that leaves the session goes through here.
func (p *Plain) print(lines ...string) {
	w := p.columns()
	for _, l := range lines {
		l = op.Clean(strings.TrimRight(ansi.Strip(l), " "), false)
		if w > 0 {
			l = strings.Join(hanging([]string{l}, w), "\n")
		}
		p.write(l + "\n")
	}
}

func (p *Plain) write(s string) {
	if p.bad == nil && s != "" {
		_, p.bad = io.WriteString(p.out, s)
	}
}

// do carries out a command of the screens, and all that follows from it, now.
func (p *Plain) do(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := p.call(cmd).(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			p.do(c)
		}
	case tea.QuitMsg:
		p.ended = true
	default:
		_, cmd := p.a.Update(msg)
		p.do(cmd)
	}
}

// call waits for a command. Where it takes long it says so, and told to end it does
// not wait for another program to let a write in.
func (p *Plain) call(cmd tea.Cmd) tea.Msg {
	done := make(chan tea.Msg, 1)
	go func() { done <- cmd() }()
	slow := time.NewTimer(p.slow)
	defer slow.Stop()
	stop := p.ctx.Done()
	for {
		select {
		case msg := <-done:
			return msg
		case <-slow.C:
			p.print("This takes long: another program may hold the database.")
		case <-stop:
			stop = nil
			p.a.jobs.hurry()
		}
	}
}

// hear takes in what has happened since the last line: the engine's status, and
// changes by others.
func (p *Plain) hear() {
	p.heed()
	p.do(p.a.reload(true))
	if n := p.a.sum.Tasks; p.list.bare && n > 0 {
		p.list.bare = false
		p.print(plural(n, "task is", "tasks are") + ` here now; "list" reads them out.`)
	}
}

// heed takes the engine's newest status.
func (p *Plain) heed() {
	p.mu.Lock()
	s := p.newest
	p.newest = nil
	p.mu.Unlock()
	if s != nil {
		p.a.handle(StatusMsg(*s))
	}
}

// tell reads out what came of a line: the sentence, a notice, and the truth line
// where it is not what it was.
func (p *Plain) tell() {
	p.heed()
	a := p.a
	if a.said != "" {
		p.print(a.text(a.said))
	}
	a.said = ""
	if a.notice != "" {
		p.print(a.text(a.notice))
		a.notice = ""
		p.do(a.markRead())
	}
	p.list.bare = p.list.bare && a.sum.Tasks == 0
	if t := a.truthLine(); t != p.truth {
		p.print(t)
		p.truth = t
	}
}

// await waits until what the engine says is enough, patience is over, or the
// session is to end.
func (p *Plain) await(enough func() bool) {
	over := time.NewTimer(p.patience)
	defer over.Stop()
	for p.heed(); !enough(); p.heed() {
		select {
		case <-p.wake:
		case <-over.C:
			return
		case <-p.ctx.Done():
			return
		}
	}
}
