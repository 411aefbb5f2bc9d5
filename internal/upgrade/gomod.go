package upgrade

import (
	"bytes"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"github.com/towerkit/tower/internal/vendored"
)

// requireRelease has an application's go.mod require a release of tower.
func requireRelease(mod *modfile.File, version string) error {
	if err := vendored.Release(mod); err != nil {
		return err
	}
	return mod.AddRequire(towerModule, version)
}

// requireModules raises the requirements of an application's go.mod to those of tower's. It
// adds those in needed.
func requireModules(mod, tower *modfile.File, needed []string) error {
	if tower.Go != nil && (mod.Go == nil || version.Compare("go"+mod.Go.Version, "go"+tower.Go.Version) < 0) {
		if err := mod.AddGoStmt(tower.Go.Version); err != nil {
			return err
		}
	}
	has := requirements(mod)
	for _, r := range tower.Require {
		have, ok := has[r.Mod.Path]
		switch {
		case !ok && slices.Contains(needed, r.Mod.Path):
			mod.AddNewRequire(r.Mod.Path, r.Mod.Version, true)
		case ok && semver.Compare(have, r.Mod.Version) < 0:
			if err := mod.AddRequire(r.Mod.Path, r.Mod.Version); err != nil {
				return err
			}
		}
	}
	mod.SetRequireSeparateIndirect(mod.Require)
	mod.Cleanup()
	return nil
}

func requirements(mod *modfile.File) map[string]string {
	all := map[string]string{}
	for _, r := range mod.Require {
		all[r.Mod.Path] = r.Mod.Version
	}
	return all
}

// joinSums returns a go.sum with the lines of another that it lacks.
func joinSums(ours, theirs []byte) []byte {
	joined := bytes.Clone(ours)
	if len(joined) > 0 && joined[len(joined)-1] != '\n' {
		joined = append(joined, '\n')
	}
	has := map[string]bool{}
	for line := range strings.Lines(string(joined)) {
		has[line] = true
	}
	for line := range strings.Lines(string(theirs)) {
		if !has[line] {
			joined = append(joined, line...)
		}
	}
	return joined
}

// describeRequirements says how the requirements of a go.mod differ from those before.
func describeRequirements(before, after []byte) (string, error) {
	old, err := modfile.Parse("go.mod", before, nil)
	if err != nil {
		return "", fmt.Errorf("read go.mod: %w", err)
	}
	made, err := modfile.Parse("go.mod", after, nil)
	if err != nil {
		return "", fmt.Errorf("read go.mod: %w", err)
	}
	var said []string
	if old.Go != nil && made.Go != nil && old.Go.Version != made.Go.Version {
		said = append(said, "go "+old.Go.Version+" → "+made.Go.Version)
	}
	had := requirements(old)
	for _, r := range made.Require {
		switch have, ok := had[r.Mod.Path]; {
		case !ok:
			said = append(said, r.Mod.Path+" "+r.Mod.Version)
		case have != r.Mod.Version:
			said = append(said, r.Mod.Path+" "+have+" → "+r.Mod.Version)
		}
	}
	return strings.Join(said, ", "), nil
}

// readMod reads the go.mod in a folder.
func readMod(folder string) (*modfile.File, []byte, error) {
	name := filepath.Join(folder, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("read go.mod: %w", err)
	}
	mod, err := modfile.Parse(name, text, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("read go.mod: %w", err)
	}
	return mod, text, nil
}

// readIfThere reads a file. It returns nil if there is none.
func readIfThere(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return nil, nil
	}
	return text, err
}

func lineCount(text []byte) int { return bytes.Count(text, []byte("\n")) }
