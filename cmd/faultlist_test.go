package cmd_test

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// faults is how long the list of faults is: F01 to F92, as the tests of the whole
// tree name them.
const faults = 92

// TestFaultList (G12): each fault has a test that names it, in the name of the test
// or of one of its cases. A name in a comment does not count.
func TestFaultList(t *testing.T) {
	house, err := readTree(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	named := map[int]bool{}
	id := regexp.MustCompile(`F(\d\d)`)
	note := func(text string) {
		for _, m := range id.FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(m[1])
			named[n] = true
		}
	}
	inCase := regexp.MustCompile(`^F\d\d`)
	for _, s := range house.files {
		if !s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.FuncDecl:
				if x.Recv == nil && len(x.Name.Name) > 4 && x.Name.Name[:4] == "Test" {
					note(x.Name.Name)
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(x.Value); x.Kind == token.STRING && err == nil && inCase.MatchString(text) {
					note(text)
				}
			}
			return true
		})
	}
	for n := 1; n <= faults; n++ {
		if !named[n] {
			t.Errorf("F%02d: no test names it", n)
		}
	}
}
