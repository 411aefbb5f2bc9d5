package dev

import "syscall"

// endWithParent makes the kernel kill a process when its parent dies. The thread that
// starts the process must live as long as the process.
func endWithParent(attr *syscall.SysProcAttr) {
	attr.Pdeathsig = syscall.SIGKILL
}
