package simtest_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/server/sqlitestore"
)

// How much is played. SEEDS says how many seeds, beginning with FROM; SEED plays
// one and shows what happens in it.
const (
	someSeeds  = 60
	plantSeeds = 60 // within so many each planted bug must be found
	children   = 2
	// The race detector makes a history three times as long: it is shown fewer.
	racedSeeds  = 4 // of those that failed once, and as many fresh ones
	racedPlants = 7 // every seventh
)

// job is what a child process is to play. It runs on one thread without
// preemption, so that a seed is played the same way every time.
type job struct {
	Plant string
	Seeds []uint64
	Until bool // stop at the first violation
}

const (
	jobVariable = "SIM_JOB"
	verdictMark = "VERDICT "
)

// TestSeeds plays the seeds that once failed, and then fresh ones.
func TestSeeds(t *testing.T) {
	if text := os.Getenv("SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		report(t, play1(t, job{Seeds: []uint64{seed}}, "SIM_TRACE=1")...)
		return
	}
	n, from := number(t, "SEEDS", 0), uint64(number(t, "FROM", 1))
	switch {
	case n > 0:
	case testing.Short() || raceDetector:
		n = racedSeeds
	default:
		n = someSeeds
	}
	seeds := kept(t)
	if n == racedSeeds {
		seeds = seeds[:min(n, len(seeds))]
	}
	for seed := range uint64(n) {
		seeds = append(seeds, from+seed)
	}
	report(t, playAll(t, split(seeds))...)
}

// number is a number of the environment.
func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// kept are the seeds that failed once: testdata/seeds.txt, a number and why, a line each.
func kept(t *testing.T) (out []uint64) {
	text, err := os.ReadFile(filepath.Join("testdata", "seeds.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if seed, err := strconv.ParseUint(word, 10, 64); err == nil {
			out = append(out, seed)
		}
	}
	return out
}

// TestReplay: the same seed is the same history, to the last event.
func TestReplay(t *testing.T) {
	first := playAll(t, []job{{Seeds: []uint64{3}}, {Seeds: []uint64{3, 11}}})
	hashes := map[uint64]string{}
	for _, v := range first {
		if h, ok := hashes[v.Seed]; ok && h != v.Hash {
			t.Errorf("seed %d was two histories: %s and %s", v.Seed, h, v.Hash)
		}
		hashes[v.Seed] = v.Hash
	}
	if hashes[3] == hashes[11] {
		t.Error("two seeds are the same history")
	}
}

// TestPlantedBugs: each is found, or the histories see less than they claim.
func TestPlantedBugs(t *testing.T) {
	var jobs []job
	var sown []plant
	for i, p := range allPlants {
		if few := raceDetector || testing.Short(); !few || i%racedPlants == 0 {
			sown = append(sown, p)
		}
	}
	for _, p := range sown {
		j := job{Plant: p.name, Until: true}
		for seed := range uint64(plantSeeds) {
			j.Seeds = append(j.Seeds, max(p.from, 1)+seed)
		}
		jobs = append(jobs, j)
	}
	found := make([]string, len(jobs))
	each(jobs, func(i int, j job) {
		all := play1(t, j)
		if len(all) == 0 {
			found[i] = "the child died"
			return
		}
		if v := all[len(all)-1]; v.Violation != nil && v.Violation.Invariant != "harness" {
			found[i] = fmt.Sprintf("%4d  %-4s %.110s", len(all), v.Violation.Invariant, strings.ReplaceAll(v.Violation.Text, "\n", " "))
		}
	})
	var table strings.Builder
	for i, p := range sown {
		if found[i] == "" {
			t.Errorf("the planted bug %q is not found within %d seeds", p.name, plantSeeds)
		}
		fmt.Fprintf(&table, "%-32s %s\n", p.name, cmp.Or(found[i], "NOT FOUND"))
	}
	t.Logf("planted bug, seeds needed, what was violated:\n%s", table.String())
}

// report fails the test for each violation and says how to play it again.
func report(t *testing.T, all ...verdict) {
	t.Helper()
	tally := map[string]int{}
	for _, v := range all {
		for k, n := range v.Tally {
			if strings.HasPrefix(k, longest) {
				tally[k] = max(tally[k], n)
			} else {
				tally[k] += n
			}
		}
		if v.Violation != nil {
			t.Errorf("seed %d: %s: %s\nplay it again: SEED=%d go test ./sync/simtest -run TestSeeds -v", v.Seed, v.Violation.Invariant, v.Violation.Text, v.Seed)
		}
	}
	t.Logf("%d histories: %s", len(all), summary(tally))
}

func split(seeds []uint64) []job {
	jobs := make([]job, children)
	for i, seed := range seeds {
		jobs[i%children].Seeds = append(jobs[i%children].Seeds, seed)
	}
	return jobs
}

// each does the jobs, a few at a time.
func each(jobs []job, do func(int, job)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range children {
		wg.Go(func() {
			for i := range next {
				do(i, jobs[i])
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	wg.Wait()
}

func playAll(t *testing.T, jobs []job) (out []verdict) {
	var mu sync.Mutex
	each(jobs, func(_ int, j job) {
		all := play1(t, j)
		mu.Lock()
		defer mu.Unlock()
		out = append(out, all...)
	})
	slices.SortFunc(out, func(a, b verdict) int { return cmp.Compare(a.Seed, b.Seed) })
	return out
}

// play1 plays a job in a process of its own.
func play1(t *testing.T, j job, environment ...string) (out []verdict) {
	text, err := json.Marshal(j)
	if err != nil {
		t.Error(err)
		return nil
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1", "GOGC=400", jobVariable+"="+string(text))
	cmd.Env = append(cmd.Env, environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if len(environment) > 0 {
		cmd.Stderr = os.Stderr
	}
	failed := cmd.Run()
	for line := range strings.Lines(stdout.String()) {
		rest, ok := strings.CutPrefix(line, verdictMark)
		if !ok {
			continue
		}
		var v verdict
		if err := json.Unmarshal([]byte(rest), &v); err != nil {
			t.Error(err)
		}
		out = append(out, v)
	}
	if failed != nil {
		next := uint64(0)
		if len(out) < len(j.Seeds) {
			next = j.Seeds[len(out)]
		}
		t.Errorf("the process that played seed %d (planted: %q) ended: %v\n%.6000s\n%.6000s", next, j.Plant, failed, stdout.String(), stderr.String())
	}
	return out
}

// TestChild plays the seeds of a job; without one it has nothing to do.
func TestChild(t *testing.T) {
	var j job
	if err := json.Unmarshal([]byte(os.Getenv(jobVariable)), &j); err != nil {
		t.Skip("started by the other tests")
	}
	var p plant
	for _, q := range allPlants {
		if q.name == j.Plant {
			p = q
		}
	}
	clean := newBlanks(t)
	for _, seed := range j.Seeds {
		v := playOne(t, seed, p, clean)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("\n%s%s\n", verdictMark, b)
		if j.Until && v.Violation != nil {
			return
		}
	}
}

// blanks are the files of a new laptop and a new office: to run all migrations for
// each history would take longer than a tenth of it.
type blanks struct{ laptop, office []byte }

func newBlanks(t *testing.T) (b blanks) {
	dir := scratch(t)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "blank.db")
	db, err := localdb.Open(t.Context(), path, localdb.Options{})
	if err == nil {
		err = db.Close()
	}
	if err == nil {
		b.laptop, err = os.ReadFile(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "office.db")
	store, err := sqlitestore.Open(t.Context(), path)
	if err == nil {
		err = store.Close()
	}
	if err == nil {
		b.office, err = os.ReadFile(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func playOne(t *testing.T, seed uint64, p plant, clean blanks) (v verdict) {
	dir := scratch(t)
	defer os.RemoveAll(dir)
	begun := time.Now()
	t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
		synctest.Test(t, func(*testing.T) { v = play(seed, p, dir, clean) })
	})
	v.Millis = time.Since(begun).Milliseconds()
	return v
}

// scratch is a folder in memory where there is one: a kill keeps what was
// written, so nothing here tests the disk.
func scratch(t *testing.T) string {
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "punchlist-sim-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
