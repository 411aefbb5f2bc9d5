//go:build unix

package dev

import (
	"os"
	"syscall"
)

var errLocked = syscall.EWOULDBLOCK

// lockFile takes a lock that lasts until the file is closed, or returns errLocked.
func lockFile(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
