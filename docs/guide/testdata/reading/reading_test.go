package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"

	"blog/models"
)

func TestReadAndFollow(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	app := towertest.Open(t, Config())
	first := &models.Post{Title: "First", Published: true}
	if err := models.Posts.Create(t.Context(), app, first); err != nil {
		t.Fatal(err)
	}
	read := exec.CommandContext(t.Context(), "sh", "read.sh")
	read.Env = append(os.Environ(), "BLOG="+app.URL)
	out, err := read.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"First"`) || !strings.Contains(string(out), `"at"`) {
		t.Errorf("read: %v %s", err, out)
	}
	follow := exec.CommandContext(t.Context(), "sh", "follow.sh")
	follow.Env = read.Env
	stream, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	defer follow.Wait()
	defer follow.Process.Kill()
	lines := bufio.NewScanner(stream)
	for _, want := range []string{`"First"`, `"Second"`} {
		for found := false; !found; found = strings.Contains(lines.Text(), want) {
			if !lines.Scan() {
				t.Fatalf("the stream ended before %s: %v", want, lines.Err())
			}
		}
		if want == `"First"` {
			if err := models.Posts.Create(t.Context(), app, &models.Post{Title: "Second", Published: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
