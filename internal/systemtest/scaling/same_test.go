//go:build linux

package scaling

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// TestTheBoardIsTheSame lets people use the board of the guides on one node with a file, and on
// three that share a database: the program is the same, and so is what everybody sees.
func TestTheBoardIsTheSame(t *testing.T) {
	program := build(t)
	t.Run("one node", func(t *testing.T) {
		n := start(t, program, "", t.TempDir())
		playBoard(n, n, n)
		n.stop()
	})
	t.Run("three nodes", func(t *testing.T) {
		address := pgtest.Shared(t).Database(t)
		var all []*node
		for range 3 {
			all = append(all, start(t, program, address, t.TempDir()))
		}
		playBoard(all[0], all[1], all[2])
		for _, n := range all {
			n.stop()
		}
	})
}

func playBoard(a, b, c *node) {
	a.t.Helper()
	ids := map[string]string{}
	for i, title := range []string{"one", "two", "three"} {
		ids[title] = []*node{a, b, c}[i].send("POST", "/cards", map[string]any{"title": title, "column": "todo", "place": i}, http.StatusCreated)
	}
	for _, n := range []*node{a, b, c} {
		n.await("cards/in?column=todo", "one", "two", "three")
	}
	b.send("PATCH", "/cards/"+ids["one"], map[string]any{"column": "done"}, http.StatusOK)
	c.await("cards/in?column=done", "one")
	a.await("cards/in?column=todo", "two", "three")
	c.send("PATCH", "/cards/"+ids["one"], map[string]any{"column": "later"}, http.StatusUnprocessableEntity)
	a.send("DELETE", "/cards/"+ids["two"], nil, http.StatusOK)
	b.send("DELETE", "/cards/"+ids["two"], nil, http.StatusNotFound)
	for _, n := range []*node{a, b, c} {
		n.await("cards/in?column=todo", "three")
		n.await("cards/in?column=done", "one")
	}
}

// TestAScaffoldOnTwoNodes makes an application by tower new and tower generate scaffold, and
// starts it, as it is, as two nodes.
func TestAScaffoldOnTwoNodes(t *testing.T) {
	tower, folder := filepath.Join(programs, "tower"), t.TempDir()
	run := func(folder, name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
	run("../../../cmd/tower", "go", "build", "-o", tower, ".")
	run(folder, tower, "new", "blog", "--vendor=false")
	blog := filepath.Join(folder, "blog")
	run(blog, tower, "generate", "scaffold", "Post", "title:string", "body:text", "published:bool")
	program := filepath.Join(folder, "program")
	run(blog, "go", "build", "-o", program, ".")

	address := pgtest.Shared(t).Database(t)
	a, b := start(t, program, address, t.TempDir()), start(t, program, address, t.TempDir())
	first := a.send("POST", "/posts", map[string]any{"title": "first", "body": "of a", "published": true}, http.StatusCreated)
	b.await("posts/all", "first")
	b.send("POST", "/posts", map[string]any{"title": "second", "body": "of b"}, http.StatusCreated)
	a.await("posts/all", "first", "second")
	b.send("PATCH", "/posts/"+first, map[string]any{"title": "changed"}, http.StatusOK)
	a.await("posts/all", "changed", "second")
	for _, n := range []*node{a, b} {
		if page := n.page("/posts"); !strings.Contains(page, "changed") || !strings.Contains(page, "second") {
			t.Errorf("the page of %s shows\n%s", n.URL, page)
		}
		n.stop()
	}
}

// send sends a request with JSON, and returns the id in its answer, "" if it has none.
func (n *node) send(method, path string, in any, want int) (id string) {
	n.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(n.t.Context(), method, n.URL+path, strings.NewReader(string(body)))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		n.t.Fatalf("%s %s: %s, want %d: %s %v", method, path, response.Status, want, text, err)
	}
	var out struct{ ID string }
	_ = json.Unmarshal(text, &out) // it may be no record
	return out.ID
}

func (n *node) page(path string) string {
	n.t.Helper()
	response, err := http.Get(n.URL + path)
	if err != nil {
		n.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		n.t.Fatalf("%s: %s: %v\n%s", path, response.Status, err, text)
	}
	return string(text)
}

// await waits until a cursor holds records with these titles, in any order.
func (n *node) await(cursor string, want ...string) {
	n.t.Helper()
	deadline, got := time.Now().Add(2*time.Minute), []string{}
	for since := ""; time.Now().Before(deadline); {
		r, changed := n.readOnce(cursor, since, 10*time.Second)
		if !changed {
			continue
		}
		got, since = titles(r), r.At
		if slices.Sort(got); slices.Equal(got, slices.Sorted(slices.Values(want))) {
			return
		}
	}
	n.t.Fatalf("%s holds %q on %s, want %q", cursor, got, n.URL, want)
}

// readOnce reads what a cursor holds, or waits until it is another than at a position.
func (n *node) readOnce(cursor, since string, wait time.Duration) (r reading, changed bool) {
	n.t.Helper()
	url := n.URL + "/_tower/read/" + cursor
	if since != "" {
		join := "?"
		if strings.Contains(cursor, "?") {
			join = "&"
		}
		url += fmt.Sprint(join, "wait=", wait, "&since=", since)
	}
	response, err := http.Get(url)
	if err != nil {
		n.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		n.t.Fatal(err)
	case response.StatusCode == http.StatusNoContent:
		return r, false
	case response.StatusCode != http.StatusOK:
		n.t.Fatalf("%s: %s", response.Status, body)
	}
	if err := json.Unmarshal(body, &r); err != nil {
		n.t.Fatal(err)
	}
	return r, true
}
