package localdb_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// found are the titles that a search shows, in order.
func (f *fixture) found(text string) []string {
	f.t.Helper()
	filter, err := localdb.ParseFilter(text, start, "ann")
	f.must(err)
	var out []string
	q := localdb.Query{Filter: filter, Now: start, Limit: 40}
	for {
		page, err := f.Tasks(f.ctx, q)
		f.must(err)
		for _, r := range page.Rows {
			out = append(out, r.Title)
		}
		if !page.More {
			slices.Sort(out)
			return out
		}
		q.From = &page.Keys[len(page.Keys)-1]
	}
}

// TestSearchFindsTheSameWithTheIndexAndWithout, half made, and behind what was
// changed since. In a build without FTS5 there is none, and the same is found.
func TestSearchFindsTheSameWithTheIndexAndWithout(t *testing.T) {
	f := newFixture(t)
	parts := []string{"pump", "boiler", "Öltank", "暖房の点検", "a\"b", "x%_y", "qu", "pumpe", "o'neil", "ß", "Boil", "oil"}
	title := map[string]string{}
	site := "01930000-0000-7000-8000-00000000bb01"
	_, err := f.Do(f.ctx, localdb.Change{Kind: op.Site, Action: op.Insert, ID: site, Fields: op.Fields{"code": "BLD22", "name": "Pumphouse"}})
	f.must(err)
	draw := func(rt *rapid.T) string {
		return rapid.SampledFrom(parts).Draw(rt, "a") + rapid.SampledFrom([]string{" ", "", "-"}).Draw(rt, "between") + rapid.SampledFrom(parts).Draw(rt, "b")
	}
	onSite := map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		for range 6 {
			name := draw(rt)
			ids := slices.Sorted(func(yield func(string) bool) {
				for id := range title {
					if !yield(id) {
						return
					}
				}
			})
			switch what := rapid.IntRange(0, 6).Draw(rt, "what"); {
			case what < 2 || len(ids) == 0:
				title[f.add(name)] = name
			case what == 2:
				id := f.add(name, "site_id", site)
				title[id], onSite[id] = name, true
			case what == 3:
				id := rapid.SampledFrom(ids).Draw(rt, "id")
				f.must(f.EditTask(f.ctx, id, op.Fields{"title": name}))
				title[id] = name
			case what == 4:
				id := rapid.SampledFrom(ids).Draw(rt, "id")
				f.must(f.DeleteTask(f.ctx, id))
				if rapid.Bool().Draw(rt, "undo") {
					f.must(f.IndexSearch(f.ctx))
					f.undo()
					continue
				}
				delete(title, id)
			case what == 5:
				f.must(f.IndexSearch(f.ctx))
			}
			word := rapid.SampledFrom(append(parts, "zeppelin", "house", "MPE", "ump")).Draw(rt, "word")
			var want []string
			for id, s := range title {
				text := strings.ToLower(s)
				if onSite[id] && strings.Contains("bld22\npumphouse", strings.ToLower(word)) || strings.Contains(text, strings.ToLower(word)) {
					want = append(want, s)
				}
			}
			slices.Sort(want)
			if got := f.found(`"` + strings.ReplaceAll(word, `"`, "") + `"`); !strings.Contains(word, `"`) && fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("%q finds %q, not %q", word, got, want)
			}
		}
	})
}

// A line of the list tells why a search found it, where it does not show it itself.
func TestFoundElsewhere(t *testing.T) {
	f := newFixture(t)
	site, err := f.Do(f.ctx, localdb.Change{Kind: op.Site, Action: op.Insert, Fields: op.Fields{"code": "BLD22", "name": "Mill Lane", "address": "Harbour Sq 33", "city": "Münster"}})
	f.must(err)
	f.add("Pump check", "site_id", site.IDs[0], "asset", "B-2 Viessmann", "contact_name", "Ms Bell", "external_ref", "R-1", "description", "First line.\nA long way round behind the last house of the village, bring the ladder and the torch, all of it.")
	for words, want := range map[string]string{
		"pump": "", "bld22": "", "": "", "status:pending": "", "mill": "site Mill Lane", "pump mill": "site Mill Lane", "harbour": "at Harbour Sq 33", "MÜNSTER": "at Münster", "viess": "asset B-2 Viessmann",
		"bell": "contact Ms Bell", "r-1": "ref R-1", "first": "says First line.", "ladder": "says …bring the ladder and the torch, all of it.", `"ms bell"`: "contact Ms Bell", "-nothing lane": "site Mill Lane",
	} {
		filter, err := localdb.ParseFilter(words, f.Time(), "ann")
		f.must(err)
		page, err := f.Tasks(f.ctx, localdb.Query{Filter: filter})
		f.must(err)
		if len(page.Rows) != 1 || page.Rows[0].Found != want {
			t.Errorf("%q: %d rows, found %q, want %q", words, len(page.Rows), page.Rows[0].Found, want)
		}
	}
}
