package reach_test

import (
	"testing"

	"example.com/punchlist/sync/reach"
)

// broken is a source that panics.
type broken struct{}

func (broken) Next() error  { panic("no links") }
func (broken) Close() error { return nil }

// A panic goes to whoever owns the terminal, and Close does not wait in vain.
func TestAPanicIsHandedOver(t *testing.T) {
	caught := make(chan any, 1)
	w := reach.Watch(reach.Options{Source: broken{}, Recover: func() {
		if v := recover(); v != nil {
			caught <- v
		}
	}})
	if v := <-caught; v != "no links" {
		t.Errorf("caught %v", v)
	}
	w.Close()
}
