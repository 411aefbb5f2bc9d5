//go:build unix

package dev

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a command that has not been started into a process group of its
// own: a Ctrl-C in the terminal does not reach it, and kill ends all of it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
}

// kill ends a process that was started with ownGroup, and all that it has
// started.
func kill(pid int) error {
	return syscall.Kill(-pid, syscall.SIGKILL)
}
