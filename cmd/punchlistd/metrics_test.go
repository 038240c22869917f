package main

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestMetricsAreListed: the protocol document lists each of the server's own
// metrics, and no other.
func TestMetricsAreListed(t *testing.T) {
	text, err := os.ReadFile("../../sync/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, there []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(punchlist_\\w+)`").FindAllSubmatch(text, -1) {
		listed = append(listed, string(m[1]))
	}
	m := newMetrics()
	stop, err := m.serve("127.0.0.1:0", nil) // adds what needs a server
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	told := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(told)
	close(told)
	for d := range told {
		if name := regexp.MustCompile(`fqName: "(punchlist_\w+)"`).FindStringSubmatch(d.String()); name != nil {
			there = append(there, name[1])
		}
	}
	slices.Sort(listed)
	slices.Sort(there)
	if !slices.Equal(listed, there) {
		t.Errorf("listed: %v\nthere:  %v", listed, there)
	}
}
