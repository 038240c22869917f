package wire

import (
	"context"
	"errors"
	"net/http"
	"time"
)

const (
	enrollTries = 3
	enrollPause = time.Second
)

// Enroll redeems an invite's code. The code is shown only to a server that
// proves, by a signed ping, to own the key whose fingerprint the invite names.
//
// An answer that is lost on the way is asked for again with the same nonce,
// which does not use the code up twice. For that to work across runs of the
// program too, the caller may keep and give the nonce.
func (c *Client) Enroll(ctx context.Context, req Enroll, fingerprint string) (Enrolled, error) {
	hello, err := c.Ping(ctx)
	if err != nil {
		return Enrolled{}, err
	}
	key, err := parseKey(hello.ServerKey)
	switch {
	case err != nil || Fingerprint(key) != fingerprint: // a word that was copied wrong must not use the invite up
		return Enrolled{}, c.stranger(http.StatusOK, "its key is not the one that the invite names")
	case !signed(key, hello.Ping):
		return Enrolled{}, c.stranger(http.StatusOK, "it does not own the key that the invite names")
	}
	if req.Nonce == "" {
		req.Nonce = c.o.Nonce()
	}
	out, err := c.redeem(ctx, req)
	switch {
	case err != nil:
		return Enrolled{}, err
	case out.ServerKey != hello.ServerKey || out.ServerID != hello.ServerID:
		return Enrolled{}, c.stranger(http.StatusOK, "it gives two different keys or ids")
	case out.DeviceID == "" || out.Token == "":
		return Enrolled{}, c.stranger(http.StatusOK, "it grants no token")
	}
	return out, nil
}

// redeem asks again after a lost answer, a few times.
func (c *Client) redeem(ctx context.Context, req Enroll) (out Enrolled, err error) {
	for try := range enrollTries {
		if try > 0 && !sleep(ctx, enrollPause) {
			return Enrolled{}, ctx.Err()
		}
		out = Enrolled{}
		got, err2 := c.exchange(ctx, call{method: http.MethodPost, path: PathEnroll, body: req, out: &out})
		if err = err2; err == nil {
			if out.ServerID != got.serverID {
				return Enrolled{}, c.stranger(http.StatusOK, "it gives two different server ids")
			}
			return out, nil
		}
		var lost *Unreachable
		if !errors.As(err, &lost) {
			return Enrolled{}, err
		}
	}
	return Enrolled{}, err
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
