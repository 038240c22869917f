//go:build !linux

package sqlite

import (
	"errors"
	"io"
)

// writesTo is for Linux only; elsewhere the file is looked at.
func writesTo(string) (io.ReadCloser, error) { return nil, errors.ErrUnsupported }
func closesOf(string) (io.ReadCloser, error) { return nil, errors.ErrUnsupported }
