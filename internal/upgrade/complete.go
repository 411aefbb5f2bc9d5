package upgrade

import (
	"fmt"
	"path/filepath"
	"slices"
)

// Complete has the go.mod of the application in folder require modules that the tower in
// source requires, those of them that it lacks. It returns their paths.
func Complete(folder, source string, modules []string) (added []string, err error) {
	mod, _, err := readMod(folder)
	if err != nil {
		return nil, err
	}
	tower, _, err := readMod(source)
	if err != nil {
		return nil, err
	}
	has := requirements(mod)
	for _, r := range tower.Require {
		if _, ok := has[r.Mod.Path]; !ok && slices.Contains(modules, r.Mod.Path) {
			mod.AddNewRequire(r.Mod.Path, r.Mod.Version, true)
			added = append(added, r.Mod.Path)
		}
	}
	if len(added) == 0 {
		return nil, nil
	}
	mod.SetRequireSeparateIndirect(mod.Require)
	mod.Cleanup()
	text, err := mod.Format()
	if err != nil {
		return nil, fmt.Errorf("write go.mod: %w", err)
	}
	ours, err := readIfThere(filepath.Join(folder, "go.sum"))
	if err != nil {
		return nil, fmt.Errorf("read go.sum: %w", err)
	}
	theirs, err := readIfThere(filepath.Join(source, "go.sum"))
	if err != nil {
		return nil, fmt.Errorf("read the go.sum of tower: %w", err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{"go.sum", joinSums(ours, theirs)}, {"go.mod", text}} {
		if err := write(filepath.Join(folder, file.name), file.text, 0o644); err != nil {
			return nil, err
		}
	}
	return added, nil
}
