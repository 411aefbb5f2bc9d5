package server

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

	"github.com/towerkit/tower/internal/server/fault"
)

// assetsURL is the path of the files that are bundled from an application's folder app. In
// development, tower server serves them. A program made by tower build contains them,
// under the same path in public.
const assetsURL = "/_tower/app/"

// assets finds the bundled files of the scripts in app/.
type assets struct {
	env    string
	folder string            // the application's folder
	files  fs.FS             // nil in a program without a bundle
	names  map[string]string // bundled files, by script (board.tsx) and by styles (board.css)
}

func newAssets(config Config) (*assets, error) {
	a := &assets{env: config.Env, folder: config.Folder}
	if config.Files == nil {
		return a, nil
	}
	text, err := fs.ReadFile(config.Files, path.Join("public", assetsURL, "manifest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &a.names)
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest of app/: %w", err)
	}
	a.files = config.Files
	return a, nil
}

// url returns the address of the bundled file of a script, or of its styles.
func (a *assets) url(name string) (string, error) {
	kind := path.Ext(name)
	isScript := slices.Contains([]string{".ts", ".tsx", ".js", ".jsx"}, kind)
	switch file, found := a.names[name]; {
	case path.Base(name) != name || !isScript && kind != ".css":
		return "", fmt.Errorf("asset %q is neither a script in app/, such as board.tsx, nor its styles, such as board.css", name)
	case found:
		return assetsURL + file, nil
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
	return assetsURL + name, nil
}

// has reports whether the bundle has a file.
func (a *assets) has(file string) bool {
	if a.files == nil || path.Base(file) != file || file == "manifest.json" {
		return false
	}
	info, err := fs.Stat(a.files, path.Join("public", assetsURL, file))
	return err == nil && !info.IsDir()
}

// serveAsset serves a bundled file. Its name has a hash of its contents, so it never
// changes.
func (a *App) serveAsset(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	if !a.assets.has(file) {
		a.Fail(w, r, fault.Errorf(fault.NotFound, "there is no %s; tower server bundles what is in app/, and tower build puts it into the program", r.URL.Path))
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeFileFS(w, r, a.assets.files, path.Join("public", assetsURL, file))
}
