package server_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
)

// noLog cannot write entries of the audit by themselves.
type noLog struct{ server.Store }

func (noLog) Log(context.Context, ...server.Entry) error { return errors.New("the disk is full") }

// What the office sets and the entry that tells of it are one transaction.
func TestTemplatesAndRulesAreToldOfTogether(t *testing.T) {
	r := storetest.NewRig(t, noLog{openStore(t, filepath.Join(t.TempDir(), "d.db"))})
	r.User("ann", op.Technician, "North")
	if err := r.Server.SetTemplate(t.Context(), server.Template{Type: "repair", Items: []op.Fields{{"label": "Filter"}}}); err != nil {
		t.Errorf("template: %v", err)
	}
	if err := r.Server.AddRule(t.Context(), rule(nil)); err != nil {
		t.Errorf("rule: %v", err)
	}
	told := map[string]int{}
	for e, err := range r.Server.Audit(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		told[e.What]++
	}
	if told[server.DidTemplate] != 1 || told[server.DidRule] != 1 {
		t.Errorf("the audit tells of %v", told)
	}
}
