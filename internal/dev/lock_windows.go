package dev

import (
	"os"

	"golang.org/x/sys/windows"
)

var errLocked = windows.ERROR_LOCK_VIOLATION

// lockFile takes a lock that lasts until the file is closed, or returns errLocked.
// The locked byte lies behind all that is written, where bbolt has it too, so that
// the file can be read meanwhile.
func lockFile(file *os.File) error {
	const exclusive = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	last := windows.Overlapped{Offset: 1<<32 - 1, OffsetHigh: 1<<32 - 1}
	return windows.LockFileEx(windows.Handle(file.Fd()), exclusive, 0, 1, 0, &last)
}
