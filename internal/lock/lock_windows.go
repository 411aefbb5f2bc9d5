package lock

import (
	"os"

	"golang.org/x/sys/windows"
)

// ErrHeld reports that another process has locked a file.
var ErrHeld error = windows.ERROR_LOCK_VIOLATION

// File locks the file until it is closed. It returns ErrHeld if another process has
// locked it. It locks a byte beyond the content, the same byte as bbolt, so that other
// processes can still read the file.
func File(file *os.File) error {
	const exclusive = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	last := windows.Overlapped{Offset: 1<<32 - 1, OffsetHigh: 1<<32 - 1}
	return windows.LockFileEx(windows.Handle(file.Fd()), exclusive, 0, 1, 0, &last)
}
