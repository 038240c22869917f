//go:build !linux

package reach

// systemSource is nil: link changes are heard on Linux only. Elsewhere the
// engine's own timer finds the server again.
func systemSource() Source { return nil }
