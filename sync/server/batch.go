package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// batch answers POST /sync/batch: a result for each op, in order. One bad op
// never fails the batch, not even one that cannot be decoded.
func (s *Server) batch(w http.ResponseWriter, r *http.Request, by Author) {
	body, bad := s.readBody(w, r, wire.MaxExpanded)
	if bad != nil {
		s.problem(w, bad)
		return
	}
	var ask struct {
		Seen   wire.Seen         `json:"seen"`
		Queues []string          `json:"queues"`
		Ops    []json.RawMessage `json:"ops"`
	}
	if err := json.Unmarshal(body, &ask); err != nil {
		s.problem(w, notJSON("a batch", err))
		return
	}
	if len(ask.Ops) > wire.MaxOps {
		s.problem(w, tooLarge(fmt.Sprintf("the batch holds %d changes", len(ask.Ops))))
		return
	}
	if by, bad = by.as(ask.Seen, ask.Queues); bad != nil {
		s.problem(w, bad)
		return
	}
	ops := make([]incoming, len(ask.Ops))
	for i, raw := range ask.Ops {
		ops[i] = decodeOp(raw)
	}
	out, err := s.apply(r.Context(), by, ask.Seen, ops)
	switch {
	case errors.Is(err, errReset):
		s.reset(w)
	case err != nil:
		s.fail(w, r, err)
	default:
		s.ok(w, out)
	}
}

// decodeOp reads one op of a batch. An op that says no base has seen nothing.
func decodeOp(raw json.RawMessage) incoming {
	var o struct {
		op.Op
		Base *int64 `json:"base"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		var id struct {
			ID string `json:"op_id"`
		}
		_ = json.Unmarshal(raw, &id) // as far as it can be told whose refusal this is
		return incoming{raw: id.ID, refusal: refusal(op.CodeBadValue, "", "cannot be read: %s", clip(err.Error()))}
	}
	o.Op.Base = op.BaseUnknown
	if o.Base != nil {
		o.Op.Base = *o.Base
	}
	return receive(o.Op)
}
