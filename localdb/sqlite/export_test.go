package sqlite

// systemSyncDir is the real one.
var systemSyncDir = syncDir

// OnSyncDir asks f before a folder is synced: false leaves it out.
func OnSyncDir(f func(dir string) bool) {
	syncDir = func(dir string) error {
		if !f(dir) {
			return nil
		}
		return systemSyncDir(dir)
	}
}

// ResetSyncDir goes back to the real one.
func ResetSyncDir() { syncDir = systemSyncDir }

// MountOf is for tests.
var MountOf = mountOf
