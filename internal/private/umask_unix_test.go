//go:build unix

package private_test

import "syscall"

// openUmask lets new files be open to all until restore is called.
func openUmask() (restore func()) {
	before := syscall.Umask(0)
	return func() { syscall.Umask(before) }
}
