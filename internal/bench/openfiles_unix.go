//go:build unix

package bench

import "syscall"

// maxFiles returns the hard limit of open files per process. A Go program raises its
// soft limit to the hard limit when it starts.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 20
	}
	return uint64(limit.Max)
}
