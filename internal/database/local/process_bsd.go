//go:build unix && !linux

package local

import "syscall"

// endWithParent does nothing: a server that a killed process left behind is stopped by the
// next one.
func endWithParent(*syscall.SysProcAttr) {}
