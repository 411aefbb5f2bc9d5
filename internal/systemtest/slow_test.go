package systemtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
)

// SlowController takes its time for everything.
type SlowController struct{ *Session }

const long = 100 * time.Millisecond

func (c *SlowController) Match(p *Post) bool {
	time.Sleep(3 * long)
	return true
}

func (c *SlowController) Can(action string, p *Post) bool {
	time.Sleep(3 * long)
	return true
}

func (c *SlowController) All(context.Context, struct{}) (tower.Scope[Post], error) {
	time.Sleep(long)
	return Posts.All(), nil
}

// Rare has a condition that no index answers, and Some one that an index does.
func (c *SlowController) Rare(context.Context, struct{}) (tower.Scope[Post], error) {
	time.Sleep(long)
	return Posts.Where(tower.Is(&Posts.Fields.Likes, 7)).Desc(&Posts.Fields.CreatedAt).Limit(20), nil
}

func (c *SlowController) Some(context.Context, struct{}) (tower.Scope[Post], error) {
	time.Sleep(long)
	return Posts.Where(tower.Is(&Posts.Fields.Published, false), tower.Is(&Posts.Fields.Likes, 7)).Limit(20), nil
}

func (c *SlowController) Index(context.Context, struct{}) (string, error) {
	time.Sleep(long)
	return "", nil
}

func (c *SlowController) Wait(context.Context, struct{}) (struct{}, error) {
	time.Sleep(long)
	return struct{}{}, nil
}

func (c *SlowController) Fill(ctx context.Context, _ struct{}) (struct{}, error) {
	return struct{}{}, c.Transaction(ctx, func(tx *tower.Tx) error {
		for range 3000 {
			if err := Posts.Create(ctx, tx, &Post{AuthorID: c.UserID(), Title: "filled"}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *SlowController) Touch(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (*Post, error) {
	return tower.UpdateVisible(ctx, c, Posts, in.ID, func(p *Post) error { return nil })
}

func slowRoutes() *tower.Router[*Session] {
	r := routes()
	slow := tower.Mount(r, "slow", func(s *Session) *SlowController { return &SlowController{s} })
	tower.Page(slow, "GET /slow", (*SlowController).Index)
	tower.Cursor(slow, "all", (*SlowController).All)
	tower.Cursor(slow, "rare", (*SlowController).Rare)
	tower.Cursor(slow, "some", (*SlowController).Some)
	tower.Action(slow, "POST /slow/wait", (*SlowController).Wait)
	tower.Action(slow, "POST /slow/fill", (*SlowController).Fill)
	tower.Action(slow, "PATCH /slow/{id}", (*SlowController).Touch)
	return r
}

// slowed changes the sample into one that is slow.
func slowed(c *tower.Config) {
	views := maps.Clone(sampleViews)
	views["views/slow/index.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}{{(.Cursor "slow.all" "posts/_post.html").Items}}{{.Region "slow/_region.html"}}{{end}}`)}
	views["views/slow/_region.html"] = &fstest.MapFile{Data: []byte(`<p data-region>{{linger}}</p>`)}
	c.Routes, c.Files = slowRoutes(), views
	c.Funcs = map[string]any{"linger": func() string { time.Sleep(long); return "" }}
}

func TestWhatIsSlowIsNamed(t *testing.T) {
	t.Setenv("TOWER_SLOW", "5ms")
	t.Setenv("TOWER_METRICS_TOKEN", metricsToken)
	app, log := openLogged(t, slowed)
	ada := makeUser(t, app, "Ada", true)
	post := makePost(t, app, ada, "One", true)
	client := app.Connect(t, ada.ID)
	client.Open("slow.all", nil)
	client.Call("POST /slow/wait", nil)
	client.Call("PATCH /slow/"+string(post.ID), nil)
	_, parts := getParts(t, app, ada, "/slow")
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	for i, part := range parts {
		part.since = "" // the client has nothing of it
		socket.ask(part.open(i + 1))
	}
	client.Call("POST /posts", map[string]any{"title": "Two", "published": true})
	client.Close()
	app.Connect(t, ada.ID).Call("POST /slow/fill", nil)
	for _, want := range []struct{ kind, name string }{
		{"cursor", "slow.all"}, {"action", "POST /slow/wait"}, {"page", "GET /slow"}, {"region", "slow/_region.html"},
		{"rule", "SlowController.Match"}, {"rule", "SlowController.Can"}, {"commit", "POST /slow/fill by Ada"},
	} {
		for _, line := range log.awaitSlow(t, want.kind, want.name) {
			if _, has := line["request"]; line["level"] != "WARN" || line["took"].(float64) < 5e6 || !has && want.kind != "rule" {
				t.Errorf("%v", line)
			}
		}
	}
	got := scrape(t, app.Handler())
	for _, kind := range []string{"cursor", "action", "page", "region", "rule", "commit"} {
		if name := fmt.Sprintf("tower_slow_total{kind=%q}", kind); got[name] < 1 || got[name] != float64(len(log.find("slow "+kind))) {
			t.Errorf("%s is %v, and the log has %d", name, got[name], len(log.find("slow "+kind)))
		}
	}
}

// awaitSlow returns the lines that name something slow. They are written after its answer is sent.
func (j *journal) awaitSlow(t *testing.T, kind, name string) (lines []map[string]any) {
	t.Helper()
	j.await(t, func() bool {
		lines = slices.DeleteFunc(j.find("slow "+kind), func(line map[string]any) bool { return line["name"] != name })
		return len(lines) > 0
	})
	return lines
}

func TestTheThresholdOfWhatIsSlow(t *testing.T) {
	for _, value := range []string{"1h", "off"} {
		t.Setenv("TOWER_SLOW", value)
		app, log := openLogged(t, slowed)
		app.Connect(t, makeUser(t, app, "Ada", true).ID).Call("POST /slow/wait", nil)
		if found := log.find("slow"); len(found) > 0 {
			t.Errorf("TOWER_SLOW=%s: %v", value, found)
		}
	}
	for _, value := range []string{"soon", "0", "-1s", "1us", "200"} {
		t.Setenv("TOWER_SLOW", value)
		if _, err := tower.New(sample()); err == nil || !strings.Contains(err.Error(), "TOWER_SLOW is \""+value+"\"") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// TestASlowCursorNamesTheMissingIndex checks that the warning has the number of records that were read, and
// the field whose index would have avoided most of them.
func TestASlowCursorNamesTheMissingIndex(t *testing.T) {
	t.Setenv("TOWER_SLOW", "1ms")
	app, log := openLogged(t, slowed)
	ada := makeUser(t, app, "Ada", true)
	app.Connect(t, ada.ID).Call("POST /slow/fill", nil)
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	socket.ask(`{"id":1,"open":"slow.rare"}`)
	socket.ask(`{"id":2,"open":"slow.some"}`)
	for name, index := range map[string]any{"slow.rare": "posts.likes", "slow.some": nil} {
		lines := log.awaitSlow(t, "cursor", name)
		if len(lines) != 1 || lines[0]["read"] != 3000.0 || lines[0]["missing_index"] != index {
			t.Errorf("%s: %v", name, lines)
		}
	}
}
