package server

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowStore writes one transaction a second and notes how many steps each held.
type slowStore struct {
	Records
	mu      sync.Mutex
	groups  []int
	refuse  func(steps int) error
	explode bool
}

func (s *slowStore) Write(_ context.Context, steps iter.Seq[Step]) error {
	time.Sleep(time.Second)
	n := 0
	for range 2 { // a store may go through the steps again
		n = 0
		for step := range steps {
			n++
			if _, _, err := step.Decide(step.Needs, Loaded{}); err != nil {
				return err
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = append(s.groups, n)
	if s.explode {
		s.explode = false
		panic("the store broke")
	}
	if s.refuse != nil {
		return s.refuse(n)
	}
	return nil
}

var errBad = errors.New("bad batch")

// step is one that counts its decisions, or refuses.
func step(crew string, err error) Step {
	return Step{Needs{Crews: []string{crew}}, func(Needs, Loaded) (Effects, Needs, error) { return Effects{}, Needs{}, err }}
}

// crowded writes so many batches of one crew at once and returns their errors.
func crowded(t *testing.T, l *lanes, n int, bad map[int]error) []error {
	errs := make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = errors.New("panic")
				}
			}()
			errs[i] = l.write(t.Context(), step("north", bad[i]), 1)
		})
		synctest.Wait() // so that they come one after the other
	}
	wait.Wait()
	return errs
}

func TestLaneGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{}
		l := newLanes(s, 1, silent{})
		start := time.Now()
		for i, err := range crowded(t, l, 10, map[int]error{3: errBad}) {
			if want := map[bool]error{true: errBad}[i == 3]; !errors.Is(err, want) {
				t.Errorf("batch %d: %v; want %v", i, err, want)
			}
		}
		if len(s.groups) != 2 || s.groups[0] != 1 || s.groups[1] != 9 || time.Since(start) != 2*time.Second {
			t.Errorf("transactions of %v batches in %v; want the first alone and the rest together", s.groups, time.Since(start))
		}
	})
}

// TestLaneTriesAlone: what the store refuses as a whole is tried one by one, so
// that one batch does not take the others with it; a busy store is not.
func TestLaneTriesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		s := &slowStore{refuse: func(n int) error {
			if n > 1 {
				return refused
			}
			return nil
		}}
		for i, err := range crowded(t, newLanes(s, 1, silent{}), 4, nil) {
			if err != nil {
				t.Errorf("batch %d: %v", i, err)
			}
		}
		busy := &slowStore{refuse: func(int) error { return ErrBusy }}
		for i, err := range crowded(t, newLanes(busy, 1, silent{}), 4, nil) {
			if !errors.Is(err, ErrBusy) {
				t.Errorf("batch %d: %v", i, err)
			}
		}
		if len(busy.groups) != 2 {
			t.Errorf("a busy store was asked %d times for 4 batches", len(busy.groups))
		}
	})
}

// TestLaneGoesOn: a store that breaks answers all that were in the transaction,
// and the next one is written.
func TestLaneGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{explode: true}
		l := newLanes(s, 1, silent{})
		errs := crowded(t, l, 3, nil)
		if errs[0] == nil || errs[1] != nil || errs[2] != nil {
			t.Errorf("%v; want the first broken off, the others written", errs)
		}
		if err := l.write(t.Context(), step("north", nil), 1); err != nil {
			t.Error(err)
		}
	})
}

// TestLaneLeft: who goes away while waiting is not written; who goes away while
// being written keeps nobody else from it.
func TestLaneLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{}
		l := newLanes(s, 1, silent{})
		gone, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		var errs [3]error
		for i, ctx := range []context.Context{gone, gone, t.Context()} { // the first leads, the second waits
			wait.Go(func() { errs[i] = l.write(ctx, step("north", nil), 1) })
			synctest.Wait()
		}
		cancel()
		wait.Wait()
		if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || errs[2] != nil {
			t.Errorf("%v; want written, given up, written", errs)
		}
		if len(s.groups) != 2 || s.groups[1] != 1 {
			t.Errorf("transactions of %v batches", s.groups)
		}
	})
}

// TestLanesApart: other crews do not wait for each other where the store gains from it.
func TestLanesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLanes(&slowStore{}, 64, silent{})
		crews := []string{"crew"}
		for n := 0; len(crews) < 4; n++ { // the lanes are chance; these are different ones
			name := fmt.Sprint("crew", n)
			if !slices.ContainsFunc(crews, func(c string) bool { return l.laneOf([]string{c}) == l.laneOf([]string{name}) }) {
				crews = append(crews, name)
			}
		}
		start := time.Now()
		var wait sync.WaitGroup
		for _, crew := range crews {
			wait.Go(func() {
				if err := l.write(t.Context(), step(crew, nil), 1); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if time.Since(start) != time.Second {
			t.Errorf("four crews took %v, one takes a second", time.Since(start))
		}
	})
}
