//go:build linux

// Package process runs the programs that tests need beside them.
package process

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Start starts a program that ends with the test.
func Start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
}

// Until asks again and again, at most for five minutes, for a program that does not say when it
// is ready.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for range 6000 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited five minutes until %s", what)
}
