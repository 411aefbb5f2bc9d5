package dev

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A change is a set of files whose content has changed: paths relative to the folder,
// with slashes.
type change struct {
	code    []string // read by go build
	assets  []string // read by the running application
	scripts []string // read by the bundler
}

// The watcher scans after a pause of debounce without events, and at the latest
// maxDebounce after the first event.
const (
	debounce    = 60 * time.Millisecond
	maxDebounce = 500 * time.Millisecond
)

// A watcher sends the changes of files in an application's folder. Events of the system
// only trigger a scan; a file has changed if its content has.
type watcher struct {
	folder  string
	notify  *fsnotify.Watcher
	changes chan change
	files   map[string]fileState
}

// fileState is a file at the last scan.
type fileState struct {
	modified time.Time
	size     int64
	sum      [sha256.Size]byte
}

// openWatcher starts watching. The present content of the folder is not a change.
func openWatcher(folder string) (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the application's folder: %w", err)
	}
	w := &watcher{folder: folder, notify: notify, changes: make(chan change), files: map[string]fileState{}}
	if w.files, err = w.scan(); err != nil {
		notify.Close()
		if errors.Is(err, syscall.ENOSPC) {
			err = errors.New("the system's limit of watched folders is reached (on Linux: raise fs.inotify.max_user_watches)")
		}
		return nil, fmt.Errorf("watch the application's folder: %w", err)
	}
	return w, nil
}

// run sends changes until ctx ends, and closes the watcher.
func (w *watcher) run(ctx context.Context) {
	defer w.notify.Close()
	var pending change
	var changes chan change // w.changes while there is something pending
	var settled, overdue <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-w.notify.Events:
			if !ok {
				return
			}
			if event.Op == fsnotify.Chmod || w.ignored(event.Name) {
				continue
			}
			settled = time.After(debounce)
			if overdue == nil {
				overdue = time.After(maxDebounce)
			}
			continue
		case <-w.notify.Errors: // events were lost: scan now
		case <-settled:
		case <-overdue:
		case changes <- pending:
			pending, changes = change{}, nil
			continue
		}
		settled, overdue = nil, nil
		pending.merge(w.scanChanges())
		if len(pending.code)+len(pending.assets)+len(pending.scripts) > 0 {
			changes = w.changes
		}
	}
}

func (c *change) merge(more change) {
	for _, pair := range []struct{ to, from *[]string }{{&c.code, &more.code}, {&c.assets, &more.assets}, {&c.scripts, &more.scripts}} {
		*pair.to = append(*pair.to, *pair.from...)
		slices.Sort(*pair.to)
		*pair.to = slices.Compact(*pair.to)
	}
}

// scanChanges scans the folder and returns the difference from the last scan.
func (w *watcher) scanChanges() change {
	now, err := w.scan()
	if err != nil {
		return change{} // the folder is being moved: another event will follow
	}
	var c change
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if before, known := w.files[name]; !known || before.sum != now[name].sum {
			c.addFile(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		if _, there := now[name]; !there {
			c.addFile(name)
		}
	}
	w.files = now
	return c
}

// addMissed adds files that are there and that the walk did not see: a folder that is read
// while a file in it is replaced may list neither the old nor the new one.
func (w *watcher) addMissed(files map[string]fileState) {
	for name := range w.files {
		if _, seen := files[name]; !seen {
			if s, ok := w.readState(name, filepath.Join(w.folder, filepath.FromSlash(name))); ok {
				files[name] = s
			}
		}
	}
}

func (c *change) addFile(name string) {
	switch {
	case isCode(name):
		c.code = append(c.code, name)
	case isAsset(name):
		c.assets = append(c.assets, name)
	default:
		c.scripts = append(c.scripts, name)
	}
}

// scan reads the state of every relevant file, and watches every folder.
func (w *watcher) scan() (map[string]fileState, error) {
	files := map[string]fileState{}
	err := filepath.WalkDir(w.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if path == w.folder {
				return err
			}
			return nil // it was removed, or may not be read
		}
		if w.ignored(path) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			if err := w.notify.Add(path); errors.Is(err, fs.ErrNotExist) && path != w.folder {
				return filepath.SkipDir
			} else if err != nil {
				return err
			}
			return nil
		}
		name, _ := filepath.Rel(w.folder, path)
		name = filepath.ToSlash(name)
		if isCode(name) || isAsset(name) || isBundled(name) {
			if s, ok := w.readState(name, path); ok {
				files[name] = s
			}
		}
		return nil
	})
	w.addMissed(files)
	return files, err
}

// maxHashSize is the size of the largest file whose content is compared. A video in
// public must not delay the start.
const maxHashSize = 4 << 20

// readState returns the state of a file. It reads the file only if its size or time has
// changed.
func (w *watcher) readState(name, path string) (fileState, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return fileState{}, false
	}
	s := fileState{modified: info.ModTime(), size: info.Size()}
	if s.size > maxHashSize {
		s.sum = sha256.Sum256([]byte(fmt.Sprint(s.size, s.modified)))
		return s, true
	}
	if before, known := w.files[name]; known && before.size == s.size && before.modified.Equal(s.modified) {
		return before, true
	}
	file, err := os.Open(path)
	if err != nil {
		return fileState{}, false
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fileState{}, false
	}
	hash.Sum(s.sum[:0])
	return s, true
}

// ignored reports whether a path is hidden, written by tools or by the application
// itself, or an editor's working file.
func (w *watcher) ignored(path string) bool {
	name, err := filepath.Rel(w.folder, path)
	if err != nil || name == "." {
		return err != nil
	}
	name = filepath.ToSlash(name)
	if isEnviron(name) {
		return false
	}
	if first, _, _ := strings.Cut(name, "/"); first == "tmp" || first == "db" {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if part[0] == '.' || part[0] == '#' || part == "node_modules" || part == "testdata" {
			return true
		}
	}
	switch filepath.Ext(name) {
	case ".swp", ".swx", ".swo", ".tmp", ".bak", ".orig":
		return true
	}
	return strings.HasSuffix(name, "~") || filepath.Base(name) == "4913" // Vim creates it to test whether it may write
}

func isCode(name string) bool {
	switch filepath.Base(name) {
	case "go.mod", "go.sum", "go.work":
		return true
	}
	return isEnviron(name) || strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

// isEnviron reports whether a file gives variables to the application, which reads it as it
// starts.
func isEnviron(name string) bool {
	switch name {
	case ".env", ".env.development", ".env.test":
		return true
	}
	return false
}

// isBundled reports whether the bundler may read a file. A change in node_modules shows
// in package.json.
func isBundled(name string) bool {
	switch name {
	case "package.json", "tsconfig.json":
		return true
	}
	return strings.HasPrefix(name, "app/") && !strings.HasSuffix(name, ".d.ts")
}

func isAsset(name string) bool {
	return strings.HasPrefix(name, "views/") || strings.HasPrefix(name, "public/")
}
