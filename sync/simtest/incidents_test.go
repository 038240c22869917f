package simtest_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
)

// Where the recorded data lies, when it is there: the update log of 20,769
// incidents (Amaral, Fantinato, Peres 2018, UCI Machine Learning Repository 498,
// CC BY 4.0) and the mobile throughput of New York's ferries, buses and trains
// (Mei et al., NYU-METS, ODbL). The project holds no copy.
const recorded = "../../../shared/data"

// rides are traces of one value a second, those with the most outages; 0 is one.
var rides = []string{"dataset_1/Ferry/Ferry1.csv", "dataset_1/Ferry/Ferry2.csv", "dataset_1/Ferry/Ferry3.csv", "dataset_1/Ferry/Ferry4.csv",
	"dataset_1/Ferry/Ferry5.csv", "multivariate_2020/TT7.txt.gz", "dataset_2/7trainNew.csv", "dataset_2/7BtrainNew.csv"}

// stretch makes a second of a ride ten minutes of the replay: the log knows
// minutes only, and it is outages of hours in which others edit the same.
const stretch = 10 * minute

// update is one row of the log: what somebody changed of an incident.
type update struct {
	incident string
	at       int64
	who      string
	fields   op.Fields // what changed; all of it in the first row
	columns  int       // of the log, that changed
	first    bool
}

// columns of the log that people edit, and the fields that they become. The
// rest is derived, or a final value repeated on each row.
var columns = map[string]string{"incident_state": "x.state", "assignment_group": "x.team", "u_priority_confirmation": "x.confirmed", "assigned_to": "assignee",
	"u_symptom": "title", "category": "title", "subcategory": "title", "priority": "priority", "impact": "x.impact", "urgency": "x.urgency", "knowledge": "x.knowledge",
	"problem_id": "x.problem", "location": "x.location", "vendor": "x.vendor", "rfc": "x.rfc", "cmdb_ci": "asset", "caller_id": "contact_name",
	"contact_type": "x.contact", "notify": "x.notify", "caused_by": "x.caused_by", "opened_by": "x.opened_by", "opened_at": "x.opened_at"}

var priorities = map[string]string{"1 - Critical": "emergency", "2 - High": "high", "3 - Moderate": "normal", "4 - Low": "low"}

// incidents reads the log, incident by incident in its order. It skips the test
// when the data is not there.
func incidents(t *testing.T) [][]update {
	z, err := zip.OpenReader(filepath.Join(recorded, "uci-incidents", "incident_event_log.zip"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recorded incidents are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(bufio.NewReader(f)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	head := map[string]int{}
	for i, name := range rows[0] {
		head[name] = i
	}
	var out [][]update
	last := map[string]int{} // incident → its place in out
	before := map[string][]string{}
	for _, row := range rows[1:] {
		u := readUpdate(t, head, before[row[head["number"]]], row)
		at, known := last[u.incident]
		if !known {
			at = len(out)
			last[u.incident], out = at, append(out, nil)
		}
		out[at] = append(out[at], u)
		before[u.incident] = row
	}
	return out
}

func readUpdate(t *testing.T, head map[string]int, before, row []string) update {
	at, err := time.Parse("2/1/2006 15:04", row[head["sys_updated_at"]])
	if err != nil {
		t.Fatal(err)
	}
	u := update{incident: row[head["number"]], at: at.UnixMilli(), who: strings.ReplaceAll(strings.ToLower(row[head["sys_updated_by"]]), " ", "-"), fields: op.Fields{}, first: before == nil}
	for column, field := range columns {
		i := head[column]
		if before != nil && before[i] == row[i] {
			continue
		}
		u.columns++
		switch {
		case field == "title":
			u.fields[field] = row[head["u_symptom"]] + " / " + row[head["category"]] + " / " + row[head["subcategory"]]
		case row[i] == "?":
			if before != nil {
				u.fields[field] = nil
			}
		case field == "priority":
			u.fields[field] = priorities[row[i]]
		default:
			u.fields[field] = row[i]
		}
	}
	return u
}

// ride is when a link was up, step by step.
type ride []bool

func readRides(t *testing.T) (out []ride) {
	for _, name := range rides {
		text, err := os.ReadFile(filepath.Join(recorded, "net-nyu-mets", name))
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("the recorded rides are not here")
		}
		if err == nil && strings.HasSuffix(name, ".gz") {
			text, err = unpacked(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		var r ride
		for line := range strings.Lines(string(text)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), ",")
			if word == "Value" {
				continue
			}
			mbit, err := strconv.ParseFloat(word, 64)
			r = append(r, err == nil && mbit > 0) // “the connection” was lost where there is no number
		}
		out = append(out, r)
	}
	return out
}

func unpacked(text []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// commuter is one person's link: a ride that begins again when it has ended.
type commuter struct {
	ride  ride
	begin int64
}

func (c commuter) up(at int64) bool {
	n := (at - c.begin) / stretch % int64(len(c.ride))
	return c.ride[n]
}

// outage is the time around a moment in which the link is down.
func (c commuter) outage(at int64) (from, to int64) {
	for from = at; !c.up(from); from -= stretch {
	}
	for to = at; !c.up(to); to += stretch {
	}
	return from, to
}

// inOrder puts the updates of some incidents in the order in which they happened,
// no two at the same moment: the log knows minutes only.
func inOrder(some [][]update) []update {
	all := slices.Concat(some...)
	slices.SortStableFunc(all, func(a, b update) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(all); i++ {
		all[i].at = max(all[i].at, all[i-1].at+1)
	}
	return all
}
