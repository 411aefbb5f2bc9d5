//go:build unix

package dev

import (
	"os"
	"syscall"
)

var errLocked = syscall.EWOULDBLOCK

// lockFile locks the file until it is closed. It returns errLocked if another process has
// locked it.
func lockFile(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
