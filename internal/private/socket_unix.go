//go:build unix

package private

import (
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
)

// listen makes the socket in a new folder that is closed to others, and moves it to its place
// when it has its mode: the mode of a new socket is decided by the umask, which belongs to the
// whole process.
func listen(path string) (net.Listener, error) {
	folder, err := newFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	first := filepath.Join(folder, "s")
	inner, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return nil, errors.Join(err, os.Remove(folder))
	}
	inner.SetUnlinkOnClose(false) // it would be by its first path
	l := &listener{UnixListener: inner, path: path}
	err = os.Chmod(first, 0o600)
	if err == nil {
		l.made, err = os.Lstat(first)
	}
	if err == nil {
		err = os.Rename(first, path)
	}
	if err != nil {
		return nil, errors.Join(err, inner.Close(), os.RemoveAll(folder))
	}
	if err := os.Remove(folder); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// newFolder makes a folder whose name is short, because the path of a socket is bounded.
func newFolder(top string) (string, error) {
	folder := filepath.Join(top, "."+rand.Text()[:5])
	return folder, os.Mkdir(folder, 0o700)
}
