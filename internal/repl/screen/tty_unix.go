//go:build unix

package screen

import (
	"cmp"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// A guardian is a shell that waits for a word from this process. If the process ends
// without sending it, the guardian restores the terminal.
type guardian struct {
	cmd  *exec.Cmd
	word io.WriteCloser
}

// guardScript restores the terminal unless another program already has: an interactive
// shell restores it on its own and has changed the settings by then.
const guardScript = `trap '' INT QUIT TERM HUP TTOU TTIN TSTP
IFS= read -r left && exit
case "$(stty -a <&3)" in *-opost*) stty "$1" <&3 ;; esac
printf '\033[?1002l\033[?1006l\033[?2004l\033[?25h\033[0m\033[?1049l' >&3`

// terminalState returns the terminal's settings in the format of stty -g, or "" if it
// cannot determine them.
func terminalState(file *os.File) string {
	cmd := exec.Command("stty", "-g")
	cmd.Stdin = file
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// startGuardian starts a guardian. It returns nil if there is no shell.
func startGuardian(file *os.File, saved string) *guardian {
	cmd := exec.Command("sh", "-c", guardScript, "sh", saved)
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // signals to the console's process group do not reach it
	word, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	return &guardian{cmd, word}
}

// editorCommand returns a command that opens the person's editor on a file. The editor
// may be a shell command with arguments.
func editorCommand(editor, path string) *exec.Cmd {
	return exec.Command("sh", "-c", cmp.Or(editor, "vi")+` "$1"`, "sh", path)
}

func (g *guardian) dismiss() {
	_, _ = io.WriteString(g.word, "left\n") // the guardian may be gone
	_ = g.word.Close()
	_ = g.cmd.Wait()
}
