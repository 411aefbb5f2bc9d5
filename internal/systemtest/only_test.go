package systemtest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A guardedSession knows the roles of its user.
type guardedSession struct{ *Session }

func (s *guardedSession) HasRole(role string) bool {
	if role == "broken" {
		panic("there is no such role")
	}
	return s.CurrentUser != nil && s.CurrentUser.Editor && role == "editor"
}

// GuardedController has actions that write without asking any rule.
type GuardedController struct{ *guardedSession }

func (c *GuardedController) Rename(ctx context.Context, in struct {
	ID    tower.ID `json:"id"`
	Title string   `json:"title"`
}) (*Post, error) {
	return Posts.Update(ctx, c, in.ID, func(p *Post) error {
		p.Title = in.Title
		return nil
	})
}

func (c *GuardedController) Remove(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (tower.None, error) {
	return tower.None{}, tower.DeleteVisible(ctx, c, Posts, in.ID)
}

func (c *GuardedController) WriteAs(ctx context.Context, in struct {
	Author tower.ID `json:"author"`
}) (tower.None, error) {
	return tower.None{}, c.Transaction(ctx, func(tx *tower.Tx) error {
		if err := Users.Create(ctx, tx, &User{Name: "made beside " + string(tower.NewID())}); err != nil { // another model is not guarded
			return err
		}
		return Posts.Create(ctx, tx, &Post{AuthorID: in.Author, Title: "written"})
	})
}

func (c *GuardedController) Count(ctx context.Context, in tower.None) (int, error) {
	return Posts.All().Count(ctx, c)
}

func connectGuarded(ctx context.Context, c *tower.Connection) (*guardedSession, error) {
	s, err := Connect(ctx, c)
	return &guardedSession{s}, err
}

func guarded() tower.Config {
	r := tower.NewRouter(connectGuarded)
	m := tower.Mount(r, "guarded", func(s *guardedSession) *GuardedController { return &GuardedController{s} })
	post := Posts.Fields
	own := tower.Own(&post.AuthorID)
	tower.Action(m, "POST /rename", (*GuardedController).Rename, tower.Only(own, tower.Role("editor")))
	tower.Action(m, "POST /remove", (*GuardedController).Remove, tower.Only(own))
	tower.Action(m, "POST /write", (*GuardedController).WriteAs, tower.Only(own))
	tower.Action(m, "POST /count", (*GuardedController).Count, tower.Only(tower.SignedIn()))
	tower.Action(m, "POST /editors", (*GuardedController).Count, tower.Only(tower.Role("chief", "editor")))
	tower.Action(m, "POST /broken", (*GuardedController).Count, tower.Only(tower.Role("broken")))
	return tower.Config{Models: []tower.AnyModel{Users, Posts}, Routes: r}
}

func TestOnlyThoseWhomARulePermits(t *testing.T) {
	app := towertest.Open(t, guarded())
	ada, bob, editor := makeUser(t, app, "Ada", false), makeUser(t, app, "Bob", false), makeUser(t, app, "Eve", true)
	for _, c := range []struct {
		who       tower.ID
		announced string
		rename    int // of a post of Ada's
		remove    int
		write     int // a post of Ada's
		count     int
		editors   int
	}{
		{ada.ID, "POST /rename POST /remove POST /write POST /count", 200, 200, 201, 200, 403},
		{bob.ID, "POST /rename POST /remove POST /write POST /count", 403, 403, 403, 200, 403},
		{editor.ID, "POST /rename POST /remove POST /write POST /count POST /editors", 200, 403, 403, 200, 200},
		{"", "", 401, 401, 401, 401, 401},
	} {
		post := &Post{AuthorID: ada.ID, Title: "of Ada", Published: true}
		if err := Posts.Create(t.Context(), app, post); err != nil {
			t.Fatal(err)
		}
		broken := http.StatusForbidden
		if c.who == "" {
			broken = http.StatusUnauthorized // a visitor is asked to sign in
		}
		client := app.Connect(t, c.who)
		if actions, _ := client.Allowed(); strings.Join(actions, " ") != c.announced {
			t.Errorf("%q is announced %q", c.who, actions)
		}
		for _, call := range []struct {
			route string
			in    any
			want  int
		}{
			{"POST /rename", map[string]any{"id": post.ID, "title": "renamed"}, c.rename},
			{"POST /write", map[string]any{"author": ada.ID}, c.write},
			{"POST /count", nil, c.count},
			{"POST /editors", nil, c.editors},
			{"POST /broken", nil, broken},
		} {
			if answer := client.Call(call.route, call.in); answer.Status != call.want {
				t.Errorf("%q calls %s: %+v", c.who, call.route, answer)
			}
		}
		now, err := Posts.Find(t.Context(), app, post.ID)
		if err != nil || (now.Title == "renamed") != (c.rename == 200) {
			t.Errorf("after %q, the title is %q (%v)", c.who, now.Title, err)
		}
		if answer := client.Call("POST /remove", map[string]any{"id": post.ID}); answer.Status != c.remove {
			t.Errorf("%q removes: %+v", c.who, answer)
		}
	}
	if n, err := Posts.Where(tower.Is(&Posts.Fields.Title, "written")).Count(t.Context(), app); err != nil || n != 1 {
		t.Errorf("%d posts were written (%v)", n, err)
	}
}

func TestARuleThatCannotBeAskedIsRefused(t *testing.T) {
	var elsewhere tower.ID
	for want, option := range map[string]tower.RouteOption{
		"no rule":              tower.Only(),
		"names no role":        tower.Only(tower.Role()),
		"no method HasRole":    tower.Only(tower.Role("editor")),
		"into the Fields of a": tower.Only(tower.Own(&elsewhere)),
	} {
		r := tower.NewRouter(Connect)
		m := tower.Mount(r, "posts", NewPosts)
		tower.Action(m, "POST /posts", (*PostsController).Create, option)
		if _, err := tower.New(tower.Config{Models: []tower.AnyModel{Users, Posts}, Routes: r, Env: "test"}); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	r := tower.NewRouter(Connect)
	m := tower.Mount(r, "posts", NewPosts)
	tower.Page(m, "GET /", (*PostsController).Index, tower.Only(tower.Own(&Posts.Fields.AuthorID)))
	if _, err := tower.New(tower.Config{Models: []tower.AnyModel{Users, Posts}, Routes: r, Env: "test"}); err == nil || !strings.Contains(err.Error(), "Own is for an action") {
		t.Errorf("of a page: %v", err)
	}
}
