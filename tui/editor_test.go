package tui_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/tui"
	tea "github.com/charmbracelet/bubbletea"
)

// editor makes the story's editor: a shell command that finds the file in $1.
// It runs as the terminal layer runs one, without a terminal.
func (s *story) editor(command string) *story {
	s.o.Editor = tui.Editor{Command: command, Dir: filepath.Join(s.t.TempDir(), "own"), Run: func(cmd *exec.Cmd, done func(error) tea.Msg) tea.Cmd {
		return func() tea.Msg { return done(cmd.Run()) }
	}}
	return s
}

func (s *story) leftInEditor() []string {
	files, err := filepath.Glob(filepath.Join(s.o.Editor.Dir, "*"))
	s.must(err)
	return files
}

// TestLongTextInOnesOwnEditor: E opens it at once, ctrl+o from a form; what it
// saved is in the form, and goes nowhere before the form is saved.
func TestLongTextInOnesOwnEditor(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.editor(`stat -c %a "$1" >>` + t.TempDir() + `/mode; tr a-z A-Z <"$1" >"$1.new"; mv "$1.new" "$1"; f() { :; }; f`)
	s.open(80, 24).online().keys("jj", "E").sees("> description YEARLY INSPECTION.", "The text is taken over; ctrl+s saves it.")
	if v, err := s.db.Task(s.ctx(), ids["T-10423"]); err != nil || strings.Contains(v.Fields.Text("description"), "YEARLY") {
		t.Fatalf("saved before ctrl+s: %v %v", v.Fields, err)
	}
	if left := s.leftInEditor(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	s.keys("ctrl+s").sees("T-10423 changed.")
	if v, err := s.db.Task(s.ctx(), ids["T-10423"]); err != nil || v.Fields.Text("description") != "YEARLY INSPECTION.\nBRING THE LONG LADDER AND A TORCH." {
		t.Errorf("%q %v", v.Fields.Text("description"), err)
	}
	s.keys("n", "the gate", "ctrl+o").sees("THE GATE").keys("enter").sees("Note added")
	s.keys("e", "ctrl+o").sees("Only long text goes to your editor")
}

// TestTheEditorsFileIsThePersonsAlone while it lies on the disk.
func TestTheEditorsFileIsThePersonsAlone(t *testing.T) {
	s := newStory(t)
	s.day()
	seen := filepath.Join(t.TempDir(), "seen")
	s.editor(`stat -c %a "$1" "$(dirname "$1")" >` + seen + `; true`)
	s.open(80, 24).online().keys("jj", "E").sees("The text is as it was.")
	if got, err := os.ReadFile(seen); err != nil || string(got) != "600\n700\n" {
		t.Errorf("modes %q %v", got, err)
	}
}

// TestAnEditorThatFails changes nothing, and what it saved stays where it is.
func TestAnEditorThatFails(t *testing.T) {
	s := newStory(t)
	s.day()
	s.editor(`echo half >"$1"; exit 3; true`)
	s.open(200, 24).online().keys("jj", "E").sees("Yearly inspection.", "the editor ended badly (exit status 3); what it saved is in ")
	left := s.leftInEditor()
	if len(left) != 1 {
		t.Fatalf("left: %v", left)
	}
	if text, err := os.ReadFile(left[0]); err != nil || string(text) != "half\n" {
		t.Errorf("%q %v", text, err)
	}
	s.editor("")
	s.open(80, 24).online().keys("jj", "n", "ctrl+o").sees("No editor is set")
}

// TestALineThatBreaksInTheEditor: what the editor saved is there when the form
// is opened again.
func TestALineThatBreaksInTheEditor(t *testing.T) {
	s := newStory(t)
	s.day()
	s.editor("true")
	s.o.Editor.Run = func(cmd *exec.Cmd, _ func(error) tea.Msg) tea.Cmd {
		path := cmd.Args[len(cmd.Args)-1]
		s.must(os.WriteFile(path, []byte("Written outside, with care.\n"), 0o600))
		return func() tea.Msg { return nil } // the program is killed now
	}
	s.open(80, 24).online().keys("jj", "n", "Begun inside", "ctrl+o")
	if left := s.leftInEditor(); len(left) != 1 {
		t.Fatalf("left: %v", left)
	}
	s.crash()
	s.open(80, 24).online().keys("jj", "n").sees("Written outside, with care.", "and never saved")
	if left := s.leftInEditor(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	s.keys("enter").sees("Note added")
}
