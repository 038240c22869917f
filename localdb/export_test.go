package localdb

// Behind is the look for the refused change that a queued one waits for.
var Behind = behind
