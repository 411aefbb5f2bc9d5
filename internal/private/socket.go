package private

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// CheckSocket returns an error unless what is at path is a socket of this user's own, in a
// folder that nobody else may write to. The error is [fs.ErrNotExist] if nothing is there.
func CheckSocket(path string) error {
	if err := checkFolder(filepath.Dir(path), ownFolder); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case isLink(info):
		return linkError(path)
	case info.Mode().Type() != fs.ModeSocket && checksMode:
		return fmt.Errorf("%s is not a socket; remove it", path)
	case !owned(info):
		return ownerError(path, info)
	}
	return checkMode(path, info, ownFile)
}

// Listen listens on a unix socket that was never open to others, in a folder that [OwnFolder]
// accepts. It replaces a socket that a dead process of this user
// left there. Closing the listener removes the socket, unless another has taken its place.
func Listen(path string) (net.Listener, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	return listen(path)
}

// checkFree returns an error unless nothing is at path, or a socket that no process listens on.
func checkFree(path string) error {
	err := CheckSocket(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return fmt.Errorf("another process serves %s", path)
	}
	return nil
}

// A listener removes its socket when it is closed.
type listener struct {
	*net.UnixListener
	path  string
	made  fs.FileInfo
	close sync.Once
}

func (l *listener) Close() error {
	err := l.UnixListener.Close()
	l.close.Do(func() {
		if now, failed := os.Lstat(l.path); failed == nil && os.SameFile(now, l.made) {
			err = errors.Join(err, os.Remove(l.path))
		}
	})
	return err
}
