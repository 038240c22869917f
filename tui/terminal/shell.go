package terminal

import (
	"os/exec"
	"reflect"

	tea "github.com/charmbracelet/bubbletea"
)

// CursorPlacer is a model that says where the cursor belongs: on the selected
// line, or where text is typed. It is asked after each View.
type CursorPlacer interface {
	Cursor() Cursor
}

// Leaver is a model that has something to save when the program must end: the
// terminal is gone, a signal has come, the context was cancelled. The command
// is run to its end before the loop is left, within the grace time.
type Leaver interface {
	Leave(why error) tea.Cmd
}

// NoJobControlMsg is the answer to tea.Suspend where nobody could continue the
// program after a stop: it was started without a shell.
type NoJobControlMsg struct{}

type (
	leaveMsg   struct{ why error }
	repaintMsg struct{}
	copyMsg    struct{ text string }
	awakeMsg   struct{} // continued by somebody after a stop that was not ours
	execMsg    struct {
		cmd  *exec.Cmd
		done func(error) tea.Msg
	}
)

// Repaint is a command that sends the whole screen again, for when something
// else has written on it.
func Repaint() tea.Msg { return repaintMsg{} }

// Copy is a command that puts text into the clipboard of the person's terminal,
// through SSH as well, where the terminal allows it (OSC 52).
func Copy(text string) tea.Cmd {
	return func() tea.Msg { return copyMsg{text} }
}

// Exec is a command that leaves the terminal to another program, an editor,
// and returns what done makes of its end. The program gets the real terminal as
// its streams.
func Exec(cmd *exec.Cmd, done func(error) tea.Msg) tea.Cmd {
	return func() tea.Msg { return execMsg{cmd, done} }
}

// shell is the model that Bubble Tea sees: ours inside, with panics caught and
// frames going to the writer.
type shell struct {
	program *Program
	model   tea.Model
}

// Init implements tea.Model.
func (s shell) Init() tea.Cmd {
	defer s.program.Recover()
	return s.guard(s.model.Init())
}

// Update implements tea.Model.
func (s shell) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	next = s // also after a panic
	defer s.program.Recover()
	switch msg := msg.(type) {
	case leaveMsg:
		return s, s.guard(s.leave(msg.why))
	case repaintMsg:
		s.program.writer.Repaint()
		return s, nil
	case copyMsg:
		s.program.writer.Clipboard(msg.text)
		return s, nil
	}
	model, cmd := s.model.Update(msg)
	return shell{s.program, model}, s.guard(cmd)
}

// View implements tea.Model. Bubble Tea draws nothing of it.
func (s shell) View() string {
	defer s.program.Recover()
	frame, cursor := s.model.View(), NoCursor
	if placer, ok := s.model.(CursorPlacer); ok {
		cursor = placer.Cursor()
	}
	s.program.writer.Frame(frame, cursor)
	return ""
}

// leave lets the model save what it has, and quits.
func (s shell) leave(why error) tea.Cmd {
	if l, ok := s.model.(Leaver); ok {
		if save := l.Leave(why); save != nil {
			return tea.Sequence(save, tea.Quit)
		}
	}
	return tea.Quit
}

// guard makes a command that ends the program when it panics, and does the same
// with the commands it returns. Batches and sequences are slices of commands,
// the latter of a type that Bubble Tea keeps to itself.
func (s shell) guard(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() tea.Msg {
		defer s.program.Recover()
		msg := cmd()
		v := reflect.ValueOf(msg)
		if !v.IsValid() || v.Kind() != reflect.Slice || v.Type().Elem() != reflect.TypeFor[tea.Cmd]() {
			return msg
		}
		guarded := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			inner, _ := v.Index(i).Interface().(tea.Cmd)
			guarded.Index(i).Set(reflect.ValueOf(s.guard(inner)))
		}
		return guarded.Interface()
	}
}

// filter does, on the goroutine of the loop, what the terminal is given away
// for: meanwhile nothing else may draw or read.
func (p *Program) filter(_ tea.Model, msg tea.Msg) tea.Msg {
	defer p.Recover()
	switch msg := msg.(type) {
	case tea.SuspendMsg:
		return p.suspend()
	case execMsg:
		return p.exec(msg)
	case awakeMsg:
		_ = p.tty.raw()
		p.writer.Repaint()
		p.changedSize()
		return nil
	}
	return msg
}

// exec runs another program on the terminal.
func (p *Program) exec(msg execMsg) tea.Msg {
	err := p.giveAway(func() error {
		msg.cmd.Stdin, msg.cmd.Stdout, msg.cmd.Stderr = p.opts.In, p.opts.Out, p.opts.Out
		return msg.cmd.Run()
	})
	if msg.done == nil {
		return nil
	}
	return msg.done(err)
}

// giveAway restores the terminal while f runs.
func (p *Program) giveAway(f func() error) error {
	p.reader.Pause()
	defer p.reader.Resume()
	p.away.Store(true)
	defer p.away.Store(false)
	_ = p.writer.Release()
	if err := p.tty.restore(); err != nil {
		return err
	}
	err := f()
	if back := p.tty.raw(); err == nil {
		err = back
	}
	p.writer.Acquire()
	p.changedSize()
	return err
}
