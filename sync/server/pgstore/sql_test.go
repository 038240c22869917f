package pgstore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// elsewhere is what databases of PostgreSQL's kind that span machines (Citus,
// CockroachDB, YugabyteDB) lack, or what costs a whole cluster's agreement there.
var elsewhere = map[string]*regexp.Regexp{
	"a serial column: its order is not that of commits": regexp.MustCompile(`(?i)\b(small|big)?serial\b|\bgenerated\b|\bnextval\b|\bcreate sequence\b`),
	"an advisory lock": regexp.MustCompile(`(?i)advisory`),
	"a transaction id": regexp.MustCompile(`(?i)\bxmin\b|\bxmax\b|\bxid8?\b|txid_|pg_current_|pg_snapshot`),
	"a message: it takes one lock for all when it commits": regexp.MustCompile(`(?i)\bnotify\b|\blisten\b`),
	"a temporary table":                   regexp.MustCompile(`(?i)\btemp(orary)?\b\s+table|\bcreate temp`),
	"a trigger, function or rule":         regexp.MustCompile(`(?i)\btrigger\b|create (or replace )?(function|procedure|rule)|\bdo \$\$`),
	"a place on the disk":                 regexp.MustCompile(`(?i)\bctid\b|\btablesample\b`),
	"COPY":                                regexp.MustCompile(`(?i)^\s*copy\b`),
	"a table lock":                        regexp.MustCompile(`(?i)\block table\b|\bskip locked\b`),
	"an exclusion or deferred constraint": regexp.MustCompile(`(?i)\bexclude using\b|\bdeferrable\b|\bset constraints\b`),
	"a collation: it is another type in CockroachDB": regexp.MustCompile(`(?i)\bcollate\b`),
	"an unlogged table":            regexp.MustCompile(`(?i)\bunlogged\b`),
	"an extension or foreign type": regexp.MustCompile(`(?i)create (extension|type|domain)`),
	"a join that updates":          regexp.MustCompile(`(?i)\bmerge into\b`),
}

// breaches tells what of a statement runs on one machine only.
func breaches(statement string) (out []string) {
	for what, pattern := range elsewhere {
		if pattern.MatchString(statement) {
			out = append(out, what)
		}
	}
	return out
}

// comment is a SQL comment.
var comment = regexp.MustCompile(`--[^\n]*`)

// TestSQLTravels reads every statement of the package.
func TestSQLTravels(t *testing.T) {
	n := 0
	look := func(where, text string) {
		n++
		for _, b := range breaches(comment.ReplaceAllString(text, "")) {
			t.Errorf("%s: %s in %q", where, b, text)
		}
	}
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range strings.Split(string(text), ";") {
			look(name, statement)
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(node ast.Node) bool {
			if lit, ok := node.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.HasPrefix(lit.Value, "`") {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					look(fset.Position(lit.Pos()).String(), text)
				}
			}
			return true
		})
	}
	if n < 60 {
		t.Errorf("only %d statements were found", n)
	}
	for what, statement := range map[string]string{"serial": "CREATE TABLE x (id bigserial)", "advisory": "SELECT pg_advisory_xact_lock(1)", "notify": "NOTIFY crew", "temp": "CREATE TEMP TABLE x (y int)"} {
		if len(breaches(statement)) == 0 {
			t.Errorf("%s is let through", what)
		}
	}
}

// small are the tables that stand whole on every machine; the other ones are
// spread by their first column.
var small = map[string]bool{"settings": true, "users": true, "members": true, "invites": true, "devices": true}

// spread is the first column of the keys of each table that is spread.
var spread = map[string]string{"crews": "name", "records": "crew", "outcomes": "home", "conflicts": "crew", "chain": "crew", "audit": "crew", "leaves": "crew", "forgotten": "crew", "reports": "device"}

// TestKeysBeginWithTheCrew: a unique key that does not begin with what a table is
// spread by could not be checked on one machine.
func TestKeysBeginWithTheCrew(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?s)CREATE TABLE (\w+) \((.*)\)`)
	primary := regexp.MustCompile(`PRIMARY KEY \((\w+)|(?m)^\s+(\w+)\s[^,]*PRIMARY KEY`)
	index := regexp.MustCompile(`CREATE (?:UNIQUE )?INDEX \w+ ON (\w+) \((\w+)`)
	seen := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range strings.Split(comment.ReplaceAllString(string(text), ""), ";") {
			if m := table.FindStringSubmatch(statement); m != nil {
				seen[m[1]] = true
				key := primary.FindStringSubmatch(m[2])
				if key == nil {
					t.Errorf("%s has no primary key", m[1])
				} else if first := key[1] + key[2]; !small[m[1]] && first != spread[m[1]] {
					t.Errorf("the key of %s begins with %s, not with %q", m[1], first, spread[m[1]])
				}
			}
			if m := index.FindStringSubmatch(statement); m != nil && !small[m[1]] && m[2] != spread[m[1]] {
				t.Errorf("an index of %s begins with %s, not with %q", m[1], m[2], spread[m[1]])
			}
		}
	}
	if len(seen) != len(small)+len(spread) {
		t.Errorf("tables found: %v", seen)
	}
}
