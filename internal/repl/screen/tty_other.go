//go:build !unix

package screen

import (
	"cmp"
	"os"
	"os/exec"
	"strings"
)

// A guardian would restore the terminal if this process were killed.
type guardian struct{}

func terminalState(*os.File) string { return "" }

func startGuardian(*os.File, string) *guardian { return nil }

func (*guardian) dismiss() {}

// editorCommand returns a command that opens the person's editor on a file.
func editorCommand(editor, path string) *exec.Cmd {
	args := append(strings.Fields(cmp.Or(editor, "notepad")), path)
	return exec.Command(args[0], args[1:]...)
}
