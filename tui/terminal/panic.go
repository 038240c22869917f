package terminal

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that was caught, so that the terminal could be restored
// before anybody reads of it.
type PanicError struct {
	Value any
	Stack []byte
}

func newPanicError(v any) *PanicError {
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// Hint is the next step: a fault of the program is nothing that a person did.
func (e *PanicError) Hint() string {
	return "open it again: what was saved is safe. punchlist support-bundle gathers what happened for whoever mends it"
}

// Error says what was thrown; Stack says where.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
