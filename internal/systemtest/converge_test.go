package systemtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// steps returns how many random steps a test takes, each time others: TOWER_TEST_STEPS, or n, with which all tests
// together end in minutes.
func steps(n int) int {
	if given, err := strconv.Atoi(os.Getenv("TOWER_TEST_STEPS")); err == nil {
		return given
	}
	return n
}

func TestTheSampleConverges(t *testing.T) {
	towertest.Converge(t, sample(), towertest.Convergence{Steps: steps(100)})
}

// A recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// forgetful is a session that reads its user once and does not follow it: it
// keeps rights that its user has lost, and lacks those that it has gained.
func forgetful(ctx context.Context, c *tower.Connection) (*Session, error) {
	user, err := Users.Find(ctx, c, c.UserID())
	if err != nil {
		return &Session{Connection: c}, nil
	}
	return &Session{c, user}, nil
}

// moodyController has a rule with a memory: it is weary after three questions.
type moodyController struct {
	*Session
	asked *atomic.Int64
}

func (c *moodyController) Match(p *Post) bool { return p.Published || c.asked.Add(1) <= 3 }

func (c *moodyController) Visible(ctx context.Context, in struct{}) (tower.Scope[Post], error) {
	return Posts.All(), nil
}

func brokenConfigs() map[string]func() tower.Config {
	return map[string]func() tower.Config{
		"a session that follows nobody": func() tower.Config {
			r := tower.NewRouter(forgetful)
			tower.Cursor(tower.Mount(r, "posts", NewPosts), "visible", (*PostsController).Visible)
			return tower.Config{Name: "forgetful", Models: []tower.AnyModel{Users, Posts}, Routes: r, Files: sampleViews}
		},
		"a rule with a memory": func() tower.Config {
			r := tower.NewRouter(Connect)
			posts := tower.Mount(r, "posts", func(s *Session) *moodyController { return &moodyController{s, new(atomic.Int64)} })
			tower.Cursor(posts, "visible", (*moodyController).Visible)
			return tower.Config{Name: "moody", Models: []tower.AnyModel{Users, Posts}, Routes: r, Files: sampleViews}
		},
	}
}

func TestConvergeFindsShrinksAndSavesWhatIsBroken(t *testing.T) {
	for name, config := range brokenConfigs() {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "failures")
			c := towertest.Convergence{Steps: 400, Seed: 1, Folder: folder}
			found := &recorder{TB: t}
			towertest.Converge(found, config(), c)
			if len(found.errors) != 1 {
				t.Fatalf("found %q", found.errors)
			}
			t.Log(found.errors[0])
			steps := strings.Count(found.errors[0], "\n  ")
			for _, part := range []string{"a fresh query gives", "opens posts.visible", "go test -run '^TestConvergeFindsShrinksAndSavesWhatIsBroken$/^"} {
				if !strings.Contains(found.errors[0], part) {
					t.Errorf("it does not say %q", part)
				}
			}
			if steps > 12 {
				t.Errorf("it was left with %d steps", steps)
			}
			files, err := os.ReadDir(folder)
			if err != nil || len(files) != 1 {
				t.Fatalf("saved are %v, %v", files, err)
			}

			// What was saved is found at once, before anything random.
			again := &recorder{TB: t}
			c.Steps = 1
			towertest.Converge(again, config(), c)
			if len(again.errors) != 1 || !strings.Contains(again.errors[0], files[0].Name()) {
				t.Errorf("replayed: %q", again.errors)
			}
			if files, _ = os.ReadDir(folder); len(files) != 1 {
				t.Errorf("after the replay saved are %v", files)
			}
		})
	}
}

// TestConvergeSaysWhenItChecksNothing holds it to its word that it fails then.
func TestConvergeSaysWhenItChecksNothing(t *testing.T) {
	r := tower.NewRouter(Connect)
	tower.Action(tower.Mount(r, "posts", NewPosts), "POST /posts", (*PostsController).Create, tower.RedirectTo("/"))
	found := &recorder{TB: t}
	config := tower.Config{Name: "blind", Models: []tower.AnyModel{Users, Posts}, Routes: r, Files: sampleViews}
	towertest.Converge(found, config, towertest.Convergence{Steps: 50, Folder: t.TempDir()})
	if len(found.errors) != 1 || !strings.Contains(found.errors[0], "nothing was checked") {
		t.Errorf("found %q", found.errors)
	}
}

// TestTheSampleConvergesWhileItsClientsAreAudited lets clients send checksums of what they
// hold all the time. None of them may differ from the naive reading in the server.
func TestTheSampleConvergesWhileItsClientsAreAudited(t *testing.T) {
	t.Setenv("TOWER_AUDIT", "1ms")
	towertest.Converge(t, sample(), towertest.Convergence{Steps: steps(100)})
}
