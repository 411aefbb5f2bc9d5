package vendored

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// copySource copies what an application, and this command, are built from.
func copySource(source, target string) (files int, size int64, err error) {
	root := os.DirFS(source)
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && !isSourceFolder(name):
			return fs.SkipDir
		case !entry.Type().IsRegular() || !isSourceFile(name):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		path := filepath.Join(target, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		files++
		size += int64(len(text))
		return os.WriteFile(path, text, 0o644)
	})
	return files, size, err
}

// templates are the folders of scaffolds whose files are embedded, tests as well.
var templates = []string{"scaffolds/app", "scaffolds/demo", "scaffolds/pages", "scaffolds/resource", "scaffolds/types"}

func isTemplate(name string) bool {
	for _, folder := range templates {
		if name == folder || strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}

// isSourceFolder reports whether programs are built from the files in a folder of tower.
func isSourceFolder(name string) bool {
	switch base := path.Base(name); {
	case isTemplate(name):
		return true
	case strings.HasPrefix(base, "."), base == "testdata", base == "node_modules":
		return false
	}
	switch name {
	case "docs", "script", "internal/systemtest", "internal/client/src", "internal/client/test":
		return false
	}
	return true
}

// isSourceFile reports whether programs are built from a file of tower.
func isSourceFile(name string) bool {
	if isTemplate(name) {
		return true
	}
	switch name {
	case "go.mod", "go.sum", "LICENSE", "CHANGELOG.md", "internal/client/LICENSE":
		return true
	}
	folder := path.Dir(name)
	switch path.Ext(name) {
	case ".go":
		return !strings.HasSuffix(name, "_test.go")
	case ".md":
		return false
	}
	return folder != "." && folder != "internal/client" // what Go files embed
}
