package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/scaffolds"
)

func newVendor() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "vendor",
		Short: "Copy tower's source into the application",
		Long: `Copy the source of tower that this command was built from into the application, to
` + scaffolds.Vendored + `, and have go.mod use it. The application then builds wherever there is Go, and
go install ./` + scaffolds.Vendored + `/cmd/tower, run in that folder, installs this command.

A copy that is there is replaced, unless it was changed by hand.`,
		Example: "  tower vendor",
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			source := sourceTree()
			if source == "" {
				return cli.Hinted(errors.New("the source that this command was built from is not there"), "released versions need no copy: go get "+towerModule+"@latest")
			}
			files, size, err := vendorSource(source, app.Folder, force)
			if err != nil {
				return err
			}
			if err := useVendored(app.Folder); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "copied tower to %s: %d files, %s; commit them with the application\n", scaffolds.Vendored, files, cli.ByteSize(size))
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a copy that was changed by hand")
	return cmd
}

// sumFile is the file in a copy of tower's source that has the hash of its other files.
const sumFile = "tower.sum"

// vendorSource copies the source of tower into the application in folder. It replaces an
// earlier copy at once.
func vendorSource(source, folder string, force bool) (files int, size int64, err error) {
	target := filepath.Join(folder, filepath.FromSlash(scaffolds.Vendored))
	if source == target {
		return 0, 0, fmt.Errorf("this command was built from %s itself; use one that was built from another source", scaffolds.Vendored)
	}
	if err := checkVendored(target); err != nil && !force {
		return 0, 0, cli.Hinted(err, "tower vendor --force replaces it")
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return 0, 0, fmt.Errorf("copy tower: %w", err)
	}
	made, err := os.MkdirTemp(filepath.Dir(target), ".tower-*")
	if err != nil {
		return 0, 0, fmt.Errorf("copy tower: %w", err)
	}
	defer os.RemoveAll(made)
	if err := os.Chmod(made, 0o755); err != nil {
		return 0, 0, fmt.Errorf("copy tower: %w", err)
	}
	if files, size, err = copySource(source, made); err != nil {
		return 0, 0, fmt.Errorf("copy tower: %w", err)
	}
	sum, err := sumOf(made)
	if err == nil {
		err = os.WriteFile(filepath.Join(made, sumFile), []byte(sum+"\n"), 0o644)
	}
	if err == nil {
		err = replaceFolder(target, made)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("copy tower: %w", err)
	}
	return files, size, nil
}

// replaceFolder puts the folder made in the place of target, which may exist.
func replaceFolder(target, made string) error {
	old := made + ".old"
	if err := os.Rename(target, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(made, target); err != nil {
		_ = os.Rename(old, target)
		return err
	}
	return os.RemoveAll(old)
}

// checkVendored returns an error if the copy was changed by hand.
func checkVendored(target string) error {
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	want, err := os.ReadFile(filepath.Join(target, sumFile))
	if err != nil {
		return fmt.Errorf("%s is there, and tower vendor has not made it", scaffolds.Vendored)
	}
	sum, err := sumOf(target)
	if err != nil {
		return fmt.Errorf("read %s: %w", scaffolds.Vendored, err)
	}
	if sum != strings.TrimSpace(string(want)) {
		return fmt.Errorf("%s was changed by hand", scaffolds.Vendored)
	}
	return nil
}

// sumOf returns the hash of a copy's files, but for sumFile.
func sumOf(folder string) (string, error) {
	files, err := dirhash.DirFiles(folder, "tower")
	if err != nil {
		return "", err
	}
	var hashed []string
	for _, name := range files {
		if name != "tower/"+sumFile {
			hashed = append(hashed, name)
		}
	}
	return dirhash.Hash1(hashed, func(name string) (io.ReadCloser, error) {
		return os.Open(filepath.Join(folder, filepath.FromSlash(strings.TrimPrefix(name, "tower/"))))
	})
}

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
	case "go.mod", "go.sum", "LICENSE", "internal/client/LICENSE":
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

// useVendored has the application's go.mod use the copy of tower in its folder.
func useVendored(folder string) error {
	name := filepath.Join(folder, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	mod, err := modfile.Parse(name, text, nil)
	if err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	for _, replace := range mod.Replace {
		if replace.Old.Path == towerModule {
			if err := mod.DropReplace(replace.Old.Path, replace.Old.Version); err != nil {
				return fmt.Errorf("write go.mod: %w", err)
			}
		}
	}
	if err := mod.AddReplace(towerModule, "", "./"+scaffolds.Vendored, ""); err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	mod.Cleanup()
	if text, err = mod.Format(); err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	return nil
}
