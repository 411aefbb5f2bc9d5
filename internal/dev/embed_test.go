package dev

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lister is a program that prints what it embeds.
const lister = `package main

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed all:public all:views
var files embed.FS

func main() {
	fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			text, _ := files.ReadFile(name)
			fmt.Printf("%s=%s\n", name, text)
		}
		return err
	})
}
`

func TestHiddenFilesAreNotEmbedded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	put(t, folder, map[string]string{
		"go.mod": "module list\n\ngo 1.26\n", "main.go": lister,
		"public/app.css": "css", "public/.env": "secret", "public/x/.git/config": "secret", "public/x/.git/objects/a": "secret",
		"public/.well-known/security.txt": "contact", "public/.well-known/.htpasswd": "secret", "public/~x": "x",
		"views/.keep": "nothing",
	})
	out := filepath.Join(folder, programName("list"))
	leftOut, err := Build(t.Context(), Target{Folder: folder, Out: out, Production: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"public/.env", "public/.well-known/.htpasswd", "public/x/.git", "views/.keep"}; !slices.Equal(leftOut, want) {
		t.Errorf("left out %q, not %q", leftOut, want)
	}
	if text := LeftOut(leftOut); !strings.Contains(text, "public/.env") {
		t.Errorf("the build says %s", text)
	}
	listed, err := exec.CommandContext(t.Context(), out).Output()
	if want := "public/.well-known/security.txt=contact\npublic/app.css=css\npublic/~x=x\nviews/.keep=\n"; err != nil || string(listed) != want {
		t.Errorf("it embeds\n%s(%v)", listed, err)
	}
	if text, err := os.ReadFile(out); err != nil || strings.Contains(string(text), "public/.env") {
		t.Errorf("the program names a hidden file (%v)", err)
	}
}
