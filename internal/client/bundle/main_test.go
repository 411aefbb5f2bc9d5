package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// budget is what a page may have to load, gzipped.
const budget = 12 << 10

func TestBundleIsCurrent(t *testing.T) {
	want, err := build("..")
	if err != nil {
		t.Fatal(err)
	}
	for output, script := range want {
		got, err := os.ReadFile(filepath.Join("..", output))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, script) {
			t.Errorf("%s is not what src builds now; run: go generate ./internal/client", output)
		}
	}
}

func TestBundleIsSmall(t *testing.T) {
	scripts, err := build("..")
	if err != nil {
		t.Fatal(err)
	}
	script := scripts[pageScript]
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
	t.Logf("%d bytes, %d gzipped of %d", len(script), packed.Len(), budget)
	if packed.Len() > budget {
		t.Errorf("the bundle is %d bytes gzipped, its budget is %d", packed.Len(), budget)
	}
}

func TestBrokenSourceIsAnErrorThatNamesTheLine(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(folder, "src", "index.ts")
	if err := os.WriteFile(source, []byte("const a = 1;\nlet = ;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "src", "worker.ts"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := run(folder)
	if err == nil || !strings.Contains(err.Error(), "src/index.ts:2:") {
		t.Errorf("got %v, want an error at src/index.ts:2", err)
	}
	if _, err := os.Stat(filepath.Join(folder, pageScript)); err == nil {
		t.Error("a bundle was written all the same")
	}
}
