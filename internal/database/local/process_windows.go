package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

type user struct{}

func notRoot() (user, error) {
	return user{}, errors.New("tower starts no PostgreSQL on Windows: start one, and set TOWER_DB")
}

func (user) folder(path string) (string, error) { return path, nil }

func (user) writeFile(path string, text []byte) error { return os.WriteFile(path, text, 0o600) }

func (user) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, program, args...)
}

func startOnThread(cmd *exec.Cmd, exited chan struct{}) error { return cmd.Start() }

// Stop does nothing: there is no server.
func (s *Server) Stop() {}
