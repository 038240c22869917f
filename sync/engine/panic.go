package engine

import (
	"fmt"
	"runtime/debug"
)

// crash is a panic that was caught: the goroutines here run beside a screen, and
// one that ended the process would leave the terminal raw. It is a fault like any
// other, logged in full, and what crashed is tried again later.
type crash struct{ value any }

func (c *crash) Error() string {
	return fmt.Sprintf("a fault in punchlist itself, written to the log: %v", c.value)
}

// guard runs f and makes an error of its panic.
func (e *Engine) guard(what string, f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &crash{v}
			e.o.Log.Error("panic", "in", what, "value", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	f()
	return nil
}

// listener is OnStatus, which may crash without harm to the engine: the next
// Status is its next try.
func (e *Engine) listener() func(Status) {
	if e.o.OnStatus == nil {
		return nil
	}
	return func(s Status) { _ = e.guard("OnStatus", func() { e.o.OnStatus(s) }) }
}
