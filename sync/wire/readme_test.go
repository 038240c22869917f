package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// examples are the README's fenced blocks by what stands behind the fence.
func examples(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, m := range regexp.MustCompile("(?ms)^ *```([^\n]+)\n(.*?)^ *```$").FindAllStringSubmatch(string(text), -1) {
		out[m[1]] = append(out[m[1]], m[2])
	}
	return out
}

// decode reads an example; a member that the message does not have is an error.
func decode[T any](t *testing.T, example string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(example))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Errorf("%T: %v\n%s", v, err, example)
	}
	return v
}

// one is the only example of its name.
func one[T any](t *testing.T, name string) T {
	t.Helper()
	all := examples(t)["json "+name]
	if len(all) != 1 {
		t.Fatalf("%d examples of %s, want 1", len(all), name)
	}
	return decode[T](t, all[0])
}

// TestReadmeExamples: each example is a message of this protocol, whole, with
// no member too many, and nothing shown is left unread by these tests.
func TestReadmeExamples(t *testing.T) {
	if p := one[wire.Problem](t, "Problem"); p.Code != wire.CodeBadCode || p.Message == "" {
		t.Errorf("%+v", p)
	}
	if e := one[wire.Enroll](t, "Enroll"); len(wire.NormalCode(e.Code)) != wire.CodeLength || e.Nonce == "" {
		t.Errorf("%+v", e)
	}
	for name, blocks := range examples(t) {
		if strings.HasPrefix(name, "json ") && !strings.Contains(" Problem Enroll Enrolled Ping op Batch Results Changes Past Common Digest Leaf ", name[4:]+" ") {
			t.Errorf("no test reads the examples %q (%d)", name, len(blocks))
		}
	}
}

func TestReadmeOps(t *testing.T) {
	blocks := examples(t)["json op"]
	if len(blocks) != 2 {
		t.Fatalf("%d ops, want the full and the plain form", len(blocks))
	}
	full := decode[op.Op](t, blocks[0])
	var plain op.Op // has members that mean nothing
	if err := json.Unmarshal([]byte(blocks[1]), &plain); err != nil {
		t.Fatal(err)
	}
	for _, o := range []op.Op{full, plain, one[wire.Batch](t, "Batch").Ops[0]} {
		if r := op.Check(&o); r != nil {
			t.Errorf("the example %+v is refused: %v", o, r)
		}
	}
	if full.Base != 17 || full.Schema != op.Schema || plain.Time() != 1763800500000 {
		t.Errorf("%+v\n%+v", full, plain)
	}
}

// TestReadmeConflict plays the story that the README tells, and holds the
// answers that it shows against what merge and protocol make of it.
func TestReadmeConflict(t *testing.T) {
	enrolled := one[wire.Enrolled](t, "Enrolled")
	ann := op.Author{Device: enrolled.DeviceID, User: "ann"}
	bob := op.Author{Device: "9d4f7a10-5c3e-4b2a-a1f0-7e6d5c4b3a29", User: "bob"}
	hers := one[wire.Batch](t, "Batch").Ops[0]
	his := decode[op.Op](t, regexp.MustCompile(`"id":7,|,"retry_count":0`).ReplaceAllString(examples(t)["json op"][1], ""))
	his.Base = 17
	his.Fields["started_at"] = int64(1763798000000) // his screen names the whole register
	rec := &op.Record{Kind: op.Task, ID: hers.Entity, Crew: "north", Version: 17,
		Fields: op.Fields{"title": "Boiler inspection", "number": "T-10423", "status": "IN_PROGRESS", "started_at": int64(1763798000000)},
		Registers: map[string]op.Register{"title": {Time: 1763790000000, Device: bob.Device, User: "bob", Version: 12},
			"status": {Time: 1763798000000, Device: ann.Device, User: "ann", Version: 17}}}
	first := op.Merge(rec, his, bob, op.Moment{Now: 1763800500100, Version: 18})
	second := op.Merge(first.Record, hers, ann, op.Moment{Now: 1763801000000, Version: 19})
	if first.Outcome != op.Applied || len(second.Conflicts) != 1 {
		t.Fatalf("%+v\n%+v", first, second)
	}
	lost, overrode := wire.TellConflict(second.Conflicts[0], true), wire.TellConflict(second.Conflicts[0], false)

	result := wire.Result{OpID: hers.ID, Outcome: second.Outcome, Version: 19, Stamp: second.Stamp,
		ServerState: second.Record.State(), Lost: []wire.Conflict{lost}}
	same(t, "result", one[wire.Results](t, "Results").Results[0], result)

	page := one[wire.Changes](t, "Changes")
	same(t, "change", page.Changes[0], wire.Change{EntityType: op.Task, EntityID: hers.Entity, Crew: "north", Version: 19, By: "ann", ServerState: second.Record.State()})
	same(t, "conflict", page.Conflicts[0], overrode)
}

// TestReadmeDigest: the sum that the README shows is that of the lines it shows,
// and of the record.
func TestReadmeDigest(t *testing.T) {
	digest, leaf, page := one[wire.Digest](t, "Digest"), one[wire.Leaf](t, "Leaf"), one[wire.Changes](t, "Changes")
	record := leaf.Records[0]
	same(t, "record of a leaf", record, page.Changes[0])
	want := op.Digest{}.With(op.SumOf(record.EntityType, record.ServerState))
	lines := examples(t)["sumtext"]
	if len(lines) != 1 || want.Sum != op.Sum(sha256.Sum256([]byte(lines[0]))) {
		t.Errorf("the README shows the lines\n%s", lines)
	}
	if digest.Digest != want || page.Digest["north"] != digest.Stand || digest.Version != leaf.Version || op.LeafName(op.LeafOf(record.EntityID)) != leaf.Leaf {
		t.Errorf("the README shows %+v; it is %+v", digest, want)
	}
}

func same(t *testing.T, what string, shown, true any) {
	t.Helper()
	texts := [2][]byte{}
	for i, v := range []any{shown, true} {
		var err error
		if texts[i], err = json.MarshalIndent(v, "", " "); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Errorf("the README shows the %s\n%s\nit is\n%s", what, texts[0], texts[1])
	}
}

// TestReadmePing: the signature that the README shows is the key's, over the
// bytes it shows, and the invite names that key.
func TestReadmePing(t *testing.T) {
	ping, enrolled := one[wire.Ping](t, "Ping"), one[wire.Enrolled](t, "Enrolled")
	key, err := base64.RawURLEncoding.DecodeString(enrolled.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(ping.Signature)
	if err != nil {
		t.Fatal(err)
	}
	text := wire.PingText(ping.Nonce, ping.ServerID, ping.Time)
	if shown := examples(t)["pingtext"]; len(shown) != 1 || shown[0] != string(text) {
		t.Errorf("the README shows the bytes %q, they are %q", shown, text)
	}
	if !ed25519.Verify(key, text, signature) {
		t.Error("the signature is not the key's")
	}
	line, err := json.Marshal(ping)
	if err != nil || len(line) > 400 {
		t.Errorf("a ping of %d bytes (%v); at most 400", len(line), err)
	}
	invite, err := wire.ParseInvite(examples(t)["invite"][0])
	if err != nil || invite.Fingerprint != wire.Fingerprint(key) || invite.Code != one[wire.Enroll](t, "Enroll").Code {
		t.Errorf("%+v, %v; the key's fingerprint is %s", invite, err, wire.Fingerprint(key))
	}
}

// TestReadmeNames: what the code has a name for, the page names too.
func TestReadmeNames(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{wire.PathHealth, wire.PathReady, wire.PathPing, wire.PathEnroll, wire.PathSync, wire.PathBatch, wire.PathChanges, wire.PathDigest,
		wire.HeaderProtocol, wire.HeaderServer, wire.HeaderTime, wire.HeaderClient, wire.HeaderPending, wire.HeaderOffset} {
		if !strings.Contains(string(text), name) {
			t.Errorf("the README does not name %s", name)
		}
	}
	for _, name := range []string{wire.CodeBadRequest, wire.CodeUnauthorised, wire.CodeRevoked, wire.CodeBadCode, wire.CodeTooLarge, wire.CodeTooMany,
		wire.CodeBadCursor, wire.CodeBehind, wire.CodeNoCrew, wire.CodeReset, wire.CodeBusy, wire.CodeInternal, wire.CodeNoRoute, string(op.CodeForked), string(op.CodeGroup), string(op.CodeNotFound),
		string(op.Applied), string(op.Merged), string(op.Conflicted), string(op.Rejected), string(op.Retry),
		string(op.WhyLater), string(op.WhyTie), string(op.WhyFuture), string(op.WhyDeleted), wire.SideLost, wire.SideOverrode} {
		if !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), `"`+name+`"`) {
			t.Errorf("the README does not name %s", name)
		}
	}
	conflict := reflect.TypeFor[wire.Conflict]()
	for i := range conflict.NumField() {
		name, _, _ := strings.Cut(conflict.Field(i).Tag.Get("json"), ",")
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("the README does not say what a conflict's %s is", name)
		}
	}
}
