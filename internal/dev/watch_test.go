package dev

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write("main.go", "package main")
	write("views/home/index.html", "home")
	write("internal/db/db.go", "package db")
	w, err := openWatcher(folder)
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.run(ctx) })
	defer running.Wait()
	defer stop()

	// The watcher reports each wanted change next: it does not report the writes before it
	// that change nothing.
	steps := []struct {
		name string
		do   func()
		want change
	}{
		{"content", func() { write("main.go", "package main // 2") }, change{code: []string{"main.go"}}},
		{"touch", func() {
			must(os.Chtimes(filepath.Join(folder, "main.go"), time.Now(), time.Now().Add(time.Hour)))
			write("views/home/index.html", "home")
			write("views/home/index.html", "home 2")
		}, change{assets: []string{"views/home/index.html"}}},
		{"ignored", func() {
			for _, name := range []string{
				"tmp/build/1/main.go", "db/x.go", ".git/x.go", ".tower/manifest.json", "node_modules/x/x.go", "main_test.go",
				"views/.index.html.swp", "views/index.html~", "views/#index.html#", "views/4913", "README.md", "testdata/x.go",
			} {
				write(name, "something")
			}
			write("public/app.css", "body {}")
		}, change{assets: []string{"public/app.css"}}},
		{"new folders", func() { write("models/deep/er/post.go", "package er") }, change{code: []string{"models/deep/er/post.go"}}},
		{"in a new folder", func() { write("models/deep/er/post.go", "package er // 2") }, change{code: []string{"models/deep/er/post.go"}}},
		{"a package called db", func() { write("internal/db/db.go", "package db // 2") }, change{code: []string{"internal/db/db.go"}}},
		{"saved by renaming", func() {
			write(".main.go.new", "package main // 3")
			must(os.Rename(filepath.Join(folder, ".main.go.new"), filepath.Join(folder, "main.go")))
		}, change{code: []string{"main.go"}}},
		{"moved folder", func() {
			must(os.Rename(filepath.Join(folder, "models", "deep"), filepath.Join(folder, "models", "flat")))
		}, change{code: []string{"models/deep/er/post.go", "models/flat/er/post.go"}}},
		{"in a moved folder", func() { write("models/flat/er/post.go", "package er // 3") }, change{code: []string{"models/flat/er/post.go"}}},
		{"removed", func() { must(os.RemoveAll(filepath.Join(folder, "models"))) }, change{code: []string{"models/flat/er/post.go"}}},
		{"both", func() { write("go.mod", "module x"); write("views/a.html", "a") }, change{code: []string{"go.mod"}, assets: []string{"views/a.html"}}},
	}
	var before change // a file may be reported twice, the second time late
	late := func(names, wanted []string) func(string) bool {
		return func(name string) bool { return slices.Contains(names, name) && !slices.Contains(wanted, name) }
	}
	for _, step := range steps {
		step.do()
		var got change
		for len(got.code) < len(step.want.code) || len(got.assets) < len(step.want.assets) {
			select {
			case more := <-w.changes:
				got.merge(more)
				got.code = slices.DeleteFunc(got.code, late(before.code, step.want.code))
				got.assets = slices.DeleteFunc(got.assets, late(before.assets, step.want.assets))
			case <-time.After(bound):
				t.Fatalf("%s: only received %v", step.name, got)
			}
		}
		if !slices.Equal(got.code, step.want.code) || !slices.Equal(got.assets, step.want.assets) {
			t.Errorf("%s: received %v", step.name, got)
		}
		before = step.want
	}
}

// TestAReplacedFileIsNeverGone scans a folder while a file in it is replaced again and again.
func TestAReplacedFileIsNeverGone(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, n int) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(fmt.Sprint("package main // ", n)), 0o644); err != nil {
			t.Error(err)
		}
	}
	for n := range 200 {
		write(fmt.Sprintf("file%d.go", n), 0)
	}
	write("main.go", 0)
	w, err := openWatcher(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer w.notify.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 2000 {
			write(".new", n)
			if err := os.Rename(filepath.Join(folder, ".new"), filepath.Join(folder, "main.go")); err != nil {
				t.Error(err)
			}
		}
	}()
	for scanning := true; scanning; {
		select {
		case <-done:
			scanning = false
		case <-w.notify.Events:
			continue
		default:
		}
		files, err := w.scan()
		if err != nil {
			t.Fatal(err)
		}
		if _, there := files["main.go"]; !there {
			t.Fatal("a scan did not see a file that was replaced meanwhile")
		}
		w.files = files
	}
}
