package private_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/private/privatetest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreThisUsersOwn(t *testing.T) {
	in := func(use func(path string) error) func(string) error {
		return func(folder string) error {
			path := filepath.Join(folder, "tmp", "file")
			if err := private.OwnFolder(filepath.Dir(path)); err != nil {
				return err
			}
			return use(path)
		}
	}
	opened := func(flag int) func(string) error {
		return in(func(path string) error {
			file, err := private.Open(path, flag)
			if err == nil {
				err = file.Close()
			}
			return err
		})
	}
	name := filepath.Join("tmp", "file")
	t.Run("made", func(t *testing.T) { privatetest.Written(t, name, opened(os.O_RDWR|os.O_CREATE)) })
	t.Run("emptied", func(t *testing.T) { privatetest.Written(t, name, opened(os.O_WRONLY|os.O_CREATE|os.O_TRUNC)) })
	t.Run("replaced", func(t *testing.T) {
		privatetest.Written(t, name, in(func(path string) error { return private.Replace(path, []byte("mine")) }))
	})
	t.Run("read", func(t *testing.T) {
		privatetest.File(t, name, in(func(path string) error { _, err := private.ReadFile(path); return err }))
	})
	t.Run("listened at", func(t *testing.T) {
		privatetest.Socket(t, name, in(func(path string) error { _, err := private.Listen(path); return err }))
	})
	t.Run("connected to", func(t *testing.T) { privatetest.Socket(t, name, in(private.CheckSocket)) })
}

// TestFilesOfThisUser uses them as their owner does.
func TestFilesOfThisUser(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(folder, "file")
	must(t, private.OwnFolder(folder))
	must(t, private.OwnFolder(folder)) // again
	if _, err := private.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	for _, text := range []string{"a longer text", "short"} {
		file, err := private.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		must(t, err)
		_, err = file.WriteString(text)
		must(t, errors.Join(err, file.Close()))
		if got, err := private.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
	}
	must(t, private.Replace(path, []byte("replaced")))
	if got, err := private.ReadFile(path); err != nil || string(got) != "replaced" {
		t.Errorf("%q, %v", got, err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]fs.FileMode{path: 0o600, folder: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	must(t, os.Chmod(path, 0o660))
	must(t, os.Chmod(folder, 0o775))
	if err := private.OwnFolder(folder); err == nil {
		t.Error("a group may write to the folder")
	}
	if _, err := private.Open(path, os.O_RDONLY); err == nil {
		t.Error("a group may write to the file")
	}
	must(t, private.SharedFolder(folder))
	file, err := private.OpenShared(path, os.O_RDWR)
	must(t, err)
	must(t, file.Close())
}

func TestFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it has no modes
	}
	top := t.TempDir()
	path := func(name string) string { return filepath.Join(top, name) }
	must(t, private.Folder(path("new")))
	must(t, private.Folder(path("new"))) // again
	must(t, os.Symlink(path("new"), path("link")))
	must(t, os.Symlink(path("nothing"), path("dangling")))
	must(t, os.WriteFile(path("file"), nil, 0o600))
	must(t, os.Mkdir(path("open"), 0o755))
	must(t, os.Mkdir(path("sticky"), 0o700))
	must(t, os.Chmod(path("sticky"), 0o777|fs.ModeSticky))
	must(t, os.Mkdir(path("theirs"), 0o700))
	for name, want := range map[string]string{"link": "is a link", "dangling": "is a link", "file": "is not a folder", "open": "chmod 700", "sticky": "chmod 700"} {
		if err := private.Folder(path(name)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path(name)) {
			t.Errorf("%s: %v, not %q", name, err, want)
		}
	}
	if os.Chown(path("theirs"), 12345, 12345) == nil {
		if err := private.Folder(path("theirs")); err == nil || !strings.Contains(err.Error(), "another user, 12345") {
			t.Errorf("theirs: %v", err)
		}
	}
}

// TestTemp makes temporary folders where others can and cannot replace them.
func TestTemp(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it has no modes
	}
	top := filepath.Join(t.TempDir(), "tmp")
	must(t, os.Mkdir(top, 0o700))
	t.Setenv("TMPDIR", top)
	for mode, fine := range map[fs.FileMode]bool{0o700: true, 0o755: true, 0o777: false, 0o777 | fs.ModeSticky: true} {
		must(t, os.Chmod(top, mode))
		folder, err := private.Temp("tower-test-")
		if fine != (err == nil) || !fine && !strings.Contains(err.Error(), "set TMPDIR") {
			t.Errorf("in a folder with the mode %v: %v", mode, err)
		}
		if err != nil {
			continue
		}
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

// TestASocketIsNeverOpenToOthers looks at a socket while it is made, with a umask that closes
// nothing.
func TestASocketIsNeverOpenToOthers(t *testing.T) {
	path := filepath.Join(shortFolder(t), "s")
	defer openUmask()()
	done := make(chan struct{})
	seen := make(chan fs.FileMode, 1)
	go func() {
		for {
			select {
			case <-done:
				close(seen)
				return
			default:
			}
			if info, err := os.Lstat(path); err == nil && info.Mode().Perm() != 0o600 {
				seen <- info.Mode()
				return
			}
		}
	}()
	for range 2000 {
		listener, err := private.Listen(path)
		must(t, err)
		must(t, listener.Close())
	}
	close(done)
	if mode, ok := <-seen; ok && runtime.GOOS != "windows" {
		t.Errorf("the socket had the mode %v", mode)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestSockets listens where a process listens, where a dead one did, and closes a listener
// whose place another has taken.
func TestSockets(t *testing.T) {
	path := filepath.Join(shortFolder(t), "s")
	if err := private.CheckSocket(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	first, err := private.Listen(path)
	must(t, err)
	must(t, private.CheckSocket(path))
	conn, err := net.Dial("unix", path)
	must(t, err)
	must(t, conn.Close())
	if _, err := private.Listen(path); err == nil || !strings.Contains(err.Error(), "another process serves "+path) {
		t.Errorf("a second: %v", err)
	}
	must(t, os.Rename(path, path+".moved"))
	second, err := private.Listen(path)
	must(t, err)
	must(t, first.Close())
	must(t, private.CheckSocket(path)) // of the second
	must(t, os.Rename(path, path+".kept"))
	must(t, second.Close())
	must(t, os.Rename(path+".kept", path)) // nobody listens any more
	third, err := private.Listen(path)
	must(t, err)
	if runtime.GOOS != "windows" {
		must(t, os.Chmod(path, 0o666))
		if err := private.CheckSocket(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("open to all: %v", err)
		}
		must(t, os.Chmod(path, 0o600))
		if os.Lchown(path, 1, 1) == nil {
			if err := private.CheckSocket(path); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
				t.Errorf("another user's: %v", err)
			}
		}
	}
	must(t, third.Close())
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

// shortFolder makes a folder: the path of a socket is bounded, and that of t.TempDir is long.
func shortFolder(t *testing.T) string {
	folder, err := private.Temp("tower-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
