package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/public"
)

// An overlay is what a build for production embeds differently from what is in the
// application's folder, without writing there: the bundle of app/ is added, and files that
// must not be served are left out.
type overlay struct {
	file    string   // for the flag -overlay of go build
	leftOut []string // files and folders in the application's folder: "public/.env"
	remove  func()
}

// newOverlay bundles the scripts in app/ for production and finds the files to leave out.
// The caller must call remove.
func newOverlay(ctx context.Context, folder string) (*overlay, error) {
	temporary, err := private.Temp("tower-bundle-")
	if err != nil {
		return nil, fmt.Errorf("bundle the scripts: %w", err)
	}
	o := &overlay{remove: func() { os.RemoveAll(temporary) }}
	if err := o.write(ctx, folder, temporary); err != nil {
		o.remove()
		var failure *Failure
		if ctx.Err() == nil && !errors.As(err, &failure) {
			err = fmt.Errorf("bundle the scripts: %w", err)
		}
		return nil, err
	}
	return o, nil
}

func (o *overlay) write(ctx context.Context, folder, temporary string) error {
	b := &bundler{folder: folder, production: true}
	defer b.close()
	made, err := b.bundle(ctx)
	if err != nil {
		return err
	}
	files := made.files
	if len(files) > 0 {
		if files["manifest.json"], err = json.Marshal(made.names); err != nil {
			return err
		}
	}
	replace := map[string]string{}
	for _, embedded := range []string{"public", "views"} {
		last, err := o.leaveOut(folder, embedded, replace)
		if err != nil {
			return err
		}
		if last != "" { // Go embeds no empty folder: keep one file of it, without its contents
			replace[last] = filepath.Join(temporary, ".empty")
			if err := os.WriteFile(replace[last], nil, 0o600); err != nil {
				return err
			}
		}
	}
	public := filepath.Join(folder, "public", filepath.FromSlash(strings.Trim(scriptsURL, "/")))
	for name, contents := range files {
		replace[filepath.Join(public, name)] = filepath.Join(temporary, name)
		if err := os.WriteFile(filepath.Join(temporary, name), contents, 0o600); err != nil {
			return err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	o.file = filepath.Join(temporary, ".overlay")
	return os.WriteFile(o.file, text, 0o600)
}

// leaveOut removes the hidden files in a folder that the application embeds. It returns one
// of them if the folder has no others, else "".
func (o *overlay) leaveOut(folder, embedded string, replace map[string]string) (last string, err error) {
	others := false
	top := filepath.Join(folder, embedded)
	err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(top, path)
		if err != nil || below == "." {
			return err
		}
		hidden := public.Hidden(filepath.ToSlash(below))
		if parent := filepath.ToSlash(filepath.Dir(below)); hidden && (parent == "." || !public.Hidden(parent)) {
			o.leftOut = append(o.leftOut, embedded+"/"+filepath.ToSlash(below))
		}
		switch {
		case entry.IsDir():
		case hidden:
			replace[path], last = "", path
		default:
			others = true
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if others {
		last = ""
	}
	return last, err
}

// LeftOut says what a build has left out.
func LeftOut(names []string) string {
	const most = 5
	text := "left out " + strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + ": a name that begins with a dot is not served, except public/.well-known"
}
