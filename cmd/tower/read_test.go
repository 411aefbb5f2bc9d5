//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestCursorsAreReadThroughTowerServer reads a cursor as JSON and follows it, with tower
// server in between.
func TestCursorsAreReadThroughTowerServer(t *testing.T) {
	app := newHarness(t).newJournal()
	app.serve()
	get := func(accept, known string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.url+"/_tower/read/authors/all", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", accept)
		request.Header.Set("If-None-Match", known)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	first := get("application/json", "")
	if body, err := io.ReadAll(first.Body); err != nil || first.StatusCode != http.StatusOK || !strings.Contains(string(body), `"records":[]`) {
		t.Fatalf("%s %s %v", first.Status, body, err)
	}
	if again := get("application/json", first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("what is known: %s", again.Status)
	}
	stream := bufio.NewScanner(get("text/event-stream", "").Body)
	expect := func(line string) {
		t.Helper()
		for stream.Scan() {
			if strings.Contains(stream.Text(), line) {
				return
			}
		}
		t.Fatalf("the stream ended (%v) before %q", stream.Err(), line)
	}
	expect("event: state")
	app.authors("Ada")
	expect("event: change")
	expect(`"name":"Ada"`)
	app.stop()
	for stream.Scan() {
	} // it ends
}
