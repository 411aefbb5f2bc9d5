package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var withPort = regexp.MustCompile(`^(.+):(\d+)$`)

// ssh returns a command that runs a script of the shell on the host.
func (o *Options) ssh(ctx context.Context, script string) *exec.Cmd {
	args := slices.Clone(o.SSH)
	if len(args) == 0 {
		args = []string{"ssh"}
	}
	host := o.Host
	if found := withPort.FindStringSubmatch(host); found != nil {
		host = found[1]
		args = append(args, "-p", found[2])
	}
	args = append(args, "-C", "--", host, "exec sh -c "+quote(script))
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

// shell runs a command in the folder on the host.
func (o *Options) shell(ctx context.Context, in io.Reader, command string) (string, error) {
	return o.run(ctx, in, o.inFolder(command))
}

func (o *Options) inFolder(command string) string {
	return fmt.Sprintf("mkdir -p %[1]s && cd %[1]s || exit 1\n", quote(o.Folder)) + command
}

func (o *Options) run(ctx context.Context, in io.Reader, command string) (string, error) {
	var out, problems bounded
	cmd := o.ssh(ctx, command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &problems
	err := o.failed(cmd.Run(), &problems)
	return out.String(), err
}

// bounded keeps the beginning of what a host prints, which may be anything.
type bounded struct{ bytes.Buffer }

const mostOutput = 1 << 20

func (b *bounded) Write(text []byte) (int, error) {
	b.Buffer.Write(text[:min(len(text), max(0, mostOutput-b.Len()))])
	return len(text), nil
}

// ReadFrom hides that of the buffer, which has no bound.
func (b *bounded) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{b}, r)
}

// show prints what a host prints, line by line, without what a terminal would obey.
func (o *Options) show(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(o.Out, printable(lines.Text()))
	}
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\t' || r == '\n' {
			return r
		}
		return -1
	}, text)
}

// stream runs a command in the folder on the host, and reads its output while it runs.
func (o *Options) stream(ctx context.Context, command string, read func(io.Reader)) error {
	var problems bounded
	cmd := o.ssh(ctx, o.inFolder(command))
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run ssh: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run ssh: %w", err)
	}
	read(out)
	_, _ = io.Copy(io.Discard, out) // or it would wait for a reader
	return o.failed(cmd.Wait(), &problems)
}

// failed returns what a command printed when it failed, as an error.
func (o *Options) failed(err error, problems *bounded) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			return fmt.Errorf("run ssh: %w", err)
		}
		return nil
	}
	text := strings.TrimPrefix(strings.TrimSpace(printable(problems.String())), "error: ")
	if text == "" {
		text = err.Error()
	}
	if exit.ExitCode() == 255 {
		return fmt.Errorf("reach %s by ssh: %s", o.Host, text)
	}
	return fmt.Errorf("%s: %s", o.Host, text)
}

// quote returns a text as one word of the shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
