package exchange_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	ics "github.com/arran4/golang-ical"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// realDesks are laptops that hold whole data sets, with how many tasks each has
// and how many of them lie at a place on the map.
var realDesks = []struct {
	file           string
	o              exchange.Options
	tasks, mapped  int
	west, east     float64 // where on the map
	south, north   float64
	throughWarrior bool // small enough for the real task, which takes its time
}{
	{"toronto-rentsafe/evaluations-2026-08-22.csv", toronto(), 6090, 5876, -79.7, -79.1, 43.5, 43.9, false},
	{"london-lfb-rescues/animal_rescues.csv", rescuesAt(), 7539, 0, 0, 0, 0, 0, false},
	{"cologne-sagsuns/sagsuns.json", exchange.Options{
		Map:    []string{"title={service_name}: {address}", "external_ref=service_request_id", "description=description", "status=status", "site.code=address", "site.name=address", "site.lat=lat", "site.lon=long", "window_start=requested_datetime"},
		Values: []string{"status:open=PENDING,closed=CLOSED"}}, 50, 50, 6.7, 7.2, 50.8, 51.1, true},
	{"yaizu-japan/yohairyosya.csv", exchange.Options{Encoding: "cp932",
		Map: []string{"title=点検: {要配慮者利用施設名称}", "external_ref={№}", "contact_phone=電話番号", "site.code=№", "site.name=所在地", "site.lat=緯度", "site.lon=経度"}}, 277, 277, 138.2, 138.4, 34.7, 35, true},
}

// TestRealSetsLeaveAndComeBack: every data set out in every format, read there by
// another's parser or program; what comes back changes nothing, and makes the same
// tasks on an empty laptop. The two large sets take minutes: WHOLE=1 takes them too.
func TestRealSetsLeaveAndComeBack(t *testing.T) {
	t.Parallel()
	for _, c := range realDesks {
		t.Run(c.file, func(t *testing.T) {
			if c.tasks > 1000 && os.Getenv("WHOLE") == "" {
				t.Skip("a large set: WHOLE=1 takes it")
			}
			f, err := exchange.Read(shared(t, c.file), c.o)
			if err != nil {
				t.Fatal(withHint(err))
			}
			d := newDesk(t)
			d.write(f, exchange.PlanOptions{SkipBad: true})
			var titles []string
			for task, err := range exchange.Stored(t.Context(), d.db, localdb.Filter{}, false) {
				if err != nil {
					t.Fatal(err)
				}
				titles = append(titles, op.Clean(task.Fields.Text("title"), true))
			}
			if slices.Sort(titles); len(titles) != c.tasks {
				t.Fatalf("%d tasks, want %d", len(titles), c.tasks)
			}
			d.comesBack(t)
			d.onTheCalendar(t, titles)
			if n := d.onTheMap(t, c.west, c.east, c.south, c.north); n != c.mapped {
				t.Errorf("%d tasks are on the map, want %d", n, c.mapped)
			}
			d.inAMapProgram(t, c.mapped > 0, c.west, c.east, c.south, c.north)
			d.inTodoTxt(t, c.tasks)
			if c.throughWarrior {
				d.throughTaskwarrior(t, c.tasks)
			}
		})
	}
}

// comesBack takes what punchlist itself reads again.
func (d *desk) comesBack(t *testing.T) {
	t.Helper()
	before := d.dump()
	for _, format := range []string{exchange.NDJSON, exchange.JSON} {
		out := d.written(format)
		wantNothing(t, d.take(out, exchange.Options{}))
		other := newDesk(t)
		other.take(out, exchange.Options{})
		if other.dump() != before {
			t.Errorf("%s made other tasks on an empty laptop", format)
		}
	}
	out := d.written(exchange.CSV)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(out, "\ufeff"))).ReadAll()
	if err != nil || len(rows) != d.tasks()+1 {
		t.Errorf("%d rows of CSV, %v", len(rows), err)
	}
	wantNothing(t, d.take(out, exchange.Options{}))
}

func (d *desk) onTheCalendar(t *testing.T, titles []string) {
	t.Helper()
	c, err := ics.ParseCalendar(strings.NewReader(d.written(exchange.ICalendar)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, todo := range c.Todos() {
		got = append(got, textOf(todo.GetProperty(ics.ComponentPropertySummary)))
	}
	if slices.Sort(got); !slices.Equal(got, titles) {
		t.Errorf("%d to-dos, want %d, of the same titles", len(got), len(titles))
	}
}

// onTheMap counts the tasks that lie within bounds; none lies outside.
func (d *desk) onTheMap(t *testing.T, west, east, south, north float64) (n int) {
	t.Helper()
	var c struct {
		Features []struct {
			Geometry *struct {
				Type        string
				Coordinates [2]float64
			}
		}
	}
	if err := json.Unmarshal([]byte(d.written(exchange.GeoJSON)), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Features) != d.tasks() {
		t.Errorf("%d features, want %d", len(c.Features), d.tasks())
	}
	for _, f := range c.Features {
		if f.Geometry == nil {
			continue
		}
		n++
		if at := f.Geometry.Coordinates; f.Geometry.Type != "Point" || at[0] < west || at[0] > east || at[1] < south || at[1] > north {
			t.Errorf("%s at %v", f.Geometry.Type, at)
		}
	}
	return n
}

var extent = regexp.MustCompile(`Extent: \((\S+), (\S+)\) - \((\S+), (\S+)\)`)

// inAMapProgram lets GDAL count the tasks and say where they lie, where it is installed.
func (d *desk) inAMapProgram(t *testing.T, mapped bool, west, east, south, north float64) {
	t.Helper()
	ogrinfo, err := exec.LookPath("ogrinfo")
	if err != nil {
		return
	}
	path := filepath.Join(t.TempDir(), "tasks.geojson")
	if err := os.WriteFile(path, []byte(d.written(exchange.GeoJSON)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ogrinfo, "-ro", "-al", "-so", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Feature Count: "+strconv.Itoa(d.tasks())+"\n") {
		t.Errorf("GDAL: %v\n%s", err, out)
	}
	if !mapped {
		return
	}
	var at [4]float64
	for i, text := range append(extent.FindStringSubmatch(string(out)), "", "", "", "", "")[1:5] {
		at[i], _ = strconv.ParseFloat(text, 64) // 0 lies outside
	}
	if at[0] < west || at[2] > east || at[1] < south || at[3] > north || at[2] == 0 {
		t.Errorf("GDAL finds them within %v:\n%s", at, out)
	}
}

// inTodoTxt lets todo.txt's own program count and sort the tasks, where it is installed.
func (d *desk) inTodoTxt(t *testing.T, tasks int) {
	t.Helper()
	text := d.written(exchange.TodoTxt)
	line := regexp.MustCompile(`^(x \d{4}-\d\d-\d\d |\([A-Z]\) )?\d{4}-\d\d-\d\d \S`)
	for got := range strings.Lines(text) {
		if !line.MatchString(got) {
			t.Errorf("no line of todo.txt: %q", got)
		}
	}
	if n := strings.Count(text, "\n"); n != tasks {
		t.Errorf("%d lines, want %d", n, tasks)
	}
	program, err := exec.LookPath("todo-txt")
	if err != nil || tasks > 1000 { // it is a shell script
		return
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	for name, text := range map[string]string{config: "export TODO_DIR='" + dir + "' TODO_FILE='" + dir + "/todo.txt' DONE_FILE='" + dir + "/done.txt' REPORT_FILE='" + dir + "/report.txt'\n", filepath.Join(dir, "todo.txt"): text} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "-d", config, "-p", "ls")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if want := "TODO: " + strconv.Itoa(tasks) + " of " + strconv.Itoa(tasks) + " tasks shown"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("todo-txt does not say %q: %v\n%.2000s", want, err, out)
	}
}

func (d *desk) throughTaskwarrior(t *testing.T, tasks int) {
	t.Helper()
	w, before := newWarrior(t), d.dump()
	w.run(d.written(exchange.Taskwarrior), "import", "-")
	if n := len(w.tasks()); n != tasks {
		t.Errorf("Taskwarrior holds %d tasks, want %d", n, tasks)
	}
	back := w.run("", "export")
	wantNothing(t, d.take(back, exchange.Options{}))
	other := newDesk(t)
	other.take(back, exchange.Options{})
	if d.dump() != before || other.dump() != before {
		t.Error("what came back is not what left")
	}
}
