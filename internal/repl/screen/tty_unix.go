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

// A guardian is a shell that waits for a word that this process leaves. When the
// process is gone without it, the guardian puts the terminal back.
type guardian struct {
	cmd  *exec.Cmd
	word io.WriteCloser
}

// guardScript puts back what the console changed, unless somebody has already: a shell
// does so by itself, and has its own settings by then.
const guardScript = `trap '' INT QUIT TERM HUP TTOU TTIN TSTP
IFS= read -r left && exit
case "$(stty -a <&3)" in *-opost*) stty "$1" <&3 ;; esac
printf '\033[?2004l\033[?25h\033[0m\033[?1049l' >&3`

// terminalState is the terminal's settings in the words of stty, "" where they
// cannot be known.
func terminalState(file *os.File) string {
	cmd := exec.Command("stty", "-g")
	cmd.Stdin = file
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// startGuardian returns nil where there is no shell.
func startGuardian(file *os.File, saved string) *guardian {
	cmd := exec.Command("sh", "-c", guardScript, "sh", saved)
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what is sent to the console's group does not reach it
	word, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	return &guardian{cmd, word}
}

// editorCommand runs the person's editor on a file, in the words of a shell.
func editorCommand(editor, path string) *exec.Cmd {
	return exec.Command("sh", "-c", cmp.Or(editor, "vi")+` "$1"`, "sh", path)
}

func (g *guardian) dismiss() {
	_, _ = io.WriteString(g.word, "left\n") // it may be gone
	_ = g.word.Close()
	_ = g.cmd.Wait()
}
