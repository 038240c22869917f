package main

import (
	"testing"

	"example.com/punchlist/sync/op"
)

// What the dispatcher writes over Ann's words is neither hers nor a sentence
// about the program, whatever was there before.
func TestDispatcherWritesAsPeopleDo(t *testing.T) {
	o := &dispatcher{}
	for name, words := range officeWords {
		for _, mine := range []any{nil, "", "my own", words[0], words[1]} {
			edit := op.Op{Kind: op.Task, Fields: op.Fields{name: mine, op.UpdatedAt: int64(1)}}
			got := o.same(edit)
			if len(got) != 1 || got.Text(name) == "" || got[name] == mine {
				t.Errorf("%s: Ann wrote %v, the dispatcher %v", name, mine, got)
			}
			if r := op.CheckFields(op.Task, op.Update, got); r != nil {
				t.Error(r)
			}
		}
	}
	if got := o.same(op.Op{Fields: op.Fields{"contact_name": "Mr Bell"}}); got["contact_name"] != "Ms Cole, owner" {
		t.Errorf("%v", got)
	}
}
