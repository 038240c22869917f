package wire_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"example.com/punchlist/sync/wire"
)

// enroller grants a token for the code GOOD; each nonce may ask again.
type enroller struct {
	lose  int32 // so many answers are lost after their effect
	asked atomic.Int32
	nonce atomic.Value
	grant wire.Enrolled
}

func newEnroller() *enroller {
	return &enroller{grant: wire.Enrolled{DeviceID: "d1", Token: "plk1_T", User: "ann", ServerID: serverID, ServerKey: publicKey}}
}

func (e *enroller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != wire.PathEnroll {
		honest(w, r)
		return
	}
	var req wire.Enroll
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		panic(err)
	}
	used := e.nonce.Swap(req.Nonce)
	if req.Code != "GOOD" || used != nil && used != req.Nonce {
		refuse(w, http.StatusForbidden, wire.CodeBadCode)
		return
	}
	if e.asked.Add(1) <= e.lose {
		panic(http.ErrAbortHandler) // the code is used, the answer never arrives
	}
	answer(w, e.grant)
}

func enrollWith(t *testing.T, h http.Handler, code, fingerprint string) (wire.Enrolled, error) {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	c, err := wire.NewClient(wire.ClientOptions{BaseURL: s.URL, Version: "1.0"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Hangup()
	return c.Enroll(t.Context(), wire.Enroll{Code: code, DeviceName: "van 7"}, fingerprint)
}

var ourPrint = wire.Fingerprint(serverKey.Public().(ed25519.PublicKey))

func TestEnrollSurvivesALostAnswer(t *testing.T) {
	for _, lose := range []int32{0, 1, 2, 99} {
		t.Run(strconv.Itoa(int(lose))+" answers lost", func(t *testing.T) {
			t.Parallel()
			e := newEnroller()
			e.lose = lose
			got, err := enrollWith(t, e, "GOOD", ourPrint)
			if lose < 99 && (err != nil || got.Token != "plk1_T") {
				t.Errorf("%+v, %v", got, err)
			}
			var lost *wire.Unreachable
			if lose == 99 && (!errors.As(err, &lost) || e.asked.Load() > 6) {
				t.Errorf("%v after %d tries", err, e.asked.Load())
			}
		})
	}
}

func TestEnrollNamesARefusedCode(t *testing.T) {
	_, err := enrollWith(t, newEnroller(), "USED", ourPrint)
	var refused *wire.ServerError
	if !errors.As(err, &refused) || refused.Problem.Code != wire.CodeBadCode {
		t.Fatalf("got %v", err)
	}
}

func TestEnrollTrustsOnlyTheInvitesKey(t *testing.T) {
	other := ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes: 0003")).Public().(ed25519.PublicKey)
	for name, tc := range map[string]struct {
		change      func(g *wire.Enrolled)
		fingerprint string
	}{
		"another fingerprint":         {func(*wire.Enrolled) {}, wire.Fingerprint(other)},
		"no fingerprint":              {func(*wire.Enrolled) {}, ""},
		"a key it does not own":       {func(g *wire.Enrolled) { g.ServerKey = base64.RawURLEncoding.EncodeToString(other) }, wire.Fingerprint(other)},
		"no key":                      {func(g *wire.Enrolled) { g.ServerKey = "" }, ourPrint},
		"another id than it answered": {func(g *wire.Enrolled) { g.ServerID = "x" }, ourPrint},
		"no token":                    {func(g *wire.Enrolled) { g.Token = "" }, ourPrint},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnroller()
			tc.change(&e.grant)
			got, err := enrollWith(t, e, "GOOD", tc.fingerprint)
			var stranger *wire.NotOurServer
			if !errors.As(err, &stranger) || got.Token != "" {
				t.Fatalf("want NotOurServer and nothing, got %+v, %v", got, err)
			}
			if tc.fingerprint != ourPrint && e.asked.Load() != 0 {
				t.Error("the code was shown before the fingerprint was compared")
			}
		})
	}
}

func TestEnrollShowsTheCodeToPunchlistOnly(t *testing.T) {
	var leaked atomic.Bool
	_, err := enrollWith(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			leaked.Store(true)
		}
		_, _ = w.Write([]byte("<html>hello</html>"))
	}), "GOOD", ourPrint)
	var stranger *wire.NotOurServer
	if !errors.As(err, &stranger) || leaked.Load() {
		t.Fatalf("code shown: %v, error: %v", leaked.Load(), err)
	}
}
