package view

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

// A public is the files in public/ with their addresses, which hold a hash of their
// contents: /app.css is /app.3f2a91c07b1d.css. Style sheets name the files that they use by
// these addresses, too.
type public struct {
	files     fs.FS
	addresses map[string]string // by path: /app.css
	paths     map[string]string // by address
	styles    map[string]string // the text of style sheets, by path
}

// newPublic reads the files in public/. It leaves out those whose name, or whose folder's
// name, begins with a dot, and the bundle of app/.
func newPublic(files fs.FS) (*public, error) {
	p := &public{files: files, addresses: map[string]string{}, paths: map[string]string{}, styles: map[string]string{}}
	var all []string
	err := fs.WalkDir(files, "public", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name == "public":
			return fs.SkipAll
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), ".") || entry.IsDir() && name == path.Join("public", AssetsURL):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir():
			all = append(all, strings.TrimPrefix(name, "public"))
		}
		return nil
	})
	for _, name := range all {
		if err == nil {
			_, err = p.address(name, nil)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read public/: %w", err)
	}
	return p, nil
}

// address returns the address of a file, "" if there is none. within is the style sheets
// that are being read: one that imports itself, even through others, is named by its path.
func (p *public) address(name string, within []string) (string, error) {
	if known := p.addresses[name]; known != "" {
		return known, nil
	}
	for _, other := range within {
		if other == name {
			return name, nil
		}
	}
	content, err := fs.ReadFile(p.files, path.Join("public", name))
	if err != nil {
		return "", err
	}
	ext := path.Ext(name)
	if ext == ".css" {
		text, err := p.rewrite(name, string(content), append(within, name))
		if err != nil {
			return "", err
		}
		p.styles[name], content = text, []byte(text)
	}
	sum := sha256.Sum256(content)
	address := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	p.addresses[name], p.paths[address] = address, name
	return address, nil
}

var styleReference = regexp.MustCompile(`(?s)/\*.*?\*/|url\(\s*(?:"([^"]*)"|'([^']*)'|([^'"()\s]+))\s*\)|@import\s+(?:"([^"]*)"|'([^']*)')`)

// rewrite replaces the paths in a style sheet by addresses. It leaves what is not a file in
// public/ as it is.
func (p *public) rewrite(name, text string, within []string) (string, error) {
	var failed error
	text = styleReference.ReplaceAllStringFunc(text, func(found string) string {
		var reference string
		for _, group := range styleReference.FindStringSubmatch(found)[1:] {
			reference += group
		}
		file, rest := reference, ""
		if i := strings.IndexAny(reference, "?#"); i >= 0 {
			file, rest = reference[:i], reference[i:]
		}
		if file == "" || strings.Contains(file, ":") || strings.HasPrefix(file, "//") {
			return found
		}
		if !strings.HasPrefix(file, "/") {
			file = path.Join(path.Dir(name), file)
		}
		if info, err := fs.Stat(p.files, path.Join("public", file)); err != nil || info.IsDir() || hidden(file) {
			return found
		}
		address, err := p.address(path.Clean(file), within)
		if err != nil {
			failed = err
			return found
		}
		return strings.Replace(found, reference, address+rest, 1)
	})
	return text, failed
}

// hidden reports whether a part of a path begins with a dot.
func hidden(name string) bool { return strings.Contains(name, "/.") }

// ServePublic serves a file of public/ under its address, and reports whether there is one.
// Its address has a hash of its contents, so it never changes.
func (a *Assets) ServePublic(w http.ResponseWriter, r *http.Request) bool {
	if a.public == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	name, found := a.public.paths[r.URL.Path]
	if !found {
		return false
	}
	w.Header().Set("Cache-Control", forever)
	if text, isStyle := a.public.styles[name]; isStyle {
		w.Header().Set("Content-Type", mime.TypeByExtension(".css"))
		http.ServeContent(w, r, name, time.Time{}, strings.NewReader(text))
		return true
	}
	http.ServeFileFS(w, r, a.public.files, path.Join("public", name))
	return true
}

// forever is the Cache-Control of what never changes.
const forever = "public, max-age=31536000, immutable"
