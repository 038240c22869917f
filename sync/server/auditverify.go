package server

import (
	"context"
	"encoding/json"
	"fmt"
)

// Verified is what a check of the audit found.
type Verified struct {
	Entries int64
	Links   int64    // fingerprints that were computed anew
	Faults  []string // what is wrong, a sentence each; no more than [maxFaults] of a chain
}

// maxFaults of one chain are told: behind a missing entry many may not fit.
const maxFaults = 5

// VerifyAudit computes every seal anew, and every fingerprint that an entry
// tells of, and holds them against what is stored. What was changed together
// with all that follows, fingerprints included, is not found here but by the
// devices, which remember them.
func (s *Server) VerifyAudit(ctx context.Context) (Verified, error) {
	names, err := s.crewNames(ctx)
	if err != nil {
		return Verified{}, fmt.Errorf("verify the audit: %w", err)
	}
	ends, err := s.store.Load(ctx, Needs{Crews: names})
	if err != nil {
		return Verified{}, fmt.Errorf("verify the audit: %w", err)
	}
	end, err := s.store.Setting(ctx, AuditEnd, "")
	if err != nil {
		return Verified{}, fmt.Errorf("verify the audit: %w", err)
	}
	v := &verifier{s: s, ctx: ctx}
	no, seal := ReadEnd(end)
	if err := v.chain("", no, seal); err != nil {
		return v.Verified, err
	}
	for _, name := range names {
		if err := v.chain(name, ends.Crews[name].Entries, ends.Crews[name].Seal); err != nil {
			return v.Verified, err
		}
	}
	return v.Verified, nil
}

type verifier struct {
	Verified
	s   *Server
	ctx context.Context

	crew   string
	faults int
	seals  map[int64]string // the newest of the chain that is being walked
	marks  map[Mark]string  // fingerprints as computed, to be held against the stored ones
}

// windowOfSeals is how far back a link may look: a unit of ops is at most a batch.
const windowOfSeals = 2 * entriesAtOne

func (v *verifier) fault(format string, args ...any) {
	if v.faults++; v.faults <= maxFaults {
		v.Faults = append(v.Faults, v.name()+": "+fmt.Sprintf(format, args...))
	}
}

func (v *verifier) name() string {
	if v.crew == "" {
		return "the server's own chain"
	}
	return "crew " + v.crew
}

// chain walks one chain up to its end as it was known before: what came
// meanwhile is beyond it.
func (v *verifier) chain(crew string, last int64, seal string) error {
	v.crew, v.faults, v.seals, v.marks = crew, 0, map[int64]string{0: ""}, map[Mark]string{}
	at, before := int64(0), ""
	for e, err := range v.s.chain(v.ctx, crew, 0) {
		if err != nil {
			return err
		}
		if e.No > last {
			break
		}
		switch {
		case e.No != at+1:
			v.fault("entry %d is missing", at+1)
		case e.Seal != e.sealed(before):
			v.fault("entry %d was changed", e.No)
		}
		if err := v.links(e); err != nil {
			return err
		}
		at, before = e.No, e.Seal
		v.seals[at] = before
		delete(v.seals, at-windowOfSeals)
		v.Entries++
	}
	if at != last || before != seal {
		v.fault("it ends with entry %d, and not as entry %d was sealed", at, last)
	}
	return v.compare()
}

// links computes the fingerprints that an entry tells of.
func (v *verifier) links(e Entry) error {
	var d opDetail
	if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
		v.fault("entry %d cannot be read", e.No)
		return nil
	}
	for _, n := range d.Links {
		seal, err := v.sealAt(n.Crew, n.After)
		if err != nil {
			return err
		}
		v.marks[Mark{n.Crew, n.Version}] = n.fingerprint(seal, d.digest(e))
	}
	if len(v.marks) >= entriesAtOne {
		return v.compare()
	}
	return nil
}

func (v *verifier) sealAt(crew string, no int64) (string, error) {
	if seal, known := v.seals[no]; known && crew == v.crew || no == 0 {
		return seal, nil
	}
	page, err := v.s.store.Entries(v.ctx, crew, no-1, 1)
	if err != nil || len(page) == 0 {
		return "", err
	}
	return page[0].Seal, nil
}

// compare holds what was computed against what is stored.
func (v *verifier) compare() error {
	needs := Needs{}
	for m := range v.marks {
		needs.Marks = append(needs.Marks, m)
	}
	if len(needs.Marks) == 0 {
		return nil
	}
	loaded, err := v.s.store.Load(v.ctx, needs)
	if err != nil {
		return fmt.Errorf("verify the audit: %w", err)
	}
	for m, want := range v.marks {
		v.Links++
		if loaded.Fingerprints[m] != want {
			v.fault("version %d of %s is not what the audit tells of", m.Version, m.Crew)
		}
	}
	clear(v.marks)
	return nil
}
