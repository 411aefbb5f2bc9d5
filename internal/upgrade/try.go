package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// environ returns the environment in which the go command, also below other commands,
// uses the new go.mod. It builds as tower does, so that builds share their cache.
func (u *Upgrade) environ() []string {
	return append([]string{"CGO_ENABLED=0"}, append(u.options.Environ[:len(u.options.Environ):len(u.options.Environ)],
		"GOWORK=off", "GOFLAGS="+u.flags())...)
}

// flags adds to the flags of the person's environment; the last of a name counts.
func (u *Upgrade) flags() (flags string) {
	for _, pair := range u.options.Environ {
		if value, ok := strings.CutPrefix(pair, "GOFLAGS="); ok {
			flags = value
		}
	}
	return strings.TrimSpace(flags + " -mod=mod -modfile=" + u.trialMod())
}

// try builds and vets the application with the new version, and starts it.
func (u *Upgrade) try(ctx context.Context) error {
	u.options.Progress("building the application with the new tower")
	if err := u.goCommand(ctx, "build the application", "build", "-trimpath", "-buildvcs=false", "-o", os.DevNull, "./..."); err != nil {
		return err
	}
	if err := u.goCommand(ctx, "vet the application", "vet", "-trimpath", "-buildvcs=false", "./..."); err != nil {
		return err
	}
	if err := u.readTrial(); err != nil {
		return err
	}
	u.options.Progress("starting it on an empty store")
	derived, err := u.options.Derive(ctx, u.environ())
	if errors.Is(err, ErrRunning) {
		u.Running = true
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &UnfitError{Doing: "start the application", Output: err.Error()}
	}
	u.derived = derived
	return nil
}

// goCommand runs the go command in the application's folder. The error is an [*UnfitError]
// if the command fails.
func (u *Upgrade) goCommand(ctx context.Context, doing string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = u.options.Folder, u.environ()
	output, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, new(*exec.ExitError)):
		return &UnfitError{Doing: doing, Output: strings.ReplaceAll(string(output), u.trial+string(filepath.Separator), "")}
	case err != nil:
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// download returns the folder of a release's source.
func (u *Upgrade) download(ctx context.Context, version string) (folder string, err error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", towerModule+"@"+version)
	cmd.Dir, cmd.Env = u.trial, append(u.options.Environ[:len(u.options.Environ):len(u.options.Environ)], "GOWORK=off")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var got struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(stdout.Bytes(), &got); jsonErr != nil || got.Dir == "" {
		return "", fmt.Errorf("download tower %s: %w", version, errors.Join(err, errors.New(strings.TrimSpace(got.Error+" "+stderr.String()))))
	}
	return got.Dir, nil
}

// current returns the folder of the source that the application uses now, or "".
func (u *Upgrade) current(ctx context.Context) string {
	if u.options.Replaced != "" {
		return u.options.Replaced
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", towerModule)
	cmd.Dir, cmd.Env = u.options.Folder, append(u.options.Environ[:len(u.options.Environ):len(u.options.Environ)], "GOWORK=off")
	out, _ := cmd.Output() // without it, the whole changelog is new
	return strings.TrimSpace(string(out))
}
