//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/commands"
)

// expectReceived fails the test unless the clients have received exactly these effects
// since the previous call.
func expectReceived(t *testing.T, clients map[string]*demoClient, want map[string][]string) {
	t.Helper()
	for name, p := range clients {
		got, messages, err := p.received(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want[name]) || messages != min(1, len(want[name])) {
			t.Errorf("%s received %v in %d messages, not %v", name, got, messages, want[name])
		}
	}
}

// TestConsoleSandboxReachesNoClientBeforeCommit types into a console in a terminal, on a
// real server with two clients. The console reads and writes as their users, and the
// clients receive nothing before commit().
func TestConsoleSandboxReachesNoClientBeforeCommit(t *testing.T) {
	w := newHarness(t)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(w.folder, "run"))
	t.Setenv("GOPROXY", "off")
	err := withSample(t.Context(), io.Discard, 0, 1, func(s *sample) error {
		ids, err := s.seed(t.Context())
		if err != nil {
			return err
		}
		clients := map[string]*demoClient{}
		for _, name := range demoUsers {
			if clients[name], err = s.connect(t.Context(), s.url, ids[name]); err != nil {
				return err
			}
			defer clients[name].close()
		}
		expectReceived(t, clients, nil)
		console := (&testApp{harness: w, folder: s.app.Folder}).console("--sandbox")
		console.testSandbox(t, clients)
		console.testRebuild(t, s)
		return nil
	})
	if err != nil && t.Context().Err() == nil {
		t.Fatal(err)
	}
}

func (s *terminalScreen) testSandbox(t *testing.T, clients map[string]*demoClient) {
	t.Helper()
	s.types(`let ada = User.where({name: "Ada"}).first(), bob = User.where({name: "Bob"}).first(), hello = Post.first()`)
	s.types(`[hello.author.name, ada.posts.count(), await as(bob).posts.mine().count()]`)
	s.shows(`["Ada", 1, 0]`)
	s.types(`why(hello, "posts.published", bob)`)
	s.shows("Bob sees Post", "published is true", "Posts.Match", "rank 1, of the first 20: inside")
	s.types(`why(hello, "posts.mine", bob)`)
	s.shows("Bob does not see Post", "✗ authorId is", "decides")

	s.types(`hello.update({published: false}); as(bob).posts.create({title: "From Bob", published: true})`)
	s.shows("From Bob")
	s.types(`impact()`)
	s.shows("2 changes would reach 2 of 2 connections", "posts.published  leave   Post", "enter   Post", `"From Bob"`)
	s.types(`diff()`)
	s.shows("published  true → false")
	s.types(`as(ada).posts.published().pluck("title")`)
	s.shows(`["From Bob"]`)
	expectReceived(t, clients, nil)

	s.types(`while (true) {}`)
	s.shows("running…")
	s.presses("\x03")
	s.shows("stopped")
	s.types(`Post.first().titel`)
	s.shows("Post has no field titel", "did you mean title?")
	expectReceived(t, clients, nil)
	s.types(`commit()`)
	s.shows(commands.Author())
	expectReceived(t, clients, map[string][]string{"Ada": {"mine change", "published enter", "published leave", "published/users enter", "published/users leave"},
		"Bob": {"mine enter", "published enter", "published leave", "published/users enter", "published/users leave"}})
	s.types(`undo(seq()); commit()`)
	s.shows("will be undone when this is committed")
	awaitUndo(t, clients)
}

// awaitUndo waits until all clients have received the undo.
func awaitUndo(t *testing.T, clients map[string]*demoClient) {
	t.Helper()
	for name, p := range clients {
		eventually(t, name+" hears of the undo", func() bool {
			_, messages, err := p.received(context.Background(), "")
			return err == nil && messages == 1
		})
	}
}

// testRebuild changes the application, which is rebuilt. The console keeps its variables
// and the writes of its sandbox.
func (s *terminalScreen) testRebuild(t *testing.T, app *sample) {
	t.Helper()
	s.types(`let made = Post.create({title: "Kept in the sandbox"}), kept = 40`)
	s.types(`diff().length * 100`)
	s.shows("100")
	path := filepath.Join(app.app.Folder, "controllers", "posts.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	client, err := app.app.Attach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "Limit(20)", "Limit(21)", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	<-client.Done() // the process of the previous build has exited
	s.types(`[kept + 2, made.reload().title, ada.name, diff().length]`)
	s.shows("The application was restarted. The sandbox was restored: 1 write repeated.", `[42, "Kept in the sandbox", "Ada", 1]`)
	s.types(`discard()`)
	s.types(fmt.Sprintf("why(made, %q)", "posts.published"))
	s.shows("not_found: there is no Post")
}
