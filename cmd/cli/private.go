package cli

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Private makes what a program writes its owner's alone: files and folders that
// say nothing of their mode too, and no image of its memory on the disk when it
// crashes. The first thing that main does.
func Private() {
	syscall.Umask(0o077)
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // lower is always allowed
}
