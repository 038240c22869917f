package tui

import (
	"context"
	"maps"
	"sync"
	"time"

	"example.com/punchlist/localdb"
	tea "github.com/charmbracelet/bubbletea"
)

// Drafts: what is typed into a form is kept in the file a moment after each
// key, and at once when the program must end, so that neither a crash nor a
// lost line takes it away. The form offers it again when it is opened.

// drafter is a screen whose text is kept.
type drafter interface {
	screen
	keeper() *keeper
	texts() map[string]string // what is typed; none when that is nothing worth keeping
	restore(a *App, texts map[string]string)
}

// keeper keeps the draft of one open form.
type keeper struct {
	form  string
	typed map[string]string // as it was last seen
	gen   int               // counts what was typed; see draftMsg
	away  map[string]string // where a text lies that is in the editor; see editor.go
	file  *draftFile
}

// draftFile orders the writes of one form's draft, which run side by side: none
// may come after the form was saved.
type draftFile struct {
	mu   sync.Mutex // guards done, and the order of writes
	done bool       // the form is saved, or its text thrown away
}

func newKeeper(form string) keeper { return keeper{form: form, file: &draftFile{}} }

// draftMsg comes when nothing was typed for a moment.
type draftMsg struct {
	of  drafter
	gen int
}

// foundMsg is the draft that waited for a form.
type foundMsg struct {
	form  string
	draft localdb.Draft
	found bool
	err   error
}

// keptMsg says that a draft could not be kept.
type keptMsg struct{ err error }

// findDraft looks whether a text waits for the form that is being opened.
func (a *App) findDraft(k *keeper) tea.Cmd {
	db, form := a.o.DB, k.form
	return a.gated(a.run(func(context.Context) tea.Msg {
		ctx := a.jobs.lasting
		d, found, err := db.FindDraft(ctx, form)
		if found && err == nil {
			d, found = foundOutside(ctx, db, form, d)
		}
		return foundMsg{form: form, draft: d, found: found, err: err}
	}))
}

// takeDraft fills the form with the text that waited for it.
func (a *App) takeDraft(d drafter, msg foundMsg) {
	k := d.keeper()
	if msg.form != k.form || !msg.found {
		return
	}
	d.restore(a, msg.draft.Texts)
	k.typed = d.texts()
	a.say("Here is what you typed at " + a.clock(msg.draft.At) + " and never saved; esc throws it away.")
}

// keepDraft looks after each key whether a form's text is another one now, and
// has it kept soon.
func (a *App) keepDraft(s screen) tea.Cmd {
	d, ok := s.(drafter)
	if !ok {
		return nil
	}
	k := d.keeper()
	texts := d.texts()
	if maps.Equal(texts, k.typed) {
		return nil
	}
	k.typed, k.away = texts, nil
	k.gen++
	gen := k.gen
	return tea.Tick(a.o.Draft, func(time.Time) tea.Msg { return draftMsg{of: d, gen: gen} })
}

// saveDraft writes a draft, unless its form has been saved meanwhile.
func (a *App) saveDraft(d drafter) tea.Cmd {
	db, k := a.o.DB, d.keeper()
	form, file, texts := k.form, k.file, k.draft()
	return a.run(func(ctx context.Context) tea.Msg {
		file.mu.Lock()
		defer file.mu.Unlock()
		if file.done {
			return nil
		}
		if err := db.SaveDraft(a.jobs.lasting, form, texts); err != nil {
			return keptMsg{err}
		}
		return nil
	})
}

// draft is what is kept: the texts, and where the one in the editor lies.
func (k *keeper) draft() map[string]string {
	out := maps.Clone(k.typed)
	if len(k.away) > 0 && out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, k.away)
	return out
}

// drop forgets a draft for good.
func (k *keeper) drop(ctx context.Context, db *localdb.DB) error {
	k.file.mu.Lock()
	defer k.file.mu.Unlock()
	k.file.done = true
	return db.DropDraft(ctx, k.form)
}

// saved forgets the draft of a form that is saved. A draft that stays behind is
// offered once too often, which is no reason to call the save itself a failure.
func (k *keeper) saved(ctx context.Context, db *localdb.DB) { _ = k.drop(ctx, db) }

// dropDraft is [keeper.drop] for a text that is thrown away.
func (a *App) dropDraft(d drafter) tea.Cmd {
	db, k, summary := a.o.DB, d.keeper(), a.summary()
	return a.run(func(ctx context.Context) tea.Msg {
		if err := k.drop(a.jobs.lasting, db); err != nil {
			return keptMsg{err}
		}
		return summary(ctx) // it waits no more
	})
}

// lastDrafts writes what the open forms hold, before the program ends.
func (a *App) lastDrafts() tea.Cmd {
	var cmds []tea.Cmd
	for _, s := range a.stack {
		if d, ok := s.(drafter); ok && d.keeper().gen > 0 {
			cmds = append(cmds, a.saveDraft(d))
		}
	}
	return func() tea.Msg {
		for _, cmd := range cmds {
			cmd()
		}
		return nil
	}
}

// quit ends the program once the open forms' drafts are kept.
func (a *App) quit() tea.Cmd {
	jobs, drafts := a.jobs, a.lastDrafts()
	return func() tea.Msg { jobs.hurry(); drafts(); return tea.Quit() }
}
