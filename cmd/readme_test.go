package cmd_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
)

// readmeCommands are the lines of the README's code blocks.
func readmeCommands(t *testing.T) (lines []string) {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```")
	for i := 1; i < len(blocks); i += 2 {
		lines = append(lines, strings.Split(blocks[i], "\n")...)
	}
	return lines
}

// TestReadmeCommands runs every command that the README shows, as it stands
// there: the office's first, then the technician's. What a line leaves behind the
// next ones find.
func TestReadmeCommands(t *testing.T) {
	w := newWorld(t)
	var office, laptop []string
	for _, line := range readmeCommands(t) {
		switch word, _, _ := strings.Cut(line, " "); word {
		case "punchlistd":
			office = append(office, line)
		case "punchlist":
			laptop = append(laptop, line)
		}
	}
	if len(office) < 8 || len(laptop) < 12 {
		t.Fatalf("only %d and %d commands were found", len(office), len(laptop))
	}
	w.file("jobs.csv", "title,external_ref,priority\nCheck the pump,J-1,high\nCheck the fan,J-2,normal\n")
	w.file("visit.csv", "title,external_ref,Pressure,Valve,Label\nBoiler inspection,V-1,x,x,x\n")
	w.file("boiler.csv", "label,kind\nPressure,number\nLeaks,pass_fail\n")
	invite := ""
	for _, line := range office {
		switch {
		case strings.HasPrefix(line, "punchlistd serve --metrics"), strings.HasPrefix(line, "punchlistd load"):
			// They have tests of their own, at ports that are free and at a smaller size.
		case strings.HasPrefix(line, "punchlistd serve"):
			w.serveReadme(line)
		case strings.HasPrefix(line, "punchlistd restore"):
			w.killServer()
			w.shell(line, "")
			w.serveReadme("punchlistd serve --listen 127.0.0.1:8700")
		case strings.HasPrefix(line, "punchlistd invite"):
			invite = w.shell(line, "")
		default:
			w.shell(line, "")
		}
		if strings.HasPrefix(line, "punchlistd user add") {
			w.readmeTask()
		}
	}
	for _, line := range laptop {
		command, _, _ := strings.Cut(line, "#")
		switch strings.TrimSpace(command) {
		case "punchlist": // the screen: it has stories of its own
		case "punchlist enroll":
			w.shell(line, invite)
			w.shell("punchlist sync", "")
		default:
			w.shell(line, "")
		}
	}
}

// readmeTask makes the task that the README speaks of.
func (w *world) readmeTask() {
	w.t.Helper()
	db, err := sql.Open("sqlite3", w.dir+"/punchlistd.db")
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = db.ExecContext(w.t.Context(), "UPDATE crews SET number = 10422")
	if err = errors.Join(err, db.Close()); err != nil {
		w.t.Fatal(err)
	}
	w.run("punchlistd", "import", "visit.csv", "--crew", "north", "--items", "Pressure..Label", "--item-values", "x=na")
}

// serveReadme starts the server as a line of the README says, at a port that is free.
func (w *world) serveReadme(line string) {
	w.t.Helper()
	if !strings.Contains(line, "--listen 127.0.0.1:8700") {
		w.t.Fatalf("%q does not serve where the test expects it", line)
	}
	w.serveOn("punchlistd.db")
}

// shell runs a line as a person's shell does.
func (w *world) shell(line, stdin string) string {
	w.t.Helper()
	cmd := w.command(w.t.Context(), "punchlist")
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", line}
	cmd.Env = append(cmd.Env, "PATH="+w.bin+":"+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		w.t.Errorf("%s\n%v\n%s%s", line, err, out.String(), errs.String())
	}
	return out.String()
}

// TestReadmeTargets: every make target that the README names is one.
func TestReadmeTargets(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n > 300 {
		t.Errorf("the README has %d lines; at most 300", n)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)").FindAllSubmatch(text, -1)
	if len(named) < 3 {
		t.Fatalf("only %d targets are named", len(named))
	}
	for _, m := range named {
		if !regexp.MustCompile(`(?m)^` + string(m[1]) + `:`).Match(makefile) {
			t.Errorf("make %s is no target", m[1])
		}
	}
}
