package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
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
	var out, problems bytes.Buffer
	cmd := o.ssh(ctx, command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &problems
	err := o.failed(cmd.Run(), &problems)
	return out.String(), err
}

// stream runs a command in the folder on the host, and reads its output while it runs.
func (o *Options) stream(ctx context.Context, command string, read func(io.Reader)) error {
	var problems bytes.Buffer
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
func (o *Options) failed(err error, problems *bytes.Buffer) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			return fmt.Errorf("run ssh: %w", err)
		}
		return nil
	}
	text := strings.TrimPrefix(strings.TrimSpace(problems.String()), "error: ")
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
