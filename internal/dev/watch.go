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

// A change is the files whose content became different, relative to the
// folder, with slashes.
type change struct {
	code    []string // go build reads them
	assets  []string // the running application reads them
	scripts []string // the bundler reads them
}

// debounce is how long no event must come before a change is looked at; lasting
// events do not put it off for longer than patience.
const (
	debounce    = 60 * time.Millisecond
	maxDebounce = 500 * time.Millisecond
)

// A watcher tells what changes in an application's folder. Events only say that
// there is something to look at: what counts is the content.
type watcher struct {
	folder  string
	notify  *fsnotify.Watcher
	changes chan change
	files   map[string]fileState
}

// fileState is a file as it was looked at last.
type fileState struct {
	modified time.Time
	size     int64
	sum      [sha256.Size]byte
}

// openWatcher begins to watch. What is there already is not a change.
func openWatcher(folder string) (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the application's folder: %w", err)
	}
	w := &watcher{folder: folder, notify: notify, changes: make(chan change), files: map[string]fileState{}}
	if w.files, err = w.scan(); err != nil {
		notify.Close()
		if errors.Is(err, syscall.ENOSPC) {
			err = errors.New("the system lets you watch no more folders (on Linux: raise fs.inotify.max_user_watches)")
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
		case <-w.notify.Errors: // events were lost: look at everything
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

// scanChanges compares the folder with what was seen last.
func (w *watcher) scanChanges() change {
	now, err := w.scan()
	if err != nil {
		return change{} // the folder is being moved about: there will be an event
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

// scan looks at every file that matters, and watches every folder.
func (w *watcher) scan() (map[string]fileState, error) {
	files := map[string]fileState{}
	err := filepath.WalkDir(w.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if path == w.folder {
				return err
			}
			return nil // it went away, or is not ours to read
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
	return files, err
}

// maxHashSize is the size of the largest file that is read to see whether it
// changed: a film in public must not delay the start.
const maxHashSize = 4 << 20

// readState reads a file, unless it looks as it did.
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

// ignored reports whether a path is nothing to look at: hidden, written by
// tools or by the application itself, or an editor's working file.
func (w *watcher) ignored(path string) bool {
	name, err := filepath.Rel(w.folder, path)
	if err != nil || name == "." {
		return err != nil
	}
	name = filepath.ToSlash(name)
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
	return strings.HasSuffix(name, "~") || filepath.Base(name) == "4913" // Vim asks whether it may write with that
}

func isCode(name string) bool {
	switch filepath.Base(name) {
	case "go.mod", "go.sum", "go.work":
		return true
	}
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

// isBundled reports whether the bundler may read a file. What npm installs is told
// by package.json.
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
