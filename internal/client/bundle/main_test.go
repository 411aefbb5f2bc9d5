package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// budgets are the bytes that may have to be loaded, gzipped.
var budgets = map[string]int{
	core: 12 << 10,
	page: 15 << 10,
}

func TestBundleIsCurrent(t *testing.T) {
	want, err := build("..", page)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", output))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("dist/tower.js is not what src builds now; run: go generate ./internal/client")
	}
}

func TestBundleIsSmall(t *testing.T) {
	for entry, budget := range budgets {
		script, err := build("..", entry)
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
		t.Logf("%s: %d bytes, %d gzipped of %d", entry, len(script), packed.Len(), budget)
		if packed.Len() > budget {
			t.Errorf("%s is %d bytes gzipped, its budget is %d", entry, packed.Len(), budget)
		}
	}
}

func TestBrokenSourceIsAnErrorThatNamesTheLine(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(folder, "src", "tower.ts")
	if err := os.WriteFile(source, []byte("const a = 1;\nlet = ;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := run(folder)
	if err == nil || !strings.Contains(err.Error(), "src/tower.ts:2:") {
		t.Errorf("got %v, want an error at src/tower.ts:2", err)
	}
	if _, err := os.Stat(filepath.Join(folder, output)); err == nil {
		t.Error("a bundle was written all the same")
	}
}
