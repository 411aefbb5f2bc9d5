package dev

import "syscall"

// endWithParent has the kernel end a process when the one that started it is
// gone. The thread that starts it must live as long as the process.
func endWithParent(attr *syscall.SysProcAttr) {
	attr.Pdeathsig = syscall.SIGKILL
}
