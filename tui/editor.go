package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"example.com/punchlist/localdb"
	"example.com/punchlist/tui/terminal"
	tea "github.com/charmbracelet/bubbletea"
)

// Long text can be written in the person's own editor. The text lies in a file
// of mode 0600 meanwhile, in a folder of its own, and the form's draft says
// where: who loses the line, or the laptop, with the editor open finds what the
// editor saved when the form is opened again.

// Editor is how long text is written outside.
type Editor struct {
	Command string // for the shell, without the file; "": there is none
	Dir     string // where the text lies meanwhile
	// Run leaves the terminal to a command; nil means [terminal.Exec].
	Run func(cmd *exec.Cmd, done func(error) tea.Msg) tea.Cmd
}

// outsider is a form with a long text.
type outsider interface {
	drafter
	outside() (field, text string, ok bool) // the long text that is being written, if one is
	takeOutside(field, text string)
}

// maxOutside bounds what is read back from an editor.
const maxOutside = 200 << 10

// What a draft says while its text is in an editor: the file, and the field.
const (
	draftFileText  = "file in the editor"
	draftFileField = "field in the editor"
)

// Messages on the way to the editor and back.
type (
	outsideMsg struct { // the text lies in the file
		of          outsider
		path, field string
		err         error
	}
	editMsg struct { // the draft knows of it
		of   outsider
		path string
	}
	insideMsg struct { // the editor has ended
		of   outsider
		path string
		err  error
	}
	editedMsg struct { // this is what it saved
		of   outsider
		path string
		text string
		err  error
	}
)

// openEditor writes the text to a file and opens the editor on it.
func (a *App) openEditor(s screen) tea.Cmd {
	of, ok := s.(outsider)
	if !ok {
		return nil
	}
	field, text, ok := of.outside()
	switch {
	case !ok:
		a.say("Only long text goes to your editor: go to such a field first.")
		return nil
	case a.o.Editor.Command == "":
		a.say("No editor is set: start with EDITOR=nano punchlist, or write here.")
		return nil
	}
	dir := a.o.Editor.Dir
	return a.gated(a.run(func(context.Context) tea.Msg {
		path, err := writeOutside(dir, text)
		return outsideMsg{of: of, path: path, field: field, err: err}
	}))
}

func writeOutside(dir, text string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, "text-*.txt") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(f, text)
	return f.Name(), errors.Join(err, f.Close())
}

// outsideWent keeps in the draft where the text is.
func (a *App) outsideWent(msg outsideMsg) tea.Cmd {
	if msg.err != nil {
		a.say("The editor was not opened: " + explain(msg.err))
		return nil
	}
	k := msg.of.keeper()
	k.typed, k.away = msg.of.texts(), map[string]string{draftFileText: msg.path, draftFileField: msg.field}
	k.gen++ // a draft that is on its way would forget the file
	save := a.saveDraft(msg.of)
	return a.gated(func() tea.Msg {
		if failed, bad := save().(keptMsg); bad {
			return failed
		}
		return editMsg{of: msg.of, path: msg.path}
	})
}

// edit runs the editor.
func (a *App) edit(msg editMsg) tea.Cmd {
	run := a.o.Editor.Run
	if run == nil {
		run = terminal.Exec
	}
	cmd := exec.Command("sh", "-c", a.o.Editor.Command+` "$1"`, "sh", msg.path)
	a.gate++ // not gated: the order to the terminal layer must not be wrapped, only what comes back
	return run(cmd, func(err error) tea.Msg { return gatedMsg{insideMsg{of: msg.of, path: msg.path, err: err}} })
}

// cameInside reads what the editor saved.
func (a *App) cameInside(msg insideMsg) tea.Cmd {
	return a.gated(a.run(func(context.Context) tea.Msg {
		if msg.err != nil {
			return editedMsg{of: msg.of, path: msg.path, err: fmt.Errorf("the editor ended badly (%w); what it saved is in %s", msg.err, msg.path)}
		}
		text, err := readOutside(msg.path)
		return editedMsg{of: msg.of, path: msg.path, text: text, err: err}
	}))
}

func readOutside(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxOutside+1))
	if err == nil && len(text) > maxOutside {
		return "", fmt.Errorf("the text is longer than %d KiB; it is in %s", maxOutside>>10, path)
	}
	return string(text), err
}

// edited puts the text into its form; the file goes once the draft holds it.
func (a *App) edited(msg editedMsg) tea.Cmd {
	if msg.err != nil {
		a.say(explain(msg.err))
		return nil
	}
	field, before, _ := msg.of.outside()
	msg.of.takeOutside(field, msg.text)
	k := msg.of.keeper()
	k.typed, k.away = msg.of.texts(), nil
	k.gen++
	if _, after, _ := msg.of.outside(); after == before {
		a.say("The text is as it was.")
	} else {
		a.say("The text is taken over; " + named(a.keys.Save) + " saves it.")
	}
	save, path := a.saveDraft(msg.of), msg.path
	return a.run(func(context.Context) tea.Msg {
		if failed := save(); failed != nil {
			return failed // the file stays: it is the only copy on the disk
		}
		_ = os.Remove(path)
		return nil
	})
}

// foundOutside completes a draft whose text was in an editor when the program
// ended: with what the editor saved.
func foundOutside(ctx context.Context, db *localdb.DB, form string, d localdb.Draft) (localdb.Draft, bool) {
	path, field := d.Texts[draftFileText], d.Texts[draftFileField]
	if path == "" {
		return d, true
	}
	delete(d.Texts, draftFileText)
	delete(d.Texts, draftFileField)
	text, err := readOutside(path)
	if err == nil {
		d.Texts[field] = text
	}
	if err := db.SaveDraft(ctx, form, d.Texts); err == nil {
		_ = os.Remove(path)
	}
	return d, len(d.Texts) > 0
}
