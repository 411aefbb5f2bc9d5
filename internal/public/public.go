// Package public serves the files in an application's folder public. It serves no file
// whose path has a part that begins with a dot, except below .well-known, lists no folder,
// and follows no link out of the folder.
package public

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Hidden reports whether a file is not served: name is its path below public, with slashes.
func Hidden(name string) bool {
	for i, part := range strings.Split(name, "/") {
		if strings.HasPrefix(part, ".") && (i > 0 || part != ".well-known") {
			return true
		}
	}
	return false
}

// Serve answers a request with the file of its path in the folder public of files, and
// reports whether there is one.
func Serve(w http.ResponseWriter, r *http.Request, files fs.FS) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || files == nil {
		return false
	}
	name := path.Clean("/" + r.URL.Path)[1:]
	if name == "" || strings.HasSuffix(r.URL.Path, "/") || strings.ContainsAny(name, "\\\x00") || Hidden(name) {
		return false
	}
	file, err := files.Open(path.Join("public", name))
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	content, seeks := file.(io.ReadSeeker)
	if err != nil || !info.Mode().IsRegular() || !seeks {
		return false
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, name, info.ModTime(), content)
	return true
}

// Dir returns the files in an application's folder as they are now. Links in public do not
// lead out of it.
func Dir(folder string) fs.FS { return dir{os.DirFS(folder), filepath.Join(folder, "public")} }

type dir struct {
	fs.FS
	public string
}

func (d dir) Open(name string) (fs.File, error) {
	below, isPublic := strings.CutPrefix(name, "public/")
	if !isPublic {
		return d.FS.Open(name)
	}
	root, err := os.OpenRoot(d.public)
	if err != nil {
		return nil, fmt.Errorf("open the folder public: %w", err)
	}
	defer root.Close()
	return root.FS().Open(below)
}
