package tui_test

import (
	"testing"

	"example.com/punchlist/sync/op"
)

// What happened to the server or the laptop is told on the screen until a key
// takes it away, once.
func TestANoticeIsToldOnce(t *testing.T) {
	s := newStory(t)
	s.enrol()
	s.open(80, 24)
	s.hears(s.record(op.Task, s.id(), op.Fields{"title": "x", "status": "DREAMING"}))
	s.changed()
	s.sees("too old for some of the server's news")
	s.keys("?").seesNot("too old")
	if left, err := s.db.Notices(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("unread: %v %v", left, err)
	}
}
