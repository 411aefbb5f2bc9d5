package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// AssetsURL is the path of the files that are bundled from an application's folder app. In
// development, tower server serves them. A program made by tower build contains them,
// under the same path in public.
const AssetsURL = "/_tower/app/"

// Assets finds the bundled files of the scripts in app/.
type Assets struct {
	env    string
	folder string            // the application's folder
	files  fs.FS             // nil in a program without a bundle
	names  map[string]string // bundled files, by script (board.tsx) and by styles (board.css)
	public *public           // nil in development, where files change
	source fs.FS             // the application's files
}

// NewAssets reads the manifest of the bundle in an application's files, if there is one.
func NewAssets(env, folder string, files fs.FS) (*Assets, error) {
	a := &Assets{env: env, folder: folder, source: files}
	if files == nil {
		return a, nil
	}
	if env != "development" {
		var err error
		if a.public, err = newPublic(files); err != nil {
			return nil, err
		}
	}
	text, err := fs.ReadFile(files, path.Join("public", AssetsURL, "manifest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &a.names)
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest of app/: %w", err)
	}
	a.files = files
	return a, nil
}

// URL returns the address of a file in public/, "/app.css", or of the bundled file of a
// script in app/, "board.tsx", or of its styles, "board.css".
func (a *Assets) URL(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return a.publicURL(name)
	}
	kind := path.Ext(name)
	isScript := slices.Contains([]string{".ts", ".tsx", ".js", ".jsx"}, kind)
	switch file, found := a.names[name]; {
	case path.Base(name) != name || !isScript && kind != ".css":
		return "", fmt.Errorf("asset %q is neither a script in app/, such as board.tsx, nor its styles, such as board.css, nor a file in public/, such as /app.css", name)
	case found:
		return AssetsURL + file, nil
	case a.files != nil:
		return "", fmt.Errorf("app/%s was not bundled; the bundle has %s", name, strings.Join(slices.Sorted(maps.Keys(a.names)), ", "))
	case a.env == "production":
		return "", fmt.Errorf("asset %s: this program has no bundle of app/; build it with tower build, and embed all:public", name)
	}
	if _, err := os.Stat(filepath.Join(a.folder, "app", name)); isScript && a.env == "development" && err != nil {
		return "", fmt.Errorf("asset %s: there is no app/%s", name, name)
	}
	if isScript {
		name = strings.TrimSuffix(name, kind) + ".js"
	}
	return AssetsURL + name, nil
}

func (a *Assets) publicURL(name string) (string, error) {
	if a.public != nil && a.public.addresses[name] != "" {
		return a.public.addresses[name], nil
	}
	if a.source != nil && a.public == nil && path.Clean(name) == name && !hidden(name) {
		if info, err := fs.Stat(a.source, path.Join("public", name)); err == nil && !info.IsDir() {
			return name, nil
		}
	}
	return "", fmt.Errorf("asset %q: there is no public%s", name, name)
}

// has reports whether the bundle has a file.
func (a *Assets) has(file string) bool {
	if a.files == nil || path.Base(file) != file || file == "manifest.json" {
		return false
	}
	info, err := fs.Stat(a.files, path.Join("public", AssetsURL, file))
	return err == nil && !info.IsDir()
}

// Serve serves a bundled file, and reports whether there is one. Its name has a hash of its
// contents, so it never changes.
func (a *Assets) Serve(w http.ResponseWriter, r *http.Request, file string) bool {
	if !a.has(file) {
		return false
	}
	w.Header().Set("Cache-Control", forever)
	http.ServeFileFS(w, r, a.files, path.Join("public", AssetsURL, file))
	return true
}
