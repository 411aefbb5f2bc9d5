package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// budgets are the maximum sizes of the modules, in gzipped bytes.
var budgets = map[string]int{"tower.js": 22_500, "index.js": 15_300, "worker.js": 4_200, "offline.js": 1_000,
	"react.js": 1_000, "svelte.js": 1_000, "vue.js": 1_000}

func TestBundlesAreCurrent(t *testing.T) {
	for name, source := range scripts {
		want, err := build("..", source)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../dist", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("dist/%s is out of date; run: go generate ./internal/client", name)
		}
	}
}

func TestBundlesAreSmall(t *testing.T) {
	for name, source := range scripts {
		script, err := build("..", source)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(script); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %d gzipped of %d", name, len(script), packed.Len(), budgets[name])
		if packed.Len() > budgets[name] {
			t.Errorf("%s is %d bytes gzipped, its budget is %d", name, packed.Len(), budgets[name])
		}
	}
}

func TestBrokenSourceIsAnErrorThatNamesTheLine(t *testing.T) {
	folder := t.TempDir()
	for _, source := range scripts {
		path := filepath.Join(folder, "src", source)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text := ""
		if source == "tower.ts" {
			text = "const a = 1;\nlet = ;\n"
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err := run(folder)
	if err == nil || !strings.Contains(err.Error(), "src/tower.ts:2:") {
		t.Errorf("got %v, want an error at src/tower.ts:2", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "dist", "tower.js")); err == nil {
		t.Error("a bundle was written despite the error")
	}
}
