package scaffolds

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A plan with every kind of change to a folder that holds some files.
func changes(t *testing.T) *Plan {
	dir := t.TempDir()
	put(t, dir, "kept.txt", "kept")
	put(t, dir, "edited.txt", "before")
	put(t, dir, "old/only.txt", "going")
	put(t, dir, "old/er/only.txt", "going too")
	plan := newPlan(dir)
	plan.Steps = []Step{
		{Verb: Create, Path: "new/deep/file.txt", after: []byte("new")},
		{Verb: Update, Path: "edited.txt", before: []byte("before"), after: []byte("after")},
		{Verb: Identical, Path: "kept.txt", before: []byte("kept"), after: []byte("kept")},
		{Verb: Remove, Path: "old/er/only.txt", before: []byte("going too")},
		{Verb: Remove, Path: "old/only.txt", before: []byte("going")},
		{Verb: Create, Path: "new/empty", after: []byte{}},
	}
	return plan
}

func TestApply(t *testing.T) {
	plan := changes(t)
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	sameTree(t, tree(t, plan.Folder), map[string]string{
		"kept.txt": "kept", "edited.txt": "after",
		"new/": "", "new/deep/": "", "new/deep/file.txt": "new", "new/empty": "",
	})
}

// Whichever operation fails, everything is as it was.
func TestApplyTakesEverythingBack(t *testing.T) {
	failure := errors.New("the disk says no")
	for nth := 1; ; nth++ {
		plan := changes(t)
		before := tree(t, plan.Folder)
		left := nth
		fail := func() error {
			if left--; left == 0 {
				return failure
			}
			return nil
		}
		plan.fs = fileSystem{
			mkdir: func(name string) error {
				if err := fail(); err != nil {
					return err
				}
				return osFileSystem.mkdir(name)
			},
			write: func(name string, text []byte, mode fs.FileMode) error {
				// A disk that is full has written a part.
				if err := fail(); err != nil {
					return errors.Join(err, osFileSystem.write(name, text[:len(text)/2], mode))
				}
				return osFileSystem.write(name, text, mode)
			},
			rename: func(from, to string) error {
				if err := fail(); err != nil {
					return err
				}
				return osFileSystem.rename(from, to)
			},
		}
		err := plan.Apply()
		if left > 0 {
			if err != nil {
				t.Fatal(err)
			}
			if nth < 10 {
				t.Fatalf("only %d operations were made to fail", nth-1)
			}
			return
		}
		if !errors.Is(err, failure) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("operation %d: %v", nth, err)
		}
		sameTree(t, tree(t, plan.Folder), before)
	}
}

func TestApplyRefusesAFolderThatHasMovedOn(t *testing.T) {
	for what, change := range map[string]func(dir string) error{
		"edited.txt has been changed": func(dir string) error { return os.WriteFile(filepath.Join(dir, "edited.txt"), []byte("mine"), 0o666) },
		"edited.txt has been removed": func(dir string) error { return os.Remove(filepath.Join(dir, "edited.txt")) },
		"new/empty has been changed": func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "new"), 0o777), os.WriteFile(filepath.Join(dir, "new/empty"), nil, 0o666))
		},
		"new/empty is not a file": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "new/empty"), 0o777) },
	} {
		plan := changes(t)
		if err := change(plan.Folder); err != nil {
			t.Fatal(err)
		}
		before := tree(t, plan.Folder)
		if err := plan.Apply(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v; want an error with %q", err, what)
		}
		sameTree(t, tree(t, plan.Folder), before)
	}
}

// A file keeps its mode, and a link stays one.
func TestApplyKeepsModesAndLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("modes and links are those of unix")
		return
	}
	dir := t.TempDir()
	put(t, dir, "real.sh", "one")
	if err := errors.Join(os.Chmod(filepath.Join(dir, "real.sh"), 0o755), os.Symlink("real.sh", filepath.Join(dir, "link.sh"))); err != nil {
		t.Fatal(err)
	}
	plan := newPlan(dir)
	plan.Steps = []Step{{Verb: Update, Path: "link.sh", before: []byte("one"), after: []byte("two")}}
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(filepath.Join(dir, "real.sh"))
	if err != nil || info.Mode().Perm() != 0o755 || get(t, dir, "real.sh") != "two" {
		t.Errorf("real.sh is %v, %v", info.Mode(), err)
	}
	if link, err := os.Readlink(filepath.Join(dir, "link.sh")); link != "real.sh" {
		t.Errorf("link.sh is no link any more: %v", err)
	}
}

func TestPrint(t *testing.T) {
	plan := newPlan("")
	plan.Steps = []Step{
		{Verb: Create, Path: "models/post.go"},
		{Verb: Keep, Path: "routes.go", Note: "these lines were edited:\na\nb"},
	}
	plan.write("a.txt", []byte("one\ntwo\n"), []byte("one\nthree\n"), false)
	plan.write("same.txt", []byte("one\r\n"), []byte("one\n"), false)

	want := `      create  models/post.go
        keep  routes.go  these lines were edited:
              a
              b
    conflict  a.txt
              --- a.txt (existing)
              +++ a.txt (generated)
              @@ -1,2 +1,2 @@
               one
              -two
              +three
   identical  same.txt
`
	if got := plan.String(); got != want {
		t.Errorf("the plan prints\n%s\nnot\n%s", got, want)
	}

	var styled strings.Builder
	if err := plan.Print(&styled, func(what, text string) string { return "<" + what + ">" + text }); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<create>      create  models/post.go\n", "<->-two\n", "<+>+three\n", "<@>@@"} {
		if !strings.Contains(styled.String(), part) {
			t.Errorf("%q is not in\n%s", part, &styled)
		}
	}
}
