//go:build unix

package bench

import "syscall"

// maxFiles is how many files a process may have open. Go programs raise their
// own limit to it when they start.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 20
	}
	return uint64(limit.Max)
}
