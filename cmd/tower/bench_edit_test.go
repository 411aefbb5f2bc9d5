//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// editable is the source of a route that answers with a text in it.
const editable = `package controllers

import (
	"io"
	"net/http"
)

// Edit answers GET /edit.
func (c *Home) Edit(w http.ResponseWriter, r *http.Request) error {
	_, err := io.WriteString(w, "edit 0.")
	return err
}
`

// BenchmarkEdit edits a source file of a new application and waits until tower server serves it, in turns
// with the same edit of a copy that go build builds: with its default flags, and without the tables for
// debuggers ("ofstripped"), which tower server leaves out too. "view-ms" is from the edit of a view until
// it is served.
func BenchmarkEdit(b *testing.B) {
	w := newHarness(b)
	a := w.newApp("edited")
	w.must(w.folder, "new", "edited", "--vendor=false") // sources in one place are compiled once
	if err := os.WriteFile(filepath.Join(a.folder, "controllers", "edit.go"), []byte(editable), 0o644); err != nil {
		b.Fatal(err)
	}
	a.replace("routes.go", "\treturn r\n", "\ttower.Handle(home, \"GET /edit\", (*controllers.Home).Edit)\n\n\treturn r\n")
	bare := w.newApp("bare")
	if err := os.CopyFS(bare.folder, os.DirFS(a.folder)); err != nil {
		b.Fatal(err)
	}
	edits := 1_000_000 // the texts differ from those of the server, which are in the cache
	bare.replace("controllers/edit.go", "edit 0.", fmt.Sprintf("edit %d.", edits))
	a.replace("views/home/index.html", "edited is running", "edit 0.")
	rebuild := func(flags ...string) {
		bare.replace("controllers/edit.go", fmt.Sprintf("edit %d.", edits), fmt.Sprintf("edit %d.", edits+1))
		edits++
		bare.builds(flags...)
	}
	rebuild()
	a.serve()
	a.waitServed("/edit", "edit 0.")
	var served, built, stripped, view []time.Duration
	for i := 0; b.Loop(); i++ {
		old, with := fmt.Sprintf("edit %d.", i), fmt.Sprintf("edit %d.", i+1)
		served = append(served, timed(func() {
			a.replace("controllers/edit.go", old, with)
			a.waitServed("/edit", with)
		}))
		built = append(built, timed(func() { rebuild() }))
		stripped = append(stripped, timed(func() { rebuild("-ldflags=-s -w") }))
		view = append(view, timed(func() {
			a.replace("views/home/index.html", old, with)
			a.waitServed("/", with)
		}))
	}
	middle := func(times []time.Duration) float64 {
		slices.Sort(times)
		return float64(times[len(times)/2].Milliseconds())
	}
	b.ReportMetric(middle(served), "ms")
	b.ReportMetric(middle(served)/middle(built), "ofbuild")
	b.ReportMetric(middle(served)/middle(stripped), "ofstripped")
	b.ReportMetric(middle(view), "view-ms")
	b.ReportMetric(0, "ns/op")
}

func timed(fn func()) time.Duration {
	start := time.Now()
	fn()
	return time.Since(start)
}

// builds builds the application by go build alone, with -trimpath, so that the cache of the builds by
// tower serves it too.
func (a *testApp) builds(flags ...string) {
	a.t.Helper()
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", filepath.Join(a.folder, "tmp", "bare")}, flags...)...)
	cmd.Dir = a.folder
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("go build: %v\n%s", err, out)
	}
}

// waitServed waits until a page has a text.
func (a *testApp) waitServed(path, text string) {
	a.t.Helper()
	for deadline := time.Now().Add(bound); ; time.Sleep(10 * time.Millisecond) {
		body := a.fetch(path)
		if strings.Contains(body, text) {
			return
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("%s does not serve %q:\n%s", path, text, body)
		}
	}
}
