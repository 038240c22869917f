//go:build !linux

package sqlite

import (
	"crypto/rand"
	"os"
)

// Filesystem names the file system of a folder where it matters; here it is not known.
func Filesystem(string) string { return "" }

// reserve fills a file; what is written cannot be packed by the file system.
func reserve(f *os.File, size int64) error {
	b := make([]byte, size)
	if _, err := rand.Read(b); err != nil {
		return err
	}
	_, err := f.Write(b)
	return err
}
