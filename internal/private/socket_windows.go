package private

import (
	"errors"
	"io/fs"
	"net"
	"os"
)

// listen makes the socket in its place: the rights of the folder are its own.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	inner, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l := &listener{UnixListener: inner, path: path}
	if l.made, err = os.Lstat(path); err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	return l, nil
}
