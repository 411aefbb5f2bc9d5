package main

import (
	"os"

	"golang.org/x/sys/windows"
)

func lockFile(file *os.File) error {
	last := windows.Overlapped{Offset: 1<<32 - 1, OffsetHigh: 1<<32 - 1}
	return windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &last)
}
