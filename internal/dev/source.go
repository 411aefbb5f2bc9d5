package dev

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sourceHash returns a hash of what decides what the application's migrations do: the Go files
// and the requirements of its module, and the files in its folder migrations. Programs that
// were built from the same source have the same one, whatever their flags and stamps.
func sourceHash(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	root, own := moduleRoot(folder), filepath.Join(folder, "migrations")
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (name[0] == '.' || name[0] == '_' || name == "node_modules" || name == "testdata" || name == "tmp"):
			return filepath.SkipDir
		case !entry.Type().IsRegular() || strings.HasSuffix(name, "_test.go"):
			return nil
		case filepath.Ext(name) == ".go" || name == "go.mod" || name == "go.sum" || filepath.Dir(path) == own:
			return hashFile(sum, strings.TrimPrefix(path, root), path)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the source of the application: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// moduleRoot returns the folder of the go.mod that a folder belongs to; the folder itself if
// there is none.
func moduleRoot(folder string) string {
	for at := folder; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			return folder
		}
	}
}

func hashFile(sum hash.Hash, name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(sum, "%q %d\n", filepath.ToSlash(name), info.Size())
	_, err = io.Copy(sum, file)
	return err
}
