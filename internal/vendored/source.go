package vendored

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// copySource copies what an application, and this command, are built from: Go files and what
// they embed. Whatever else lies in the source's folder stays there.
func copySource(source, target string) (files int, size int64, err error) {
	root := os.DirFS(source)
	names, err := sourceFiles(root)
	if err != nil {
		return 0, 0, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return 0, 0, err
		}
		path := filepath.Join(target, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return 0, 0, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return 0, 0, err
		}
		size += int64(len(text))
	}
	return len(names), size, nil
}

// sourceFiles returns the names of what copySource copies.
func sourceFiles(root fs.FS) ([]string, error) {
	names := map[string]bool{"go.mod": true, "go.sum": true, "LICENSE": true, "CHANGELOG.md": true, "internal/client/LICENSE": true}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != "." && !isSourceFolder(root, name) {
				return fs.SkipDir
			}
			return nil
		case !entry.Type().IsRegular() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		names[name] = true
		embedded, err := embeddedBy(root, name)
		for _, name := range embedded {
			names[name] = true
		}
		return err
	})
	return slices.Sorted(maps.Keys(names)), err
}

// isSourceFolder reports whether programs may be built from the files in a folder.
func isSourceFolder(root fs.FS, name string) bool {
	switch base := path.Base(name); {
	case strings.HasPrefix(base, "."), strings.HasPrefix(base, "_"), base == "testdata", base == "node_modules":
		return false
	}
	switch name {
	case "docs", "script", "internal/systemtest":
		return false
	}
	_, err := fs.Stat(root, path.Join(name, "go.mod"))
	return err != nil // else it is another module
}

var embedLine = regexp.MustCompile(`(?m)^//go:embed (.+)$`)

// embeddedBy returns the files that a Go file embeds, and of folders all files.
func embeddedBy(root fs.FS, name string) (files []string, err error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	for _, line := range embedLine.FindAllSubmatch(text, -1) {
		for pattern := range strings.FieldsSeq(string(line[1])) {
			if unquoted, err := strconv.Unquote(pattern); err == nil {
				pattern = unquoted
			}
			found, err := fs.Glob(root, path.Join(path.Dir(name), strings.TrimPrefix(pattern, "all:")))
			if err == nil && len(found) == 0 {
				err = fs.ErrNotExist
			}
			if err != nil {
				return nil, fmt.Errorf("%s embeds %s: %w", name, pattern, err)
			}
			for _, one := range found {
				if err := fs.WalkDir(root, one, func(name string, entry fs.DirEntry, err error) error {
					if err == nil && entry.Type().IsRegular() {
						files = append(files, name)
					}
					return err
				}); err != nil {
					return nil, err
				}
			}
		}
	}
	return files, nil
}
