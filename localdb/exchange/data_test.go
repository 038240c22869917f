package exchange_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// toronto is the mapping of the city's building evaluations; rentsafe has their
// checklists too.
func toronto() exchange.Options {
	return exchange.Options{
		Map: []string{
			"title=Inspect {SITE ADDRESS}", "external_ref={RSN}-{YEAR EVALUATED}-{EVALUATION COMPLETED ON}", "type==inspection",
			"tags=WARDNAME", "x.score=CURRENT BUILDING EVAL SCORE", "priority=CURRENT BUILDING EVAL SCORE",
			"site.code=RSN", "site.name=SITE ADDRESS", "site.address=SITE ADDRESS", "site.city==Toronto", "site.lat=LATITUDE", "site.lon=LONGITUDE",
		},
		Values: []string{"priority:<50=high,<85=normal,*=low"},
		Zone:   "UTC",
	}
}

func rentsafe() exchange.Options {
	o := toronto()
	o.Items, o.ItemValues = "NUMBERING OF PROPERTY..TENANT SERVICE REQUEST LOG", "3=pass,2=pass,1=fail,0=fail,N/A=na"
	return o
}

func excavators() exchange.Options {
	return exchange.Options{
		Map:        []string{"title=OriginalShorttext", "asset=Excavator {Asset}", "due_at=BscStartDate", "type==repair", "tags=PMType", "x.cost=Cost"},
		MendQuotes: true, Zone: "UTC",
	}
}

func rescues() exchange.Options {
	return exchange.Options{
		Map: []string{"title=final description", "external_ref=INCIDENT_NUMBER", "due_at=date_time of call", "tags=animal group parent",
			"description={property type}, {street}, {ward}"},
		Null: []string{"NA,NULL"}, Zone: "Europe/London",
	}
}

// rescuesAt asks for sites too, although half of the rows tell no code of theirs.
func rescuesAt() exchange.Options {
	o := rescues()
	o.Map = append(o.Map, "site.code=uprn", "site.name=street")
	return o
}

func TestSamples(t *testing.T) {
	yaizu := exchange.Options{Map: []string{"title=点検: {要配慮者利用施設名称}", "external_ref={№}", "contact_phone=電話番号", "description=区分", "site.code=№", "site.name=所在地"}}
	yaizuCP932 := yaizu
	yaizuCP932.Encoding = "cp932"
	for _, c := range []struct {
		file  string
		o     exchange.Options
		tasks int
		bad   []string
		title string
	}{
		{"toronto.csv", rentsafe(), 5, nil, "Inspect 90 SHUTER ST"},
		{"excavators.csv", excavators(), 63, []string{`line 62, column 5 (Cost): holds "PM01", which belongs in column 4 (PMType)`}, `?OIL LEAK ON BUCKET...FOUND TWO BLOWN "O`},
		{"rescues.csv", rescues(), 8, []string{"line 10, column 10 (final description): is empty"}, "CAT STUCK ON WINDOW LEDGE - ONE STOREY HIGH"},
		{"yaizu-cp932.csv", yaizuCP932, 5, nil, "点検: くすのき"},
	} {
		t.Run(c.file, func(t *testing.T) {
			d := newDesk(t)
			f := readText(t, sample(t, c.file), c.o)
			p := d.write(f, exchange.PlanOptions{SkipBad: true})
			wantBad(t, p.Bad, c.bad...)
			wantTally(t, p, op.Task, exchange.Tally{New: c.tasks})
			if !strings.Contains(d.dump(), strings.ReplaceAll(c.title, `"`, `\"`)) {
				t.Errorf("no task %q", c.title)
			}
			wantNothing(t, d.plan(f, exchange.PlanOptions{SkipBad: true}))
		})
	}
	_, err := exchange.Read(strings.NewReader(sample(t, "yaizu-cp932.csv")), yaizu)
	if err == nil || !strings.Contains(withHint(err), "line 1 holds bytes that are not UTF-8; the file looks like Shift_JIS (CP932) / Try: --encoding cp932") {
		t.Errorf("without --encoding: %v", err)
	}
}

// realSet is a whole data set: how many rows are good, and which are bad.
type realSet struct {
	file         string
	o            exchange.Options
	tasks, sites int
	bad          []string
}

func TestRealSets(t *testing.T) {
	t.Parallel()
	yaizu := func(file string, tasks, sites int, m ...string) realSet {
		return realSet{"yaizu-japan/" + file, exchange.Options{Map: m}, tasks, sites, nil}
	}
	care := yaizu("yohairyosya.csv", 277, 277, "title=点検: {要配慮者利用施設名称}", "external_ref={№}", "contact_phone=電話番号", "site.code=№", "site.name=所在地", "site.lat=緯度", "site.lon=経度")
	care.o.Encoding = "cp932"
	shifted := `line 3454, column 5 (Cost): holds "PM01", which belongs in column 4 (PMType): the row has shifted`
	empty := func(line string) string { return "line " + line + ", column 10 (final description): is empty" }
	for _, c := range []realSet{
		{"toronto-rentsafe/evaluations-2026-08-22.csv", toronto(), 6090, 3585, nil},
		{"toronto-rentsafe/registrations-2026-08-22.csv", exchange.Options{Map: []string{"site.code=RSN", "site.name=SITE_ADDRESS", "site.address=SITE_ADDRESS", "site.postal_code=PCODE", "site.x.manager=PROP_MANAGEMENT_COMPANY_NAME", "site.x.lifts=NO_OF_ELEVATORS"}}, 0, 3611, nil},
		{"toronto-rentsafe/registrations-2026-08-22.csv", exchange.Options{Map: []string{"title=Lifts at {SITE_ADDRESS}", "external_ref=lift-{RSN}", "window_start=DATE_OF_LAST_INSPECTION_BY_TSSA", "asset={NO_OF_ELEVATORS} lifts"}}, 3611, 0, nil},
		{"excavator-work-orders/excavators.csv", excavators(), 5484, 0, []string{shifted}},
		{"excavator-work-orders/excavators-cleaned.csv", excavators(), 5484, 0, []string{shifted}},
		{"london-lfb-rescues/animal_rescues.csv", rescuesAt(), 7539, 1437, []string{empty("664"), empty("3029"), empty("5491"), empty("5710"), empty("6429")}},
		care,
		yaizu("222127_aed.csv", 82, 78, "title=点検: {名称} {設置位置}", "external_ref={NO}", "site.code=名称", "site.name=名称", "site.lat=緯度", "site.lon=経度"),
		yaizu("222127_dono_station.csv", 30, 0, "title=点検: {土のうステーション置き場}", "external_ref={No.}", "description=利用方法"),
		yaizu("222127_douhoumusenkokyoku.csv", 200, 200, "title=点検: {名称}", "external_ref={NO}", "site.code=NO", "site.name=名称", "site.address=住所", "site.lat=緯度", "site.lon=経度"),
		yaizu("222127_fire_hydrant.csv", 193, 193, "title=点検: {種別}", "external_ref=ID", "site.code=ID", "site.name=所在地_連結表記"),
		yaizu("222127_park_info.csv", 142, 0, "title=点検: {公園名}", "external_ref=ID", "description={設置遊具} {公園紹介文}", "x.area=面積（㎡）"),
		yaizu("222127_public_toilet.csv", 112, 112, "title=点検: {名称}", "external_ref=ID", "site.code=ID", "site.name=名称"),
		yaizu("222127_shiteitsunamihinanbiru.csv", 125, 0, "title=点検: {名称}", "external_ref=NO", "contact_phone=電話番号"),
		{"cologne-sagsuns/sagsuns.json", exchange.Options{
			Map:    []string{"title={service_name}: {address}", "external_ref=service_request_id", "description=description", "status=status", "site.code=address", "site.name=address", "site.lat=lat", "site.lon=long", "x.reported=requested_datetime"},
			Values: []string{"status:open=PENDING,closed=CLOSED"}}, 50, 50, nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			in := shared(t, c.file)
			d := newDesk(t)
			f, err := exchange.Read(in, c.o)
			if err != nil {
				t.Fatal(withHint(err))
			}
			p := d.write(f, exchange.PlanOptions{SkipBad: true})
			wantBad(t, p.Bad, c.bad...)
			wantTally(t, p, op.Task, exchange.Tally{New: c.tasks})
			wantTally(t, p, op.Site, exchange.Tally{New: c.sites})
			if d.tasks() != c.tasks {
				t.Errorf("%d tasks, want %d", d.tasks(), c.tasks)
			}
			wantNothing(t, d.plan(f, exchange.PlanOptions{SkipBad: true}))
		})
	}
}

// A source that lost nearly all of its rows closes nothing, and the days around
// it change only what they changed.
func TestTorontoLosesItsRows(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	unpack := func(name string) io.Reader {
		z, err := gzip.NewReader(shared(t, "toronto-rentsafe/"+name))
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	take := func(in io.Reader) *exchange.Plan {
		t.Helper()
		f, err := exchange.Read(in, toronto())
		if err != nil {
			t.Fatal(withHint(err))
		}
		return d.write(f, exchange.PlanOptions{})
	}
	wantTally(t, take(unpack("evaluations-2026-07-29.csv.gz")), op.Task, exchange.Tally{New: 5669})
	p := take(shared(t, "toronto-rentsafe/evaluations-2026-07-30-upstream-truncated.csv"))
	wantTally(t, p, op.Task, exchange.Tally{New: 6})
	if p.Elsewhere != 5669 || d.tasks() != 5675 {
		t.Errorf("%d elsewhere, %d tasks", p.Elsewhere, d.tasks())
	}
	p = take(unpack("evaluations-2026-08-13.csv.gz"))
	wantTally(t, p, op.Task, exchange.Tally{New: 256, Changed: 181, Unchanged: 5475})
	if p.Elsewhere != 19 || d.tasks() != 5931 {
		t.Errorf("%d elsewhere, %d tasks", p.Elsewhere, d.tasks())
	}
	for task, err := range exchange.Stored(t.Context(), d.db, localdb.Filter{}, false) {
		if err != nil {
			t.Fatal(err)
		}
		if task.Fields.Text("status") != string(op.Pending) {
			t.Fatalf("%s was taken to %s", task.Fields.Text("title"), task.Fields.Text("status"))
		}
	}
}

// All the 50-item checklists at once: planned, not written, to keep tests quick.
func TestTorontoChecklists(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	f, err := exchange.Read(shared(t, "toronto-rentsafe/evaluations-2026-08-22.csv"), rentsafe())
	if err != nil {
		t.Fatal(withHint(err))
	}
	p := d.plan(f, exchange.PlanOptions{})
	wantTally(t, p, op.Item, exchange.Tally{New: 304500})
	outcomes, changes := map[string]int{}, 0
	for c := range p.All() {
		changes++
		if c.Kind == op.Item {
			outcomes[c.Fields.Text("outcome")]++
		}
	}
	if changes != p.Changes || changes != 6090+3585+304500 {
		t.Errorf("%d changes, %d counted", changes, p.Changes)
	}
	if outcomes["pass"] != 186746+132+43542+45 || outcomes["fail"] != 19110+48+1471 || outcomes["na"] != 53374+32 {
		t.Errorf("outcomes %v", outcomes)
	}
}

// The same incidents in two dialects: after a trip through a spreadsheet
// nothing has changed but the way it is written.
func TestIncidentsInTwoDialects(t *testing.T) {
	t.Parallel()
	o := exchange.Options{
		Map:    []string{"title={u_symptom} / {category} / {subcategory}", "external_ref={number}-{sys_mod_count}", "due_at=opened_at", "priority=priority", "x.active=active", "x.made_sla=made_sla"},
		Values: []string{"priority:1 - Critical=emergency,2 - High=high,3 - Moderate=normal,4 - Low=low"},
		Zone:   "UTC",
	}
	plain := firstRows(t, 5998)
	d := newDesk(t)
	f := readText(t, plain, o)
	p := d.write(f, exchange.PlanOptions{SkipBad: true})
	if n := p.Records[op.Task].New; n+len(p.Bad) != 5998 || n < 5900 {
		t.Errorf("%d tasks, %d bad rows: %v", n, len(p.Bad), p.Bad[:min(len(p.Bad), 3)])
	}
	mangled, err := exchange.Read(shared(t, "uci-incidents/incident_event_log.excel-mangled-5998.csv"), o)
	if err != nil {
		t.Fatal(withHint(err))
	}
	wantNothing(t, d.plan(mangled, exchange.PlanOptions{SkipBad: true}))
}

// firstRows reads the beginning of the incident log.
func firstRows(t *testing.T, n int) string {
	t.Helper()
	packed, err := io.ReadAll(shared(t, "uci-incidents/incident_event_log.zip"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	in, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out strings.Builder
	r, w := csv.NewReader(in), csv.NewWriter(&out)
	for range n + 1 {
		cells, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(cells); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	return out.String()
}
