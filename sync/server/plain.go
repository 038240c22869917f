package server

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
)

// plainOp is an op as a client may write it by hand: much of it may be missing,
// and times may be numbers or text. An "id" and a "retry_count" mean nothing.
type plainOp struct {
	ID            string          `json:"op_id"`
	Seq           int64           `json:"seq"`
	Group         string          `json:"group"`
	Kind          string          `json:"entity_type"`
	Entity        string          `json:"entity_id"`
	Action        string          `json:"action"`
	Fields        op.Fields       `json:"payload"`
	Prev          op.Fields       `json:"prev"`
	Base          *int64          `json:"base"`
	TimeUncertain bool            `json:"time_uncertain"`
	CreatedAt     json.RawMessage `json:"created_at"`
	Schema        int             `json:"schema"`
}

// decodePlain reads the body of POST /sync.
func decodePlain(body []byte, device string) (incoming, error) {
	var p plainOp
	if err := json.Unmarshal(body, &p); err != nil {
		return incoming{}, err
	}
	created, err := plainTime(p.CreatedAt)
	if err != nil {
		return incoming{}, errors.New("created_at " + err.Error())
	}
	o := op.Op{ID: p.ID, Seq: p.Seq, Group: p.Group, Kind: op.Kind(p.Kind), Entity: p.Entity, Action: op.Action(strings.ToUpper(p.Action)),
		Fields: p.Fields.Clone(), Prev: p.Prev, Base: op.BaseUnknown, TimeUncertain: p.TimeUncertain, CreatedAt: created, Schema: p.Schema}
	if p.Base != nil {
		o.Base = *p.Base
	}
	if text, ok := o.Fields[op.UpdatedAt].(string); ok {
		if ms, err := timeOf(text); err == nil {
			o.Fields[op.UpdatedAt] = ms
		}
	}
	derived := o.ID == ""
	if derived {
		if o.ID, err = contentID(o, device); err != nil {
			return incoming{}, err
		}
	}
	in := receive(o)
	in.derived = derived
	return in, nil
}

// contentID makes an op's id out of what it says, so that the same request sent
// again is the same op.
func contentID(o op.Op, device string) (string, error) {
	text, err := json.Marshal([]any{device, o.Kind, strings.ToLower(o.Entity), o.Action, o.Fields, o.CreatedAt}) // maps are written in the order of their keys
	if err != nil {
		return "", err
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, text).String(), nil
}

// plainTime reads a time that may be a number, text, or missing (0).
func plainTime(raw json.RawMessage) (int64, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, err
		}
	}
	return timeOf(text)
}

// timeOf reads milliseconds since 1970 UTC, or a time of RFC 3339.
func timeOf(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return ms, nil
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil && x > -1<<53 && x < 1<<53 {
		return int64(x), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UnixMilli(), nil
	}
	return 0, errors.New("is a time: milliseconds since 1970 UTC, or like 2026-12-01T08:30:00Z")
}
