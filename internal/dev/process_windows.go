package dev

import (
	"os/exec"
	"strconv"
	"syscall"
)

// ownGroup starts a command in a process group of its own: Ctrl-C in the terminal does
// not reach it. The command must not have been started.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// kill kills a process that was started with ownGroup, and all its children.
func kill(pid int) error {
	return exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(pid)).Run()
}
