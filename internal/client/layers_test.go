package client

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// layers are the folders of src. A folder may import itself and the folders
// before it.
var layers = []string{"wire", "net", "store", "page"}

var importPattern = regexp.MustCompile(`(?:\bfrom|\bimport)\s*\(?"([^"]+)"`)

// TestSourcesImportOnlyDownwards keeps the layers apart. The bindings in bind
// import the library as an application does, by the name tower.
func TestSourcesImportOnlyDownwards(t *testing.T) {
	count := 0
	err := filepath.WalkDir("src", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		file = strings.TrimPrefix(filepath.ToSlash(file), "src/")
		for _, match := range importPattern.FindAllStringSubmatch(string(text), -1) {
			count++
			if module := match[1]; !mayImport(file, module) {
				t.Errorf("src/%s must not import %q", file, module)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 50 {
		t.Errorf("found only %d imports", count)
	}
}

// mayImport reports whether a file of src may import a module. The scripts in
// src itself may import every layer.
func mayImport(file, module string) bool {
	folder := path.Dir(file)
	if !strings.HasPrefix(module, ".") {
		return folder == "bind"
	}
	target := path.Dir(path.Join(folder, module))
	if folder == target {
		return true
	}
	from, to := slices.Index(layers, folder), slices.Index(layers, target)
	if folder == "." {
		from = len(layers)
	}
	return 0 <= to && to < from
}

func TestLayers(t *testing.T) {
	for _, test := range []struct {
		file, module string
		allowed      bool
	}{
		{"wire/frames.ts", "./conditions", true},
		{"store/store.ts", "../net/connection", true},
		{"store/store.ts", "../wire/frames", true},
		{"net/http.ts", "../store/store", false},
		{"wire/frames.ts", "../page/forms", false},
		{"page/page.ts", "../index", false},
		{"page/page.ts", "react", false},
		{"bind/react.ts", "tower", true},
		{"bind/react.ts", "../store/store", false},
		{"store/store.ts", "../bind/lease", false},
		{"tower.ts", "./index", true},
		{"tower.ts", "./page/forms", true},
		{"tower.ts", "./bind/react", false},
		{"stray/more.ts", "../wire/frames", false},
	} {
		if mayImport(test.file, test.module) != test.allowed {
			t.Errorf("mayImport(%q, %q) is %v", test.file, test.module, !test.allowed)
		}
	}
}
