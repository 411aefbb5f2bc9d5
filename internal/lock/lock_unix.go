//go:build unix

package lock

import (
	"os"
	"syscall"
)

// ErrHeld reports that another process has locked a file.
var ErrHeld error = syscall.EWOULDBLOCK

// File locks the file until it is closed. It returns ErrHeld if another process has
// locked it.
func File(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
