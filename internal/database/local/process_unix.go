//go:build unix

package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/towerkit/tower/internal/private"
)

// A user is as whom a server runs. PostgreSQL refuses to run as root, so that it runs as
// somebody else then.
type user struct {
	credential *syscall.Credential // nil: this user
}

func notRoot() (user, error) {
	if os.Geteuid() != 0 {
		return user{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := osuser.Lookup(name); err == nil {
			uid, err := strconv.ParseUint(found.Uid, 10, 32)
			if err != nil {
				return user{}, err
			}
			gid, err := strconv.ParseUint(found.Gid, 10, 32)
			return user{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, err
		}
	}
	return user{}, errors.New("PostgreSQL refuses to run as root, and there is no user postgres")
}

// folder makes the folder of the data. That of another user is in /tmp, since that user can
// enter it, whatever TMPDIR is.
func (u user) folder(path string) (string, error) {
	if u.credential == nil {
		return path, private.OwnFolder(path)
	}
	name := sha256.Sum256([]byte(path))
	path = filepath.Join("/tmp", "tower-postgres-"+hex.EncodeToString(name[:8]))
	if err := os.Mkdir(path, 0o700); err == nil {
		return path, os.Chown(path, int(u.credential.Uid), int(u.credential.Gid))
	} else if !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if of, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || of.Uid != u.credential.Uid || info.Mode().Perm() != 0o700 {
		return "", fmt.Errorf("%s is not closed to others: remove it", path)
	}
	return path, nil
}

// writeFile writes a file that only the server's user may read.
func (u user) writeFile(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if u.credential != nil {
		err = errors.Join(err, file.Chown(int(u.credential.Uid), int(u.credential.Gid)))
	}
	return errors.Join(err, file.Close())
}

// command returns a program that runs as the user. A server ends when this process does.
func (u user) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential, Setpgid: true} // Ctrl-C does not reach it
	endWithParent(cmd.SysProcAttr)
	return cmd
}

// startOnThread starts a program on a thread that lives as long as the program: see
// endWithParent. It closes exited in the end.
func startOnThread(cmd *exec.Cmd, exited chan struct{}) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // whether it runs is all that matters
			close(exited)
		}
	}()
	return <-started
}

// Stop shuts the server down, and returns when it has exited. Connections break.
func (s *Server) Stop() {
	if s.command == nil || s.command.Process == nil {
		return
	}
	_ = s.command.Process.Signal(syscall.SIGINT) // a fast shutdown; it may have exited
	select {
	case <-s.exited:
	case <-time.After(startTime):
		_ = s.command.Process.Signal(syscall.SIGQUIT)
		<-s.exited
	}
}
