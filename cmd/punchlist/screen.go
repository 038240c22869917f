package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/tui"
	"example.com/punchlist/tui/terminal"
)

// screenOptions are what differs between the screen and the demo's.
type screenOptions struct {
	transport http.RoundTripper        // nil: the real network
	offline   func(s *syncer, on bool) // what ctrl+n does
	paused    bool                     // the person worked offline when the screen was last closed
	banner    string
	notice    string // what the person has to know first

	beside func(context.Context) // runs while the screen does; nil: nothing
}

// screen opens the screen on this laptop's database and syncs beside it.
func (a *app) screen(ctx context.Context) error {
	var told []string
	db, err := a.openTelling(ctx, func(text string) { told = append(told, text) })
	if err != nil {
		return err
	}
	err = a.show1(ctx, db, screenOptions{notice: strings.Join(told, " "), offline: func(s *syncer, on bool) { s.Pause(on) }})
	return errors.Join(err, db.Close())
}

// show1 runs one screen. Order of stopping: the screen, the engine, and then
// the caller closes the database.
func (a *app) show1(ctx context.Context, db *localdb.DB, o screenOptions) error {
	log, closeLog := a.logger()
	defer closeLog()
	var s *syncer
	settings, mouse := a.settle(tui.Options{
		DB: db, Now: seams.now, Banner: o.banner, Notice: o.notice,
		Sync:    func() { s.Kick() },
		Offline: func(on bool) { o.offline(s, on) },
		Paused:  o.paused,
		ASCII:   !a.unicode(), NoColor: a.getenv("NO_COLOR") != "",
		Free:   func() (int64, error) { return freeSpace(db.Path()) },
		Editor: a.editor(),
		Export: func(ctx context.Context, file string) (int, error) { return exportTo(ctx, db, file) },
	})
	program, err := a.face(ctx, settings, mouse)
	if err != nil {
		return err
	}
	db.Recover(program.Recover())
	if s, err = startSync(ctx, db, syncOptions{transport: o.transport, log: log, onStatus: func(st engine.Status) { program.Status(st) }, recover: program.Recover()}); err != nil {
		return err
	}
	defer s.stop()
	besides, end := context.WithCancel(ctx)
	var beside sync.WaitGroup
	if o.beside != nil {
		beside.Go(func() {
			defer program.Recover()()
			o.beside(besides)
		})
	}
	err = program.Run(ctx)
	end()
	beside.Wait()
	signal.Reset(os.Interrupt) // ctrl+c ended the screen, perhaps; one more skips the wait for the engine
	var fault *terminal.PanicError
	if errors.As(err, &fault) {
		log.Error("panic", "value", fmt.Sprint(fault.Value), "stack", string(fault.Stack))
	}
	if errors.Is(err, terminal.ErrHangup) || errors.Is(err, terminal.ErrTerminated) || errors.Is(err, terminal.ErrInterrupted) {
		log.Info("screen ended", "why", err)
		return nil // a dropped session is no fault: everything is saved
	}
	return err
}

// face is what the person meets: the screen, or the same line by line where that
// was asked for or no screen can be shown.
type face interface {
	Status(engine.Status)
	Recover() func()
	Run(ctx context.Context) error
}

func (a *app) face(ctx context.Context, o tui.Options, mouse bool) (face, error) {
	if !a.plain {
		program, err := tui.NewProgram(ctx, o, func(m tea.Model) (tui.Terminal, error) { return a.terminal(m, mouse) })
		if !errors.Is(err, terminal.ErrNoScreen) {
			return program, err
		}
	}
	return plainFace{tui.NewPlain(ctx, o, tui.PlainOptions{In: a.In, Out: a.Out, Prompt: a.onTerminal(), Width: a.columns})}, nil
}

// columns is the width of the terminal that is written to; 0 when it is none.
func (a *app) columns() int {
	if out, ok := a.Out.(*os.File); ok && isTerminal(a.Out) {
		if width, _, err := term.GetSize(out.Fd()); err == nil {
			return width
		}
	}
	return 0
}

// plainFace has no terminal layer that looks after the signals.
type plainFace struct{ *tui.Plain }

// Run ends at a hang-up too, with all that was begun kept; a reader that goes
// away is an error of writing then, not the end of the process.
func (f plainFace) Run(ctx context.Context) error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, release := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer release()
	err := f.Plain.Run(ctx)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EIO) {
		return nil // nobody listens any more; everything is saved
	}
	return err
}

// terminal is our own layer under Bubble Tea.
func (a *app) terminal(m tea.Model, mouse bool) (tui.Terminal, error) {
	in, inOK := a.In.(*os.File)
	out, outOK := a.Out.(*os.File)
	if !inOK || !outOK {
		return nil, terminal.ErrNoScreen
	}
	return terminal.New(seams.model(m), terminal.Options{In: in, Out: out, Now: time.Now, Getenv: a.getenv, Mouse: mouse})
}

// editor is how the person writes long text: as $VISUAL or $EDITOR say, else one
// of the usual ones that is there.
func (a *app) editor() tui.Editor {
	e := tui.Editor{Command: cmp.Or(a.getenv("VISUAL"), a.getenv("EDITOR"))}
	if dir, err := a.home("XDG_STATE_HOME", ".local/state"); err == nil {
		e.Dir = filepath.Join(dir, "editor")
	} else {
		return tui.Editor{}
	}
	for _, name := range []string{"editor", "nano", "vi"} {
		if path, err := exec.LookPath(name); e.Command == "" && err == nil {
			e.Command = path
		}
	}
	return e
}

// exportTo writes unsent work to a file that a person names as in a shell.
func exportTo(ctx context.Context, db *localdb.DB, file string) (int, error) {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return 0, err
		}
		file = filepath.Join(home, rest)
	}
	head, err := db.ExportQueue(ctx, file, nil)
	var cure *localdb.Error
	if err != nil && !errors.As(err, &cure) {
		err = cli.WriteFault(file, err)
	}
	return head.Count, err
}

// freeSpace is the room on the disk that a file is on, for somebody who is not root.
func freeSpace(file string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(file), &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// unicode tells whether the locale can show more than ASCII.
func (a *app) unicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := a.getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
