package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/tui"
)

// maxConfig bounds config.toml; a larger one is some other file.
const maxConfig = 64 << 10

// maxViews is how many keys there are for views.
const maxViews = 9

// config is config.toml, which nobody needs to have.
type config struct {
	Glyphs  string         `toml:"glyphs"`
	Colours string         `toml:"colours"`
	Mouse   *bool          `toml:"mouse"`
	Views   []configView   `toml:"views"`
	Keys    map[string]any `toml:"keys"` // a key, or a list of them

	keys map[string][]string // Keys as the screen takes them
}

type configView struct {
	Name   string `toml:"name"`
	Filter string `toml:"filter"`
}

// wanted says for each setting what may stand there.
var wanted = map[string]string{
	"glyphs":  `"unicode" or "ascii"; without the line the locale decides`,
	"colours": `"dark" or "light" (your terminal's background) or "none"; without the line colours that read on both`,
	"mouse":   "true or false, without quotes",
	"views":   "[[views]], a block for each view, each with a name and a filter",
	"keys":    "[keys], and lines like  status = \"s\"  or  undo = [\"u\", \"f8\"]",
}

// configFault is one thing that is wrong in config.toml.
type configFault struct {
	Line int    // 0: not of one line
	Key  string // dotted; "" when it is about the file
	Says string
	Do   string
}

func (f configFault) text(file string) string {
	if f.Line > 0 {
		file = fmt.Sprintf("%s:%d", file, f.Line)
	}
	if f.Key != "" {
		file += ": " + f.Key
	}
	return file + ": " + f.Says + "; " + f.Do
}

// configPath is where the settings lie.
func (a *app) configPath() (string, error) {
	dir, err := a.home("XDG_CONFIG_HOME", ".config")
	return filepath.Join(dir, "config.toml"), err
}

// readConfig reads the settings. What is wrong is returned as faults, never as
// an error: a laptop in the field starts with the standard settings then.
func (a *app) readConfig() (c config, found bool, faults []configFault) {
	path, err := a.configPath()
	if err != nil {
		return config{}, false, []configFault{{Says: err.Error(), Do: "set XDG_CONFIG_HOME"}}
	}
	text, err := readSmall(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return config{}, false, nil
	case err != nil:
		return config{}, true, []configFault{{Says: "cannot be read: " + err.Error(), Do: "make it a small text file that is yours, or move it away"}}
	}
	c, faults = parseConfig(text)
	if len(faults) > 0 {
		c = config{}
	}
	return c, true, faults
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		return nil, fmt.Errorf("it is longer than %d KiB", maxConfig>>10)
	}
	return text, err
}

// parseConfig reads the settings and looks them over, all of them.
func parseConfig(text []byte) (config, []configFault) {
	var c config
	dec := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	var faults []configFault
	if err := dec.Decode(&c); err != nil {
		var unknown *toml.StrictMissingError
		if !errors.As(err, &unknown) {
			return c, []configFault{tomlFault(err)}
		}
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			faults = append(faults, configFault{line, strings.Join(e.Key(), "."), "there is no such setting", "the settings are glyphs, colours, mouse, views and keys"})
		}
	}
	lines := configLines(text)
	for _, f := range c.check() {
		f.Line = lines[f.Key]
		if name, ok := strings.CutPrefix(f.Key, "views."); ok && f.Line == 0 {
			f.Line = lines["views."+strings.SplitN(name, ".", 2)[0]]
		}
		faults = append(faults, f)
	}
	slices.SortStableFunc(faults, func(x, y configFault) int { return x.Line - y.Line })
	return c, faults
}

// tomlFault is why the text is no TOML, or has a value of the wrong type.
func tomlFault(err error) configFault {
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return configFault{Says: err.Error(), Do: "punchlist config shows how it is written"}
	}
	line, _ := at.Position()
	says := strings.TrimPrefix(at.Error(), "toml: ")
	if path := at.Key(); len(path) > 0 && wanted[path[0]] != "" && strings.Contains(says, "decode") {
		return configFault{line, strings.Join(path, "."), "this is not what stands there", "write " + wanted[path[0]]}
	}
	return configFault{line, strings.Join(at.Key(), "."), "this is no TOML: " + says, `words stand in "quotes", true, false and numbers do not; one setting a line`}
}

// configLines finds the line of each key: "mouse", "keys.undo", "views.2.filter".
func configLines(text []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(text)
	prefix, views := "", 0
	for p.NextExpression() {
		e := p.Expression()
		var path []string
		line := 0
		for it := e.Key(); it.Next(); {
			if line == 0 {
				line = p.Shape(it.Node().Raw).Start.Line
			}
			path = append(path, string(it.Node().Data))
		}
		key := strings.Join(path, ".")
		switch e.Kind {
		case unstable.Table:
			prefix = key + "."
		case unstable.ArrayTable:
			views++
			prefix = fmt.Sprintf("%s.%d.", key, views)
		default:
			key = prefix + key
		}
		if lines[key] == 0 {
			lines[strings.TrimSuffix(key, ".")] = line
		}
		if e.Kind == unstable.ArrayTable {
			lines[strings.TrimSuffix(prefix, ".")] = line
		}
	}
	return lines
}

// check says what makes no sense, with the key that configLines knows it by.
func (c *config) check() []configFault {
	var out []configFault
	oneOf := func(key, value string, may ...string) {
		if value != "" && !slices.Contains(may, value) {
			out = append(out, configFault{Key: key, Says: fmt.Sprintf("%q makes no sense here", value), Do: "write " + wanted[key]})
		}
	}
	oneOf("glyphs", c.Glyphs, "unicode", "ascii")
	oneOf("colours", c.Colours, "dark", "light", "none")
	for i, v := range c.Views {
		at := fmt.Sprintf("views.%d", i+1)
		if strings.TrimSpace(v.Name) == "" {
			out = append(out, configFault{Key: at, Says: "the view has no name", Do: `add a line like  name = "mine, open"`})
		}
		if _, err := localdb.ParseFilter(v.Filter, time.Unix(0, 0), ""); err != nil {
			out = append(out, configFault{Key: at + ".filter", Says: err.Error(), Do: "try it with: punchlist list FILTER"})
		}
	}
	if len(c.Views) > maxViews {
		out = append(out, configFault{Key: fmt.Sprintf("views.%d", maxViews+1), Says: fmt.Sprintf("there are keys for %d views only", maxViews), Do: "take some away"})
	}
	return append(out, c.checkKeys()...)
}

func (c *config) checkKeys() []configFault {
	var out []configFault
	c.keys = map[string][]string{}
	for name, v := range c.Keys {
		var keys []string
		ok := true
		switch v := v.(type) {
		case string:
			keys = []string{v}
		case []any:
			for _, x := range v {
				s, isText := x.(string)
				ok = ok && isText
				keys = append(keys, s)
			}
		default:
			ok = false
		}
		if !ok {
			out = append(out, configFault{Key: "keys." + name, Says: "this is no key", Do: "write " + wanted["keys"]})
			continue
		}
		c.keys[name] = keys
	}
	for _, f := range tui.CheckKeys(c.keys) {
		out = append(out, configFault{Key: "keys." + f.Command, Says: f.Says, Do: f.Do})
	}
	return out
}

// settle puts the settings into the screen's options; where it cannot, the
// standard ones stay and the person is told.
func (a *app) settle(o tui.Options) (out tui.Options, mouse bool) {
	c, _, faults := a.readConfig()
	if len(faults) > 0 {
		f := faults[0]
		where := "config.toml"
		if f.Line > 0 {
			where = fmt.Sprintf("config.toml line %d", f.Line)
		}
		o.Notice = "Standard settings: " + where + " has a fault. See: punchlist config check"
	}
	switch c.Glyphs {
	case "ascii":
		o.ASCII = true
	case "unicode":
		o.ASCII = false
	}
	switch c.Colours {
	case "none":
		o.NoColor = true
	case "dark", "light":
		o.Ground = tui.Ground(c.Colours)
	}
	for _, v := range c.Views {
		o.Views = append(o.Views, tui.View{Name: v.Name, Filter: v.Filter})
	}
	o.Keys = c.keys
	return o, c.Mouse == nil || *c.Mouse
}

func (a *app) configCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Show the settings, and where they are kept",
		Long: `Show the settings as a file that can be edited: what is set stands as it is, what
is not stands behind a #. Data goes to stdout, so that this begins a file:

  punchlist config > ~/.config/punchlist/config.toml`,
		Example: "  punchlist config\n  punchlist config check", Args: cli.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.showConfig() }}
	cmd.AddCommand(&cobra.Command{Use: "check", Short: "Look the settings over; say what is wrong, and in which line", Example: "  punchlist config check", Args: cli.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.checkConfig() }})
	return cmd
}

func (a *app) checkConfig() error {
	path, err := a.configPath()
	if err != nil {
		return err
	}
	_, found, faults := a.readConfig()
	for _, f := range faults {
		a.Note("%s", f.text(path))
	}
	switch {
	case len(faults) > 0:
		return &localdb.Error{Message: cli.Count(len(faults), "fault") + " in the settings; until then the standard ones are used", Hint: "punchlist config shows how it is written"}
	case !found:
		a.Note("There is no %s: the standard settings are used.", path)
	default:
		a.Note("%s is as it should be.", path)
	}
	return nil
}

// showConfig prints a file that means what is set now.
func (a *app) showConfig() error {
	path, err := a.configPath()
	if err != nil {
		return err
	}
	c, found, faults := a.readConfig()
	switch {
	case len(faults) > 0:
		a.Note("%s has faults (punchlist config check); these are the standard settings.", path)
	case found:
		a.Note("From %s.", path)
	default:
		a.Note("There is no %s yet; these are the standard settings.", path)
	}
	a.Printf("%s", c.template())
	return nil
}

// template writes the settings with what may stand there beside them.
func (c config) template() string {
	var b strings.Builder
	line := func(set bool, text, what string) {
		if !set {
			text = "# " + text
		}
		fmt.Fprintf(&b, "%-24s # %s\n", text, what)
	}
	line(c.Glyphs != "", fmt.Sprintf("glyphs = %q", cmp.Or(c.Glyphs, "unicode")), wanted["glyphs"])
	line(c.Colours != "", fmt.Sprintf("colours = %q", cmp.Or(c.Colours, "dark")), wanted["colours"])
	line(c.Mouse != nil, fmt.Sprintf("mouse = %t", c.Mouse == nil || *c.Mouse), wanted["mouse"])
	b.WriteString("\n# The views on the keys 1 to 9, in this order. With one of yours the standard ones go.\n")
	views, mark := c.Views, ""
	if len(views) == 0 {
		mark = "# "
		for _, v := range tui.StandardViews() {
			views = append(views, configView{v.Name, v.Filter})
		}
	}
	for _, v := range views {
		fmt.Fprintf(&b, "%s[[views]]\n%sname = %q\n%sfilter = %q\n\n", mark, mark, v.Name, mark, v.Filter)
	}
	b.WriteString("# Keys of commands; several as [\"u\", \"f8\"], none as [].\n[keys]\n")
	for _, h := range tui.Commands(c.keys) {
		_, set := c.keys[h.Name]
		text := fmt.Sprintf("%s = %q", h.Name, strings.Join(h.Keys, "\x00"))
		if len(h.Keys) != 1 {
			text = h.Name + " = ["
			for i, k := range h.Keys {
				if i > 0 {
					text += ", "
				}
				text += fmt.Sprintf("%q", k)
			}
			text += "]"
		}
		line(set, text, h.Does)
	}
	return b.String()
}
