// Package cmd_test guards the house: which folders there are, who may import
// whom, what is documented, how long things may be. It lives here because only
// cmd knows everybody, and the top level holds no Go files. It reads the source
// files itself; a test that asked "go list" would be answered from the cache.
package cmd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "example.com/punchlist"

// layers says where each package stands. A package imports only from layers
// below its own. A new one needs a line here, and a reason in its doc comment.
var layers = map[string]int{
	"cmd": 6, "cmd/punchlist": 6, "cmd/punchlistd": 6, "cmd/cli": 5, "localdb/report": 4,
	"tui": 3, "localdb/exchange": 3, "sync/server/sqlitestore": 3, "sync/server/pgstore": 3, "sync/server/storetest": 3, "sync/simtest": 3,
	"localdb": 2, "sync/engine": 2, "sync/server": 2,
	"localdb/sqlite": 1, "sync/wire": 1,
	"sync/op": 0, "sync/reach": 0, "tui/terminal": 0, "tui/terminal/background": 0, "tui/terminal/vt": 0,
}

// topLevel is everything visible beside the dot-files. bin is what make builds;
// git ignores it.
var topLevel = []string{"Makefile", "README.md", "cmd", "go.mod", "go.sum", "localdb", "sync", "tui"}

const (
	maxFileLines     = 600
	maxFunctionLines = 70
	maxMethods       = 6
)

// source is one Go file of the tree.
type source struct {
	path  string // from the root, with slashes
	dir   string
	test  bool
	file  *ast.File
	lines int
}

// tree is the project as the rules see it.
type tree struct {
	fsys  fs.FS
	fset  *token.FileSet
	files []source
}

// rules are the house's, by name. Each returns what breaks it, a line each.
var rules = map[string]func(*tree) []string{
	"top level":           (*tree).topLevel,
	"folders":             (*tree).folders,
	"module path":         (*tree).modulePath,
	"layers":              (*tree).layers,
	"package documents":   (*tree).packageDocs,
	"exported names":      (*tree).exportedDocs,
	"lengths":             (*tree).lengths,
	"clocks and chance":   (*tree).clocks,
	"small interfaces":    (*tree).interfaces,
	"no dot imports, cgo": (*tree).plainImports,
}

func TestHouse(t *testing.T) {
	house, err := readTree(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(house.files) < 10 {
		t.Fatalf("only %d Go files found", len(house.files))
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(name, func(t *testing.T) {
			for _, breach := range rules[name](house) {
				t.Error(breach)
			}
		})
	}
}

// readTree parses every Go file but those of testdata and dot-folders.
func readTree(fsys fs.FS) (*tree, error) {
	t := &tree{fsys: fsys, fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && p != "." && (name[0] == '.' || name == "testdata" || p == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(p) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(t.fset, p, text, parser.ParseComments)
		if err != nil {
			return err
		}
		t.files = append(t.files, source{p, path.Dir(p), strings.HasSuffix(p, "_test.go"), file, strings.Count(string(text), "\n")})
		return nil
	})
	return t, err
}

// at is a position as editors and people find it.
func (t *tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// code calls f for every file that is no test.
func (t *tree) code(f func(source)) {
	for _, s := range t.files {
		if !s.test {
			f(s)
		}
	}
}

func (t *tree) topLevel() (out []string) {
	entries, err := fs.ReadDir(t.fsys, ".")
	if err != nil {
		return []string{err.Error()}
	}
	found := map[string]bool{}
	for _, e := range entries {
		found[e.Name()] = true
		if name := e.Name(); name[0] != '.' && name != "bin" && !slices.Contains(topLevel, name) {
			out = append(out, name+": does not belong at the top level")
		}
	}
	for _, name := range topLevel {
		if !found[name] {
			out = append(out, name+": is missing at the top level")
		}
	}
	return out
}

// folders: sync holds no Go file of its own, so that nothing clashes with the
// standard library's; cmd holds this test only; no folder is named for what it
// is not about.
func (t *tree) folders() (out []string) {
	bad := []string{"internal", "pkg", "util", "utils", "common", "models", "mock", "mocks", "helpers"}
	for _, s := range t.files {
		if s.dir == "." || s.dir == "sync" || s.dir == "cmd" && !s.test {
			out = append(out, s.path+": no Go file belongs into this folder")
		}
		for _, part := range strings.Split(s.dir, "/") {
			if slices.Contains(bad, part) {
				out = append(out, s.path+": a folder named "+part+" says nothing")
			}
		}
	}
	return out
}

// modulePath: Go initialises ready packages in the order of their paths, and
// ours must be ready before Bubble Tea asks the terminal for its colours.
func (t *tree) modulePath() []string {
	text, err := fs.ReadFile(t.fsys, "go.mod")
	if err != nil {
		return []string{err.Error()}
	}
	first, _, _ := strings.Cut(string(text), "\n")
	name := strings.TrimSpace(strings.TrimPrefix(first, "module "))
	if name != modulePath || name >= "github.com/charmbracelet/bubbletea" {
		return []string{fmt.Sprintf("go.mod: the module is %q; it must be %s, which sorts before github.com/charmbracelet/bubbletea", name, modulePath)}
	}
	return nil
}

// layers: tests of a package from outside (package x_test) may import what they
// need, tests from inside their own layer too.
func (t *tree) layers() (out []string) {
	for _, s := range t.files {
		own, known := layers[s.dir]
		if !known {
			out = append(out, s.path+": the package "+s.dir+" has no layer")
			continue
		}
		for _, imp := range s.file.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			dir, ours := strings.CutPrefix(name, modulePath+"/")
			if !ours || s.test && strings.HasSuffix(s.file.Name.Name, "_test") {
				continue
			}
			layer, known := layers[dir]
			if !known || layer > own || layer == own && !s.test {
				out = append(out, fmt.Sprintf("%s: %s (layer %d) imports %s (layer %d)", t.at(imp), s.dir, own, dir, layer))
			}
		}
	}
	return out
}

// packageDocs: one file of each package says what it promises, in a comment
// that touches the package clause.
func (t *tree) packageDocs() (out []string) {
	docs := map[string]string{}
	for _, s := range t.files {
		if _, seen := docs[s.dir]; !seen {
			docs[s.dir] = ""
		}
		if text := s.file.Doc.Text(); s.file.Doc != nil && (!s.test || docs[s.dir] == "") {
			docs[s.dir] = text
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(docs)) {
		opening := "Package " + path.Base(dir)
		if strings.HasPrefix(dir, "cmd/") && dir != "cmd/cli" {
			opening = "Command " + path.Base(dir)
		}
		if !strings.HasPrefix(docs[dir], opening) {
			out = append(out, fmt.Sprintf("%s: no comment that opens %q stands on a package clause", dir, opening+" …"))
		}
	}
	return out
}

func (t *tree) exportedDocs() (out []string) {
	t.code(func(s source) {
		for _, decl := range s.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && receiverExported(d) && d.Doc == nil {
					out = append(out, t.at(d)+": "+d.Name.Name+" has no comment")
				}
			case *ast.GenDecl:
				for _, name := range bareNames(d) {
					out = append(out, t.at(name)+": "+name.Name+" has no comment")
				}
			}
		}
	})
	return out
}

// receiverExported tells whether outsiders can reach a function or method.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	name, ok := typ.(*ast.Ident)
	return !ok || name.IsExported()
}

// bareNames lists the exported names of a declaration that no comment is about:
// neither the group's, nor one above the name, nor one behind it.
func bareNames(d *ast.GenDecl) (out []*ast.Ident) {
	for _, spec := range d.Specs {
		var names []*ast.Ident
		documented := d.Doc != nil
		switch s := spec.(type) {
		case *ast.TypeSpec:
			names, documented = []*ast.Ident{s.Name}, documented || s.Doc != nil || s.Comment != nil
		case *ast.ValueSpec:
			names, documented = s.Names, documented || s.Doc != nil || s.Comment != nil
		}
		for _, name := range names {
			if name.IsExported() && !documented {
				out = append(out, name)
			}
		}
	}
	return out
}

func (t *tree) lengths() (out []string) {
	t.code(func(s source) {
		if s.lines > maxFileLines {
			out = append(out, fmt.Sprintf("%s: %d lines; at most %d", s.path, s.lines, maxFileLines))
		}
		for _, decl := range s.file.Decls {
			d, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := t.fset.Position(d.End()).Line - t.fset.Position(d.Pos()).Line + 1
			if n > maxFunctionLines {
				out = append(out, fmt.Sprintf("%s: %s has %d lines; at most %d", t.at(d), d.Name.Name, n, maxFunctionLines))
			}
		}
	})
	return out
}

// clocks: who needs the time or chance is given it, so that a test can give
// another. Timers are fine.
func (t *tree) clocks() (out []string) {
	banned := map[string][]string{"time": {"Now", "Sleep", "Since", "Until"}, "math/rand": nil, "math/rand/v2": nil}
	t.code(func(s source) {
		if strings.HasPrefix(s.dir, "cmd/") || strings.HasPrefix(s.path, "sync/op/clock_") {
			return
		}
		for _, imp := range s.file.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			uses, watched := banned[name]
			if watched && uses == nil {
				out = append(out, t.at(imp)+": imports "+name+"; take a source of chance from outside")
			}
			if uses != nil {
				out = append(out, t.uses(s, imp, uses)...)
			}
		}
	})
	return out
}

// uses finds where a file uses some of an import's names.
func (t *tree) uses(s source, imp *ast.ImportSpec, names []string) (out []string) {
	local := path.Base(strings.Trim(imp.Path.Value, `"`))
	if imp.Name != nil {
		local = imp.Name.Name
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && slices.Contains(names, sel.Sel.Name) {
			out = append(out, t.at(sel)+": "+local+"."+sel.Sel.Name+"; take a clock from outside")
		}
		return true
	})
	return out
}

// interfaces: an interface is what its user needs of somebody, not a list of
// all that somebody can. Embedded ones count where they are written.
func (t *tree) interfaces() (out []string) {
	t.code(func(s source) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			i, ok := n.(*ast.InterfaceType)
			if !ok {
				return true
			}
			methods := 0
			for _, m := range i.Methods.List {
				methods += len(m.Names)
			}
			if methods > maxMethods {
				out = append(out, fmt.Sprintf("%s: an interface of %d methods; at most %d", t.at(i), methods, maxMethods))
			}
			return true
		})
	})
	return out
}

// plainImports: no name comes from nowhere, and the only C in the house is the
// SQLite driver's.
func (t *tree) plainImports() (out []string) {
	for _, s := range t.files {
		for _, imp := range s.file.Imports {
			if imp.Path.Value == `"C"` || imp.Name != nil && imp.Name.Name == "." {
				out = append(out, t.at(imp)+": imports "+imp.Path.Value+" in a way that hides where names come from")
			}
		}
	}
	return out
}
