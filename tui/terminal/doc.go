// Package terminal is the terminal under Bubble Tea v1: what that library does
// badly through a poor SSH link is done here instead, and the model on top
// remains an ordinary tea.Model. It knows no task and imports nothing of the
// project.
//
// One call does it all:
//
//	prog, err := terminal.New(model, terminal.Options{In: os.Stdin, Out: os.Stdout, Now: time.Now})
//	err = prog.Run(ctx)
//
// Promises:
//
//   - Update is never held up by the terminal. A frame is handed over and
//     forgotten; a goroutine of the writer sends it. When the link stalls, the
//     newest frame waits and older ones are never sent.
//   - Only cells that differ are sent, with cursor addressing, erase to the end
//     of a line, colours and scroll regions: what a VT100, the Linux console,
//     screen, tmux and xterm all understand. Nothing is sent while nothing
//     changes, and nothing is ever asked of the terminal.
//   - No control character or escape sequence in a frame reaches the terminal,
//     colours and attributes (SGR) excepted. A frame is cut to the screen.
//   - One key, one message: keys that arrive in one packet are told apart, a
//     sequence or letter that arrives in pieces is put together, a paste is
//     text, even one whose end was lost, and reports of the terminal are dropped.
//   - A hang-up, end of input, SIGHUP, SIGTERM, SIGINT, a cancelled context and
//     a panic all end in Run returning with the terminal restored; what is not
//     sent within a second is thrown away. If the model does not let go within
//     two seconds, the terminal is restored and the process exits.
//
// Limits: Unix only. Program options and commands of Bubble Tea that write to
// the terminal (tea.ClearScreen, tea.SetWindowTitle, tea.Println, tea.Exec, the
// mouse and cursor commands) have no effect or, for tea.Exec, would fight for
// the terminal: use Repaint, Exec and Copy of this package. tea.Suspend works.
package terminal
