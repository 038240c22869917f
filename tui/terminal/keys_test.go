package terminal_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/tui/terminal"
	"pgregory.net/rapid"
)

// input is something a terminal sends and the keys it stands for.
type input struct {
	name, bytes string
	keys        []string
}

func key(s string) input { return input{s, s, []string{s}} }

var inputs = []input{
	key("a"), key("Z"), key(" "), key("\r"), key("\t"), key("\x03"), key("\x7f"), key("\x00"),
	key("é"), key("漢"), key("👷"),
	key("\x1b[A"), key("\x1b[B"), key("\x1b[1;5C"), key("\x1b[Z"), key("\x1b[5~"), key("\x1b[15;2~"), key("\x1b[H"),
	key("\x1bOA"), key("\x1bOP"), key("\x1b[[A"), key("\x1b[7$"), key("\x1b[8^"), key("\x1b[c"), key("\x1b[OA"), key("\x1b[1;2R"),
	key("\x1bj"), key("\x1bé"), key("\x1b\r"), key("\x1b\x1b[A"), key("\x1b\x1bOB"),
	key("\x1b[<0;10;20M"), key("\x1b[<64;1;2m"), key("\x1b[M !!"),
	key("\x1b[200~two\rlines, 漢 and \x1b[A\x1b[20\x1b[201~"),
	key("\x1b\x7f"), // deletes a word
	key("\x1b\x08"), // does so where backspace is ^H
	{"escape and ctrl+n in one packet", "\x1b\x0e", []string{"\x1b", "\x0e"}},
	{"escape and tab", "\x1b\t", []string{"\x1b", "\t"}},
	{"escape and ctrl+c", "\x1b\x03", []string{"\x1b", "\x03"}},
	{"escape, ctrl+s, a letter", "\x1b\x13q", []string{"\x1b", "\x13", "q"}},
	{"application home", "\x1bOH", []string{"\x1b[H"}},
	{"application end", "\x1bOF", []string{"\x1b[F"}},
	{"application enter", "\x1bOM", []string{"\r"}},
	{"escape and a paste", "\x1b\x1b[200~x\x1b[201~", []string{"\x1b", "\x1b[200~x\x1b[201~"}},
	{"several keys", "jjk\x1b[A\x1b[Aq", []string{"j", "j", "k", "\x1b[A", "\x1b[A", "q"}},
	{"empty paste", "\x1b[200~\x1b[201~", nil},
	{"end of a paste alone", "\x1b[201~", nil},
	{"background colour", "\x1b]11;rgb:1111/2222/3333\x07", nil},
	{"background colour, ST", "\x1b]11;rgb:1111/2222/3333\x1b\\", nil},
	{"version", "\x1bP>|XTerm(370)\x1b\\", nil},
	{"graphics", "\x1b_Gi=1;OK\x1b\\", nil},
	{"cursor report", "\x1b[24;80R", nil},
	{"device", "\x1b[?64;1;2c", nil},
	{"second device", "\x1b[>41;370;0c", nil},
	{"status", "\x1b[0n", nil},
	{"mode", "\x1b[?2026;2$y", nil},
	{"window", "\x1b[8;24;80t", nil},
	{"focus in", "\x1b[I", nil},
	{"no text", "\xff\xfe\xc3(", []string{"("}},
	{"C1", "\xc2\x9bA", []string{"A"}},
	{"broken off", "\x1b[12\x03", []string{"\x03"}},
	{"string broken off", "\x1b]11;rgb\x1b[A", []string{"\x1b[A"}},
}

// collect takes all keys that are ready.
func collect(k *terminal.Keys) (keys []string) {
	for key := k.Next(); key != nil; key = k.Next() {
		keys = append(keys, string(key))
	}
	return keys
}

func TestKeysWholeAndInEveryTwoPieces(t *testing.T) {
	for _, in := range inputs {
		t.Run(fmt.Sprintf("%q", in.name), func(t *testing.T) {
			for cut := 0; cut <= len(in.bytes); cut++ {
				k, now := terminal.NewKeys(terminal.KeyLimits{}), time.Unix(1000, 0)
				k.Feed(now, []byte(in.bytes[:cut]))
				k.Feed(now.Add(terminal.DefaultWait-1), []byte(in.bytes[cut:]))
				if got := collect(k); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", in.keys) {
					t.Fatalf("cut at %d: %q, want %q", cut, got, in.keys)
				}
				if _, waiting := k.Deadline(); waiting {
					t.Fatalf("cut at %d: still waiting", cut)
				}
			}
		})
	}
}

// However a stream of input is cut into packets, the keys are the same.
func TestKeysDoNotDependOnPackets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var stream strings.Builder
		var want []string
		for range rapid.IntRange(1, 12).Draw(rt, "inputs") {
			in := rapid.SampledFrom(inputs).Draw(rt, "input")
			stream.WriteString(in.bytes)
			want = append(want, in.keys...)
		}
		k, now := terminal.NewKeys(terminal.KeyLimits{}), time.Unix(1000, 0)
		var got []string
		for rest := stream.String(); rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "packet")
			k.Feed(now, []byte(rest[:n]))
			got = append(got, collect(k)...)
			now, rest = now.Add(terminal.DefaultWait-1), rest[n:]
			if due, waiting := k.Deadline(); waiting && now.Before(due) {
				k.Expire(now)
			}
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			rt.Fatalf("stream %q:\n got %q\nwant %q", stream.String(), got, want)
		}
	})
}

// Any bytes at all: no panic, nothing kept for ever, one key at a time.
func TestKeysOfAnyBytes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		alphabet := rapid.SampledFrom([]byte("\x1b\x1b[]OP_M<;$~0129ARac\x07\\\xc3\xa9\xff\x00 "))
		k, now := terminal.NewKeys(terminal.KeyLimits{Paste: 8}), time.Unix(1000, 0)
		for range rapid.IntRange(1, 6).Draw(rt, "packets") {
			k.Feed(now, rapid.SliceOfN(alphabet, 1, 30).Draw(rt, "packet"))
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond)
			k.Expire(now)
		}
		for range 3 { // a paste may be given up, and what is left after it
			now = now.Add(time.Minute)
			k.Expire(now)
		}
		if _, waiting := k.Deadline(); waiting {
			rt.Fatalf("still waiting")
		}
		for _, key := range collect(k) {
			if key == "" {
				rt.Fatalf("an empty key")
			}
		}
	})
}

func TestKeysFlush(t *testing.T) {
	for _, in := range []input{
		{"escape", "\x1b", []string{"\x1b"}},
		{"twice", "\x1b\x1b", []string{"\x1b", "\x1b"}},
		{"alt bracket", "\x1b[", []string{"\x1b["}},
		{"alt O", "\x1bO", []string{"\x1bO"}},
		{"alt ]", "\x1b]", []string{"\x1b]"}},
		{"alt P", "\x1bP", []string{"\x1bP"}},
		{"half a letter", "\xe6\xbc", nil},
		{"alt and half a letter", "\x1b\xe6\xbc", []string{"\x1b"}},
		{"half a sequence", "\x1b[1;5", nil},
		{"half a report", "\x1b]11;rgb:11", nil},
	} {
		k, now := terminal.NewKeys(terminal.KeyLimits{Wait: time.Second, Lost: 5 * time.Second}), time.Unix(1000, 0)
		k.Feed(now, []byte(in.bytes))
		if k.Expire(now.Add(time.Second - 1)); collect(k) != nil {
			t.Errorf("%s: a key before its time", in.name)
		}
		k.Expire(now.Add(5 * time.Second))
		if got := collect(k); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", in.keys) {
			t.Errorf("%s: %q, want %q", in.name, got, in.keys)
		}
		k.Feed(now.Add(6*time.Second), []byte("x"))
		if got := collect(k); fmt.Sprint(got) != "[x]" {
			t.Errorf("%s: then %q, want x", in.name, got)
		}
	}
}

func TestLostPasteGivesTheKeysBack(t *testing.T) {
	k, now := terminal.NewKeys(terminal.KeyLimits{}), time.Unix(1000, 0)
	k.Feed(now, []byte("\x1b[200~half of it"))
	k.Feed(now.Add(time.Second), []byte("\x03")) // typed, in despair
	k.Expire(now.Add(2*time.Second - 1))
	if got := collect(k); got != nil {
		t.Fatalf("%q before the time is over", got)
	}
	k.Expire(now.Add(2 * time.Second))
	if got := collect(k); len(got) != 1 || got[0] != "\x1b[200~half of it\x03\x1b[201~" {
		t.Fatalf("given up as %q", got)
	}
	k.Feed(now.Add(3*time.Second), []byte("\x03"))
	if got := collect(k); len(got) != 1 || got[0] != "\x03" {
		t.Fatalf("then %q, want ctrl+c", got)
	}
}

// A link that stalls in the middle of a paste must not turn the rest into keys.
func TestPasteGoesOnAfterAStall(t *testing.T) {
	k, now := terminal.NewKeys(terminal.KeyLimits{}), time.Unix(1000, 0)
	k.Feed(now, []byte("\x1b[200~first "))
	now = now.Add(30 * time.Second)
	k.Expire(now)
	k.Feed(now, []byte("then the rest of it, q d y"))
	k.Feed(now, []byte(" end\x1b[201~j"))
	want := []string{"\x1b[200~first \x1b[201~", "\x1b[200~then the rest of it, q d y end\x1b[201~", "j"}
	if got := collect(k); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Fatalf("%q, want %q", got, want)
	}
	k.Feed(now, []byte("jjjjjjjjjjjjjjjjjjjj"))
	if got := collect(k); len(got) != 20 {
		t.Fatalf("%q after the paste has ended, want 20 keys", got)
	}
}

// A long paste over a slow line lasts longer than the limit and stays a paste.
func TestSlowPasteStaysAPaste(t *testing.T) {
	k, now := terminal.NewKeys(terminal.KeyLimits{}), time.Unix(1000, 0)
	k.Feed(now, []byte("\x1b[200~"))
	for range 200 {
		k.Feed(now, []byte("0123456789abcdef"))
		now = now.Add(100 * time.Millisecond)
		k.Expire(now)
	}
	if got := collect(k); got != nil {
		t.Fatalf("given up after 20 s at 160 bytes a second: %d pieces", len(got))
	}
	k.Feed(now, []byte("\x1b[201~"))
	if got := collect(k); len(got) != 1 || len(got[0]) != 3200+12 {
		t.Fatalf("%d pieces", len(got))
	}
}

func TestLargePasteComesInPieces(t *testing.T) {
	k, now := terminal.NewKeys(terminal.KeyLimits{}), time.Unix(1000, 0)
	text := strings.Repeat("漢字 and some text\r", 500_000) // about 10 MB
	stream := []byte("\x1b[200~" + text + "\x1b[201~q")
	var got bytes.Buffer
	pieces := 0
	for len(stream) > 0 {
		n := min(len(stream), 4001)
		k.Feed(now, stream[:n])
		stream = stream[n:]
		for _, key := range collect(k) {
			if key == "q" && len(stream) == 0 {
				continue
			}
			piece, ok := strings.CutPrefix(key, "\x1b[200~")
			if !ok || len(piece) > terminal.DefaultPaste+6 {
				t.Fatalf("a key of %d bytes: %.20q", len(key), key)
			}
			got.WriteString(strings.TrimSuffix(piece, "\x1b[201~"))
			pieces++
		}
	}
	if got.String() != text {
		t.Fatalf("the text of %d bytes came as another of %d", len(text), got.Len())
	}
	t.Logf("%d bytes in %d pieces", len(text), pieces)
}
