// Package privatetest attacks what uses a file or a socket of its own: it puts there first what
// somebody else could, and checks that it is refused and that nothing was written through it.
package privatetest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// stranger is the number of another user.
const stranger = 1

const precious = "precious"

// A place is where a user of files keeps one, in a test.
type place struct {
	t      *testing.T
	path   string
	victim string // a file of this user's own, elsewhere
}

// An attack puts something at a place, or makes its folder one that others may change.
type attack struct {
	name  string
	plant func(p place)
	want  string // in the error
	root  bool   // only root can do it
}

var onFiles = []attack{
	{"a link", func(p place) { p.must(os.Symlink(p.victim, p.path)) }, "is a link to", false},
	{"a dangling link", func(p place) { p.must(os.Symlink(p.victim+".new", p.path)) }, "is a link to", false},
	{"a folder", func(p place) { p.must(os.Mkdir(p.path, 0o700)) }, "is not a", false},
	{"another user's", func(p place) { p.file(0o600); p.must(os.Chown(p.path, stranger, stranger)) }, "belongs to another user, ", true},
	{"another user's link", func(p place) {
		p.must(os.Symlink(p.victim, p.path))
		p.must(os.Lchown(p.path, stranger, stranger))
	}, "is a link to", true},
	{"readable by all", func(p place) { p.file(0o604) }, "is open to other users (mode 604); run chmod 600 ", false},
	{"writable by all", func(p place) { p.file(0o602) }, "is open to other users (mode 602); run chmod 600 ", false},
}

var onFolders = []attack{
	{"a folder that all may write to", func(p place) { p.must(os.Chmod(filepath.Dir(p.path), 0o777)) }, "other users may write to", false},
	{"a link to a folder", func(p place) {
		folder := filepath.Dir(p.path)
		p.must(os.Rename(folder, folder+".moved"))
		p.must(os.Symlink(folder+".moved", folder))
	}, "is a link to", false},
	{"a dangling link to a folder", func(p place) {
		folder := filepath.Dir(p.path)
		p.must(os.RemoveAll(folder))
		p.must(os.Symlink(folder+".moved", folder))
	}, "is a link to", false},
	{"a file in place of the folder", func(p place) {
		p.must(os.RemoveAll(filepath.Dir(p.path)))
		p.must(os.WriteFile(filepath.Dir(p.path), nil, 0o600))
	}, "is not a folder", false},
	{"another user's folder", func(p place) { p.must(os.Chown(filepath.Dir(p.path), stranger, stranger)) }, "belongs to another user, ", true},
}

// File attacks use, which keeps a file at a path below the folder that it is given. name is
// that path. Use must refuse what an attack left there.
func File(t *testing.T, name string, use func(folder string) error) {
	t.Helper()
	run(t, name, use, append(onFiles, onFolders...))
}

// Written is like [File] for a file that use writes to. Then a second name for a file of this
// user's own is an attack too.
func Written(t *testing.T, name string, use func(folder string) error) {
	t.Helper()
	second := attack{"a second name", func(p place) { p.must(os.Link(p.victim, p.path)) }, "has another name too", false}
	run(t, name, use, append(append(onFiles, onFolders...), second))
}

// Socket attacks use, which connects to the socket at a path below the folder that it is given,
// or makes it.
func Socket(t *testing.T, name string, use func(folder string) error) {
	t.Helper()
	attacks := []attack{{"a file", func(p place) { p.file(0o600) }, "is not a socket", false}}
	for _, a := range append(onFiles, onFolders...) {
		if !strings.Contains(a.want, "open to other users") && !strings.HasPrefix(a.name, "another user's") || strings.HasSuffix(a.name, "folder") {
			attacks = append(attacks, a)
		}
	}
	run(t, name, use, attacks)
}

func run(t *testing.T, name string, use func(folder string) error, attacks []attack) {
	if runtime.GOOS == "windows" {
		return // it has neither modes nor owners, and links take a right of their own
	}
	for _, a := range attacks {
		if a.root && os.Getuid() != 0 {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			top, err := os.MkdirTemp("", "tower-") // the path of a socket is bounded, and that of t.TempDir is long
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(top) })
			folder := filepath.Join(top, "application")
			p := place{t, filepath.Join(folder, name), filepath.Join(top, "victim")}
			p.must(os.MkdirAll(filepath.Dir(p.path), 0o700))
			p.must(os.WriteFile(p.victim, []byte(precious), 0o600))
			a.plant(p)
			err = use(folder)
			if err == nil || !strings.Contains(err.Error(), a.want) || !strings.Contains(err.Error(), filepath.Dir(p.path)) {
				t.Errorf("%v; want one that says %q of %s", err, a.want, p.path)
			}
			p.untouched()
		})
	}
}

// untouched checks that nothing was written through what was put at the place.
func (p place) untouched() {
	p.t.Helper()
	if text, err := os.ReadFile(p.victim); err != nil || string(text) != precious {
		p.t.Errorf("the victim is now %q, %v", text, err)
	}
	for _, made := range []string{p.victim + ".new", filepath.Join(filepath.Dir(p.path)+".moved", filepath.Base(p.path))} {
		if _, err := os.Lstat(made); err == nil {
			p.t.Errorf("%s was made through a link", made)
		}
	}
	if info, err := os.Lstat(p.path); err == nil && info.Mode().IsRegular() {
		if text, err := os.ReadFile(p.path); err != nil || string(text) != precious {
			p.t.Errorf("what was there is now %q, %v", text, err)
		}
	}
}

// file puts a file with a mode at the place.
func (p place) file(mode os.FileMode) {
	p.t.Helper()
	p.must(os.WriteFile(p.path, []byte(precious), 0o600))
	p.must(os.Chmod(p.path, mode))
}

func (p place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}
