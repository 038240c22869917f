package localdb

// Behind is the look for the refused change that a queued one waits for.
// HeldByRefused finds what waits for refused changes.
var HeldByRefused = heldByRefused
