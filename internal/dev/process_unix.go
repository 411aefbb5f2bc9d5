//go:build unix

package dev

import (
	"os/exec"
	"syscall"
)

// ownGroup starts a command in a process group of its own: Ctrl-C in the terminal does
// not reach it, and kill ends the whole group. The command must not have been started.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
}

// kill kills a process that was started with ownGroup, and all its children.
func kill(pid int) error {
	return syscall.Kill(-pid, syscall.SIGKILL)
}
