package localdb

// Behind is the look for the refused change that a queued one waits for.
// HeldByRefused finds what waits for refused changes.
var HeldByRefused = heldByRefused

// OnSync calls f before each time that a folder's names are made safe, until undo.
func OnSync(f func(path string)) (undo func()) {
	was := syncFolder
	syncFolder = func(path string) error {
		f(path)
		return was(path)
	}
	return func() { syncFolder = was }
}
