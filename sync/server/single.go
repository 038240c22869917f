package server

import (
	"net/http"
	"strings"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// plainAnswer is the answer to POST /sync: a result with a word in front.
type plainAnswer struct {
	Status string `json:"status"` // "success" or "conflict"
	wire.Result
}

// refusedAnswer is a problem that names what was refused and where.
type refusedAnswer struct {
	wire.Problem
	OpID    string     `json:"op_id"`
	Outcome op.Outcome `json:"outcome"`
	Field   string     `json:"field,omitempty"`
}

// single answers POST /sync: one op, its outcome told by the status code.
func (s *Server) single(w http.ResponseWriter, r *http.Request, by Author) {
	body, bad := s.readBody(w, r, wire.MaxExpanded)
	if bad != nil {
		s.problem(w, bad)
		return
	}
	in, err := decodePlain(body, by.Device)
	if err != nil {
		s.problem(w, notJSON("a change", err))
		return
	}
	out, err := s.apply(r.Context(), by, nil, []incoming{in})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	res := out.Results[0]
	switch res.Outcome {
	case op.Applied, op.Merged:
		s.ok(w, plainAnswer{"success", res})
	case op.Conflicted:
		if res.Message == "" {
			res.Message = "the server's version is newer; nothing of this change took effect"
		}
		s.send(w, http.StatusConflict, jsonType, plainAnswer{"conflict", res})
	case op.Rejected:
		s.refuse(w, in.Op, res)
	default:
		s.problem(w, &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.CodeBusy, Message: res.Message, Hint: "send it again later"})
	}
}

// refuse answers an op that was refused for good.
func (s *Server) refuse(w http.ResponseWriter, o op.Op, res wire.Result) {
	a := refusedAnswer{Problem: wire.Problem{Type: "about:blank", Status: http.StatusUnprocessableEntity, Code: string(res.Code), Message: res.Message,
		Hint: "mend the change and send it as a new one"}, OpID: res.OpID, Outcome: res.Outcome, Field: res.Field}
	if res.Code == op.CodeNotFound {
		kind := o.Kind
		if res.Field != "" { // what it hangs on is missing, not the record itself
			kind = op.Task
		}
		word := op.Word(kind)
		a.Status, a.Message = http.StatusNotFound, strings.ToUpper(word[:1])+word[1:]+" not found"
		a.Hint = "INSERT it first, or ask the office whether you are in its crew"
	}
	a.Title = http.StatusText(a.Status)
	s.send(w, a.Status, problemType, a)
}
