package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"

	"blog/models"
)

// TestTheExamples runs the commands of the guide against the application.
func TestTheExamples(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	app := towertest.Open(t, Config())
	ada := &models.User{Name: "Ada", Email: "ada@example.com"}
	if err := models.Users.Create(t.Context(), app, ada); err != nil {
		t.Fatal(err)
	}
	for _, post := range []*models.Post{{Title: "Hello", AuthorID: ada.ID, Published: true}, {Title: "A draft", AuthorID: ada.ID}} {
		if err := models.Posts.Create(t.Context(), app, post); err != nil {
			t.Fatal(err)
		}
	}
	examples, err := os.ReadFile("examples.sh")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`"title":"Hello"`, `"value":1`, `"title":"Hello"`, `"records":[]`, `limit is \"few\"`, "Etag: W/", `"title":"Hello"`}
	commands := strings.Split(strings.TrimSpace(string(examples)), "\n")
	if len(commands) != len(want) {
		t.Fatalf("%d commands, and %d expectations", len(commands), len(want))
	}
	for i, command := range commands {
		output := run(t, strings.ReplaceAll(command, "http://localhost:3000", app.URL))
		if !strings.Contains(output, want[i]) || strings.Contains(output, "A draft") {
			t.Errorf("%s\nprints %s\nwant %s", command, output, want[i])
		}
		if strings.HasPrefix(output, "{") && !json.Valid([]byte(output)) {
			t.Errorf("%s\nprints no JSON: %s", command, output)
		}
	}
}

// run runs a command to its end, or until it prints the data of an event.
func run(t *testing.T, command string) string {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", "exec "+command)
	out, err := shell.StdoutPipe()
	if err == nil {
		err = shell.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		output.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "data: ") {
			_ = shell.Process.Kill()
			break
		}
	}
	_ = shell.Wait() // a stream was killed
	return output.String()
}
