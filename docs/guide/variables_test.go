package guide_test

import (
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	variable   = regexp.MustCompile(`\bTOWER_[A-Z][A-Z_]*[A-Z]\b`)
	documented = regexp.MustCompile("(?m)^\\| `(TOWER_[A-Z_]+)` \\|")
)

// TestEachVariableIsDocumented compares the variables that the sources name with the table
// of settings.md.
func TestEachVariableIsDocumented(t *testing.T) {
	named := map[string]string{}
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && (base == "node_modules" || base == "testdata" || base == "dist" || strings.HasPrefix(base, ".") && name != top) {
			return filepath.SkipDir
		}
		isSource := path.Ext(base) == ".go" && !strings.HasSuffix(base, "_test.go") || filepath.Base(filepath.Dir(name)) == "script"
		if entry.IsDir() || !isSource {
			return nil
		}
		for _, found := range variable.FindAllString(read(t, name), -1) {
			named[found] = name
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]bool{}
	for _, row := range documented.FindAllStringSubmatch(read(t, "settings.md"), -1) {
		table[row[1]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !table[name] {
			t.Errorf("%s is named in %s, and the table of settings.md lacks it", name, named[name])
		}
	}
	for name := range table {
		if named[name] == "" {
			t.Errorf("the table of settings.md has %s, which no source names", name)
		}
	}
}
