package localdb

// Behind is the look for the refused change that a queued one waits for.
// NextOps reads what is to go out next.
var NextOps = nextOps
