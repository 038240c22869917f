package server_test

import (
	"bytes"
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// The day that BenchmarkGrowth plays, of each device, and the machine it plays on.
const (
	dayOps     = 50 // written, in batches of …
	batchOps   = 5
	dayHeard   = 50      // changes of colleagues, each in a look of its own
	dayLooks   = 10 * 60 // looks in all: one a minute
	daySeconds = 10 * 60 * 60
	peak       = 3 // times the day's mean, in the busiest hour
	yearDays   = 250
	streamKiB  = 34     // an open stream's memory: P18
	streamsAt  = 10_000 // of one process: the limit of connections
	cores      = 2      // as here, of which half may be used at the peak
	diskTB     = 2
)

// BenchmarkGrowth measures what a written op, a look that hears nothing and one
// that hears a change cost the server here (handlers, rules and embedded store:
// CPU of the process, so that neither the disk's patience nor other programs
// count; TCP and TLS are not in it), what they weigh on the wire as gzip and on
// the disk, and works out days of 1,000 to 1,000,000 devices from that.
func BenchmarkGrowth(b *testing.B) {
	c := measureCosts(b)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(c.op*1e6, "cpu_us/op")
	b.ReportMetric(c.idle*1e6, "cpu_us/idle_look")
	b.ReportMetric(c.heard*1e6, "cpu_us/heard")
	b.ReportMetric(c.opUp, "up_B/op")
	b.ReportMetric(c.opDown, "down_B/op")
	b.ReportMetric(c.idleDown, "down_B/idle_look")
	b.ReportMetric(c.heardDown, "down_B/heard")
	b.ReportMetric(c.stored, "stored_B/op")
	b.Log("\n" + growthTable(c))
}

// costs are of one thing each: seconds of CPU, or bytes.
type costs struct{ op, idle, heard, opUp, opDown, idleDown, heardDown, stored float64 }

func measureCosts(b *testing.B) (c costs) {
	path := filepath.Join(b.TempDir(), "d.db")
	r := storetest.NewRig(b, openStore(b, path))
	r.User("ann", op.Technician, "north")
	d, work := r.Enrol("ann"), &storetest.Visits{}
	handler := r.Server.Handler()
	ask := func(method, path string, body any) (*httptest.ResponseRecorder, int) {
		text, err := json.Marshal(body)
		if err != nil {
			b.Fatal(err)
		}
		req := httptest.NewRequestWithContext(b.Context(), method, path, bytes.NewReader(text))
		req.Header.Set("Authorization", "Bearer "+d.Token)
		req.Header.Set("Accept-Encoding", "gzip")
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if rec.Code != http.StatusOK {
			b.Fatalf("%d %s", rec.Code, rec.Body)
		}
		return rec, len(text)
	}
	push := func(n int) (up, down int) {
		rec, up := ask(http.MethodPost, wire.PathBatch, wire.Batch{Ops: work.Take(n, r.Time())})
		return up, rec.Body.Len()
	}
	const times = 400
	push(batchOps)
	before, from := sizeOf(b, path), cpuSeconds()
	for range times {
		up, down := push(batchOps)
		c.opUp, c.opDown = c.opUp+float64(up), c.opDown+float64(down)
	}
	c.op, c.stored = cpuSeconds()-from, float64(sizeOf(b, path)-before)
	d.Pull()
	look := func() int {
		rec, _ := ask(http.MethodGet, wire.PathChanges+"?since="+d.Cursor+"&limit=500", nil)
		return rec.Body.Len()
	}
	from = cpuSeconds()
	for range times {
		c.idleDown += float64(look())
	}
	c.idle = cpuSeconds() - from
	push(1)
	from = cpuSeconds()
	for range times {
		c.heardDown += float64(look())
	}
	c.heard = cpuSeconds() - from
	for _, v := range []*float64{&c.op, &c.opUp, &c.opDown, &c.stored} {
		*v /= times * batchOps
	}
	for _, v := range []*float64{&c.idle, &c.heard, &c.idleDown, &c.heardDown} {
		*v /= times
	}
	return c
}

// sizeOf is what a database holds on the disk: its pages.
func sizeOf(b *testing.B, path string) int64 {
	db, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var pages, size int64
	if err := db.QueryRowContext(b.Context(), `SELECT page_count, page_size FROM pragma_page_count, pragma_page_size`).Scan(&pages, &size); err != nil {
		b.Fatal(err)
	}
	return pages * size
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// growthTable is a row for each size of the company.
func growthTable(c costs) string {
	var t strings.Builder
	t.WriteString("devices    requests/s  ops/s at peak  MB/s at peak  GB a day  TB a year  cores at peak  streams GiB  used\n")
	for _, devices := range []float64{1e3, 1e4, 1e5, 1e6} {
		mean := devices / daySeconds
		requests, ops := peak*mean*(dayLooks+dayOps/batchOps), peak*mean*dayOps
		busy := peak * mean * (dayOps*c.op + dayHeard*c.heard + (dayLooks-dayHeard)*c.idle)
		bytes := peak * mean * (dayOps*(c.opUp+c.opDown) + dayHeard*c.heardDown + (dayLooks-dayHeard)*c.idleDown)
		day := devices * dayOps * c.stored
		streams := devices * streamKiB / (1 << 20)
		fmt.Fprintf(&t, "%-9.0f  %10.0f  %13.1f  %12.1f  %8.2f  %9.2f  %13.2f  %11.2f  %s\n",
			devices, requests, ops, bytes/1e6, day/1e9, yearDays*day/1e12, busy, streams, limits(map[string]float64{
				fmt.Sprintf("half of %d cores", cores): busy / (cores * 0.5),
				"streams of one process":               devices / streamsAt,
				fmt.Sprintf("%d TB in a year", diskTB): yearDays * day / (diskTB * 1e12),
			}))
	}
	return t.String()
}

// limits says how much of each resource is used, the shortest first.
func limits(used map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(used), func(a, b string) int { return cmp.Or(cmp.Compare(used[b], used[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %.0f %%", name, 100*used[name])
	}
	return strings.Join(names, ", ")
}
