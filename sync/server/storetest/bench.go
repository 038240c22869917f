package storetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// Bench measures what a server does most, over a store: it decides and writes a
// batch of 200, knows one for a repeat, and tells a page of changes. Open is as
// for [Run].
func Bench(b *testing.B, open func(testing.TB) server.Store) {
	const size = 200
	r := NewRig(b, open(b))
	r.User("ann", op.Technician, "north")
	d, work := r.Enrol("ann"), &Visits{}
	by := server.Author{Device: d.ID, User: "ann", Role: op.Technician, Crews: []string{"north"}}
	apply := func(ops []op.Op, repeat bool) {
		results, err := r.Server.Apply(b.Context(), by, ops)
		if err != nil {
			b.Fatal(err)
		}
		for _, res := range results {
			if res.Outcome != op.Applied || res.Duplicate != repeat {
				b.Fatalf("%+v", res)
			}
		}
	}
	last := work.Take(size, r.Time())
	apply(last, false)
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			last = work.Take(size, r.Time())
			b.StartTimer()
			apply(last, false)
		}
	})
	b.Run("repeat", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			apply(last, true)
		}
	})
	for range 5 {
		apply(work.Take(size, r.Time()), false)
	}
	b.Run("page", func(b *testing.B) {
		handler := r.Server.Handler()
		ask := httptest.NewRequestWithContext(b.Context(), http.MethodGet, fmt.Sprintf("%s?limit=%d", wire.PathChanges, 500), nil)
		ask.Header.Set("Authorization", "Bearer "+d.Token)
		b.ReportAllocs()
		for b.Loop() {
			answer := httptest.NewRecorder()
			r.Now.Add(1000) // the clock that the rate is held to stands still
			if handler.ServeHTTP(answer, ask); answer.Code != http.StatusOK {
				b.Fatalf("%d %s", answer.Code, answer.Body)
			}
		}
	})
}
