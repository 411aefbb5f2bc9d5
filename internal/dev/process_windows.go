package dev

import (
	"os/exec"
	"strconv"
	"syscall"
)

// ownGroup puts a command that has not been started into a process group of its
// own: a Ctrl-C in the terminal does not reach it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// kill ends a process that was started with ownGroup, and all that it has
// started.
func kill(pid int) error {
	return exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(pid)).Run()
}
