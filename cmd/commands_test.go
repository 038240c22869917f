package cmd_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// helps is what each command of a program says of itself, by its words.
func (w *world) helps(program string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for next := []string{program}; len(next) > 0; next = next[1:] {
		words := strings.Fields(next[0])
		help := w.run(program, append(slices.Clone(words[1:]), "--help")...)
		out[next[0]] = help
		_, list, _ := strings.Cut(help, "Available Commands:\n")
		for line := range strings.Lines(list) {
			if !strings.HasPrefix(line, "  ") {
				break
			}
			if name := strings.Fields(line)[0]; name != "help" { // it is the library's, and says what --help says
				next = append(next, next[0]+" "+name)
			}
		}
	}
	return out
}

// section is a part of a help, without its heading.
func section(help, heading string) string {
	_, rest, _ := strings.Cut(help, "\n"+heading+":\n")
	part, _, _ := strings.Cut(rest, "\n\n")
	return part
}

// TestExamples: every command of both programs shows an example, and each is what
// the program understands: its command, its flags and their values. A shell reads
// them as a person's does; the programs under their names only look at their words.
func TestExamples(t *testing.T) {
	w := newWorld(t)
	bin := filepath.Join(w.dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"punchlist":  `exec "` + w.bin + `/punchlist" "$@" --help >&2`,
		"punchlistd": `exec "` + w.bin + `/punchlistd" "$@" --help >&2`,
		"dmesg":      "echo text", "task": "cat", "man": "exit 0",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for program, least := range map[string]int{"punchlist": 35, "punchlistd": 40} {
		all := w.helps(program)
		if len(all) < least {
			t.Errorf("%s has %d commands, at least %d were expected", program, len(all), least)
		}
		for command, help := range all {
			examples := section(help, "Examples")
			if examples == "" {
				t.Errorf("%s --help shows no example", command)
				continue
			}
			own := false
			for _, line := range strings.Split(strings.ReplaceAll(examples, "\\\n", " "), "\n") {
				cmd := w.command(t.Context(), program)
				cmd.Path, cmd.Args = "/bin/bash", []string{"bash", "-c", "set -e -o pipefail; mkdir -p .config/fish/completions .local/share/bash-completion/completions; " + line}
				cmd.Env = append(cmd.Env, "PATH="+bin+":/usr/bin:/bin", "fpath=.", "PROFILE=profile")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("an example of %s: %s\n%v\n%s", command, line, err, out)
				}
				own = own || strings.Contains(string(out), "\nUsage:\n  "+command)
			}
			if !own {
				t.Errorf("no example of %s is one of it:\n%s", command, examples)
			}
		}
	}
}

// named are the commands that a row of the list names: `queue retry|discard OP` is
// two. Words behind a command that are its arguments are left out.
func named(cell string, all map[string]string) (commands, missing []string) {
	program := ""
	for i, code := range strings.Split(cell, "`") {
		words := strings.Fields(code)
		if i%2 == 0 || len(words) == 0 {
			continue
		}
		if strings.HasPrefix(words[0], "punchlist") {
			program, words = words[0], words[1:]
		}
		found := []string{program}
		for n, word := range words {
			var longer []string
			for _, before := range found {
				for _, alternative := range strings.Split(word, `\`) {
					if _, ok := all[before+" "+alternative]; ok {
						longer = append(longer, before+" "+alternative)
					} else if n == 0 {
						missing = append(missing, before+" "+alternative)
					}
				}
			}
			if len(longer) == 0 {
				break
			}
			if want := strings.Count(word, `\`) + 1; len(longer) < want {
				missing = append(missing, program+" "+code)
			}
			found = longer
		}
		commands = append(commands, found...)
	}
	return commands, missing
}

// TestCommandsOfTheContract: every command and every flag that the list of
// commands names is there.
func TestCommandsOfTheContract(t *testing.T) {
	text, err := os.ReadFile("../../shared/cli.md")
	if os.IsNotExist(err) {
		t.Skip("the list of commands is not at hand")
	}
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	all := w.helps("punchlist")
	maps.Copy(all, w.helps("punchlistd"))
	flag := regexp.MustCompile(`--[a-z][a-z-]*`)
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `punchlist") {
			continue
		}
		rows++
		cell, _, _ := strings.Cut(strings.ReplaceAll(line[2:], `\|`, `\`), "|")
		commands, missing := named(cell, all)
		if len(missing) > 0 || len(commands) == 0 {
			t.Errorf("there is no %q of %s", missing, cell)
		}
		for _, f := range flag.FindAllString(line, -1) {
			if !slices.ContainsFunc(commands, func(c string) bool { return regexp.MustCompile(f + `\b`).MatchString(all[c]) }) {
				t.Errorf("none of %q knows %s", commands, f)
			}
		}
	}
	if rows < 25 {
		t.Errorf("only %d rows were read", rows)
	}
}
