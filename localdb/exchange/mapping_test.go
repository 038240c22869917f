package exchange_test

import (
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

func TestMapping(t *testing.T) {
	const text = "NO,Place Name,Town,Kind,Score,Lat,Lon\n7,North Mill,York,A 1,55,\"53,96\",-1.08\n8,South Mill,,B,90,,\n"
	d := newDesk(t)
	p := d.take(text, exchange.Options{
		Map: []string{
			"title=Inspect {Place Name}, {Town}", "external_ref=mill-{NO}-{ Score }", "type==inspection", "tags==mills,yearly",
			"site.code=NO", "site.name=place_name", "site.city=Town", "site.country==UK", "site.lat=Lat", "site.lon=Lon",
			"x.score=Score", "priority=Score", "tag.a=Kind", "description={Town}",
		},
		Values: []string{"priority:<60=high,*=low", "tag.a:A 1=yes,B=no"},
	})
	wantTally(t, p, op.Task, exchange.Tally{New: 2})
	wantTally(t, p, op.Site, exchange.Tally{New: 2})
	first, second := d.task("mill-7-55"), d.task("mill-8-90")
	for name, want := range map[string]any{
		"title": "Inspect North Mill, York", "type": "inspection", "priority": "high", "x.score": int64(55),
		"tag.mills": true, "tag.yearly": true, "tag.a": true, "description": "York", "status": "PENDING",
	} {
		if got := first.Fields[name]; got != want {
			t.Errorf("%s is %#v, want %#v", name, got, want)
		}
	}
	for name, want := range map[string]any{
		"code": "7", "name": "North Mill", "city": "York", "country": "UK", "lat": 53.96, "lon": -1.08,
	} {
		if got := first.Site.Fields[name]; got != want {
			t.Errorf("site.%s is %#v, want %#v", name, got, want)
		}
	}
	if second.Title != "Inspect South Mill," || second.Priority != "low" || second.Fields["description"] != nil || second.Fields["tag.a"] == true {
		t.Errorf("the second row came out as %v", second.Fields)
	}
	if second.Site == nil || second.Site.Fields["lat"] != nil {
		t.Errorf("the second site came out as %v", second.Site)
	}
}

// What a --map says must be there and make sense, before any row is read.
func TestMappingErrors(t *testing.T) {
	const text = "title,SITE ADDRESS,NON_SMOKING,NON-SMOKING\na,b,c,d\n"
	for name, c := range map[string]struct {
		o    exchange.Options
		want string
	}{
		"no column":         {exchange.Options{Map: []string{"title=SITE ADRESS"}}, `the file has no column "SITE ADRESS" / Try: did you mean "SITE ADDRESS"?`},
		"near column":       {exchange.Options{Map: []string{"title=ADDRESS"}}, `did you mean "SITE ADDRESS"?`},
		"no column in text": {exchange.Options{Map: []string{"title=At {PLACE}"}}, `the file has no column "PLACE"`},
		"open brace":        {exchange.Options{Map: []string{"title=At {title"}}, "a { is not closed"},
		"two columns":       {exchange.Options{Map: []string{"title=title", "x.s=non smoking"}}, `"non smoking" fits two columns: 3 (NON_SMOKING) and 4 (NON-SMOKING)`},
		"no field":          {exchange.Options{Map: []string{"titel=title"}}, `there is no field "titel" to map to`},
		"server's field":    {exchange.Options{Map: []string{"title=title", "number=title"}}, "number is given by the server"},
		"no equals":         {exchange.Options{Map: []string{"title"}}, "does not say FIELD=COLUMN"},
		"twice":             {exchange.Options{Map: []string{"title=title", "title=SITE ADDRESS"}}, "title is mapped twice"},
		"no title":          {exchange.Options{Map: []string{"priority==low"}}, "nothing is mapped to title"},
		"no site code":      {exchange.Options{Map: []string{"title=title", "site.name=SITE ADDRESS"}}, "nothing is mapped to site.code"},
		"bad constant":      {exchange.Options{Map: []string{"title=title", "priority==urgent"}}, `"urgent" is none of emergency`},
		"zone":              {exchange.Options{Zone: "Atlantis"}, `the time zone "Atlantis" is not known`},
		"dates":             {exchange.Options{Dates: "ymd"}, `the order of dates "ymd" is not known`},
		"values":            {exchange.Options{Values: []string{"priority"}}, "does not say FIELD:VALUE=MEANING"},
		"value":             {exchange.Options{Values: []string{"priority:high"}}, "does not say what it means"},
		"item kind":         {exchange.Options{Item: []string{"title"}, ItemKind: "bool"}, `there is no item kind "bool"`},
		"item outcome":      {exchange.Options{Item: []string{"title"}, ItemValues: "1=good"}, `"good" is no outcome`},
		"item range":        {exchange.Options{Items: "SITE ADDRESS..title"}, "runs backwards"},
		"item range form":   {exchange.Options{Items: "title"}, "does not say FROM..TO"},
		"item column":       {exchange.Options{Items: "title..ROOF"}, `the file has no column "ROOF"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := exchange.Read(strings.NewReader(text), c.o)
			if err == nil {
				t.Fatalf("no error, want %q", c.want)
			}
			if !strings.Contains(withHint(err), c.want) || !strings.Contains(withHint(err), "Try: ") {
				t.Errorf("%q, want %q and a next step", withHint(err), c.want)
			}
		})
	}
}

func TestColumnsThatAreNoFields(t *testing.T) {
	f := readText(t, "title,Foreman,Weather\na,b,c\n", exchange.Options{})
	if notes := strings.Join(f.Notes, "\n"); !strings.Contains(notes, "2 columns are not fields and were passed over: Foreman, Weather") {
		t.Errorf("notes: %s", notes)
	}
}

// A foreign number in a column "id" is a reference, not an id of ours.
func TestForeignID(t *testing.T) {
	d := newDesk(t)
	p := d.take("ID,title\n17,One\n18,Two\n", exchange.Options{})
	if d.task("17").Title != "One" || !strings.Contains(strings.Join(p.Remarks, "\n"), "read as external_ref") {
		t.Errorf("remarks: %v", p.Remarks)
	}
}

func TestTimes(t *testing.T) {
	toronto, err := time.LoadLocation("America/Toronto")
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	at := func(y, m, d, h, min int) int64 {
		return time.Date(y, time.Month(m), d, h, min, 0, 0, toronto).UnixMilli()
	}
	for text, want := range map[string]int64{
		"2026-08-22 14:30":              at(2026, 8, 22, 14, 30),
		"2026-08-22T14:30:00":           at(2026, 8, 22, 14, 30),
		"2026-08-22T14:30:00-04:00":     at(2026, 8, 22, 14, 30),
		"2026-08-22T18:30:00Z":          at(2026, 8, 22, 14, 30),
		"2026-08-22T18:30:00.000+00:00": at(2026, 8, 22, 14, 30),
		"20260822T183000Z":              at(2026, 8, 22, 14, 30),
		"22/08/2026 14:30":              at(2026, 8, 22, 14, 30),
		"22/8/2026  14:30":              at(2026, 8, 22, 14, 30),
		"22-08-2026 14:30":              at(2026, 8, 22, 14, 30),
		"22.08.2026 14:30":              at(2026, 8, 22, 14, 30),
		"OCT 18, 2021":                  at(2021, 10, 18, 0, 0),
		"18 October 2021 2:05 PM":       at(2021, 10, 18, 14, 5),
		"2026-08-22":                    at(2026, 8, 22, 0, 0),
		"1787423400000":                 1787423400000,
	} {
		d := newDesk(t)
		d.take("external_ref,title,started_at\nA,a,\""+text+"\"\n", exchange.Options{Zone: "America/Toronto"})
		if got := d.task("A").Fields.Int("started_at"); got != want {
			t.Errorf("%q is %s, want %s", text, time.UnixMilli(got).In(toronto), time.UnixMilli(want).In(toronto))
		}
	}
}

// A day that something is due on is not over at midnight before it.
func TestDueDay(t *testing.T) {
	d := newDesk(t)
	d.take("external_ref,title,due,window_start,window_end\nA,a,8/9/2026,8/9/2026,8/9/2026\n", exchange.Options{Zone: "UTC", Dates: "mdy"})
	f := d.task("A").Fields
	for name, want := range map[string]string{"due_at": "2026-08-09T23:59:00Z", "window_start": "2026-08-09T00:00:00Z", "window_end": "2026-08-09T23:59:00Z"} {
		if got := time.UnixMilli(f.Int(name)).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestWordsOfTheModelInAnyDress(t *testing.T) {
	d := newDesk(t)
	d.take("external_ref,title,status,priority,tag.urgent\nA,a,In progress,HIGH,Yes\nB,b,en-route,Low,no\n", exchange.Options{})
	a, b := d.task("A"), d.task("B")
	if a.Status != op.InProgress || a.Priority != "high" || a.Fields["tag.urgent"] != true {
		t.Errorf("A came out as %v", a.Fields)
	}
	if b.Status != op.EnRoute || b.Priority != "low" || b.Fields["tag.urgent"] == true {
		t.Errorf("B came out as %v", b.Fields)
	}
}

func TestEmptyWords(t *testing.T) {
	d := newDesk(t)
	p := d.take("Nr,title,asset\nNA,One,null\nNA,Two,Pump\n", exchange.Options{Map: []string{"title=title", "external_ref=Nr", "asset=asset"}, Null: []string{"NA,NULL"}})
	wantTally(t, p, op.Task, exchange.Tally{New: 2})
	if !strings.Contains(strings.Join(p.Remarks, "\n"), "2 rows have no external_ref") || strings.Contains(d.dump(), "null") {
		t.Errorf("remarks %v, tasks:\n%s", p.Remarks, d.dump())
	}
}

func TestTags(t *testing.T) {
	d := newDesk(t)
	d.take("external_ref,title,tags,tag.roof\nA,a,\"roof, wet  urgent\",no\n", exchange.Options{})
	f := d.task("A").Fields
	if f["tag.wet"] != true || f["tag.urgent"] != true || f["tag.roof"] == true {
		t.Errorf("tags came out as %v", f)
	}
	p := d.take("external_ref,title,tags\nA,a,urgent\n", exchange.Options{})
	wantNothing(t, p)
	bad := d.plan(readText(t, "title,tags\na,"+strings.Repeat("x", 101)+"\n", exchange.Options{}), exchange.PlanOptions{})
	wantBad(t, bad.Bad, "line 2, column 2 (tags)")
}

// People head their columns in their own words; a field's own name comes first.
func TestHeadingsOfOtherPrograms(t *testing.T) {
	d := newDesk(t)
	f := readText(t, "Work Order,Subject,Deadline,Prio,Latitude,Longitude,Site,Town,due_at,Remark\nWO-1,Pump,2026-01-01,high,53.5,-7,M1,Here,2026-12-24,x\n", exchange.Options{Zone: "UTC"})
	d.write(f, exchange.PlanOptions{})
	a := d.task("WO-1")
	if a.Title != "Pump" || a.Priority != "high" || a.DueAt != 1798156740000 || a.Site.Fields["lat"] != 53.5 || a.Site.Fields["lon"] != -7.0 || a.Site.Fields["city"] != "Here" {
		t.Errorf("%v, %v", a.Fields, a.Site.Fields)
	}
	if len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "2 columns are not fields and were passed over: Deadline, Remark") {
		t.Errorf("notes: %q", f.Notes)
	}
	// Without a site's code its address is nobody's.
	g := readText(t, "external_ref,Summary,Address\nB,Tap,1 Road\n", exchange.Options{})
	d.write(g, exchange.PlanOptions{})
	if len(g.Notes) != 1 || !strings.Contains(g.Notes[0], "Address") || d.task("B").Title != "Tap" {
		t.Errorf("notes: %q", g.Notes)
	}
}
