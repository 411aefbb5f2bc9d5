package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A shelf of notes. Each note is seen by the user who owns it, with the rule on the
// controller of one connection.
type Memo struct {
	tower.Record
	OwnerID tower.ID `json:"ownerId" tower:"ref=users,index"`
	Text    string   `json:"text" validate:"required,max=20"`
}

var Memos = tower.NewModel[Memo]("notes")

type MemosController struct{ *Session }

func (c *MemosController) Match(n *Memo) bool {
	if n.Text == "panic" {
		panic("no rule for it")
	}
	return c.CurrentUser != nil && n.OwnerID == c.CurrentUser.ID
}

type memoID struct {
	ID tower.ID `json:"id"`
}

type memoInput struct {
	ID   tower.ID `json:"id"`
	Text *string  `json:"text"`
}

func (c *MemosController) Show(ctx context.Context, in memoID) (*Memo, error) {
	return tower.Visible(ctx, c, Memos, in.ID)
}

func (c *MemosController) Update(ctx context.Context, in memoInput) (*Memo, error) {
	return tower.UpdateVisible(ctx, c, Memos, in.ID, func(n *Memo) error { return tower.Assign(n, in) })
}

func (c *MemosController) Delete(ctx context.Context, in memoID) (tower.None, error) {
	return tower.None{}, tower.DeleteVisible(ctx, c, Memos, in.ID, func(memo *Memo) error {
		if memo.Text == "kept" {
			return tower.Forbidden("this one is kept")
		}
		return nil
	})
}

func (c *MemosController) First(ctx context.Context, in tower.None) ([]*Memo, error) {
	return tower.VisibleAll(ctx, c, Memos.All().Asc(&Memos.Fields.Text).Limit(2))
}

func (c *MemosController) Each(ctx context.Context, in tower.None) (found []*Memo, err error) {
	for memo, err := range tower.EachVisible(ctx, c, Memos.All().Asc(&Memos.Fields.Text).Limit(2)) {
		if err != nil {
			return nil, err
		}
		found = append(found, memo)
	}
	return found, nil
}

// The desk reads notes under the rule of MemosController, and users under its own.
type deskController struct{ *Session }

func (c *deskController) Match(u *User) bool { return u.Name != "ghost" }

func (c *deskController) Memo(ctx context.Context, in memoID) (*Memo, error) {
	return tower.Visible(ctx, c, Memos, in.ID)
}

func (c *deskController) User(ctx context.Context, in memoID) (tower.None, error) {
	_, err := tower.Visible(ctx, c, Users, in.ID)
	return tower.None{}, err
}

func shelf() tower.Config {
	r := tower.NewRouter(Connect)
	notes := tower.Mount(r, "notes", func(s *Session) *MemosController { return &MemosController{s} })
	tower.Page(notes, "GET /notes/{id}", (*MemosController).Show)
	tower.Action(notes, "GET /note/{id}", (*MemosController).Show)
	tower.Action(notes, "GET /notes/first", (*MemosController).First)
	tower.Action(notes, "GET /notes/each", (*MemosController).Each)
	tower.Action(notes, "PATCH /notes/{id}", (*MemosController).Update)
	tower.Action(notes, "DELETE /notes/{id}", (*MemosController).Delete)
	users := tower.Mount(r, "users", func(s *Session) *UsersController { return &UsersController{s} })
	tower.Action(users, "GET /me", (*UsersController).Me)
	desk := tower.Mount(r, "desk", func(s *Session) *deskController { return &deskController{s} })
	tower.Action(desk, "GET /desk/{id}", (*deskController).Memo)
	tower.Action(desk, "GET /desk/users/{id}", (*deskController).User)
	return tower.Config{Name: "shelf", Models: []tower.AnyModel{Users, Memos}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":     {Data: []byte(`{{template "main" .}}`)},
		"views/notes/show.html": {Data: []byte(`{{define "main"}}{{.Data.Text}}{{end}}`)},
	}}
}

func makeMemo(t *testing.T, app *towertest.App, owner *User, text string) *Memo {
	t.Helper()
	note := &Memo{OwnerID: owner.ID, Text: text}
	if err := Memos.Create(t.Context(), app, note); err != nil {
		t.Fatal(err)
	}
	return note
}

func TestARecordIsReadUnderTheRule(t *testing.T) {
	app := towertest.Open(t, shelf())
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	note, broken := makeMemo(t, app, ada, "hers"), makeMemo(t, app, ada, "panic")
	missing := fmt.Sprintf("there is no Memo %s", note.ID)

	for _, client := range []*towertest.Client{app.Connect(t, bob.ID), app.Connect(t, "")} {
		for method, path := range map[string]string{"GET": "/note/", "PATCH": "/notes/", "DELETE": "/notes/"} {
			if got := client.Call(method+" "+path+string(note.ID), nil); got.Status != http.StatusNotFound || got.Message != missing {
				t.Errorf("%s %s answered %d %q", method, path, got.Status, got.Message)
			}
		}
		if got := client.Call("GET /desk/"+string(note.ID), nil); got.Status != http.StatusNotFound {
			t.Errorf("another controller answered %d", got.Status)
		}
	}
	if status, body := app.GetAs(t, bob.ID, "/notes/"+string(note.ID)); status != http.StatusNotFound || strings.Contains(body, "hers") {
		t.Errorf("the page answered %d %s", status, body)
	}

	owner := app.Connect(t, ada.ID)
	if got := owner.Call("GET /note/"+string(broken.ID), nil); got.Status != http.StatusNotFound {
		t.Errorf("a rule that panics answered %d", got.Status)
	}
	if got := owner.Call("GET /desk/"+string(note.ID), nil); got.Status != http.StatusOK {
		t.Errorf("another controller answered its owner %d", got.Status)
	}
	if status, body := app.GetAs(t, ada.ID, "/notes/"+string(note.ID)); status != http.StatusOK || body != "hers" {
		t.Errorf("the page answered its owner %d %s", status, body)
	}
	if got := owner.Call("PATCH /notes/"+string(note.ID), map[string]any{"text": "still hers"}); got.Status != http.StatusOK {
		t.Errorf("update answered its owner %d %v", got.Status, got.Problems)
	}
	if got := owner.Call("PATCH /notes/"+string(note.ID), map[string]any{"text": ""}); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("an update that breaks a rule of the model answered %d", got.Status)
	}
	if got := owner.Call("DELETE /notes/"+string(makeMemo(t, app, ada, "kept").ID), nil); got.Status != http.StatusForbidden {
		t.Errorf("a check that refuses answered %d", got.Status)
	}
	if got := owner.Call("DELETE /notes/"+string(note.ID), nil); got.Status != http.StatusOK {
		t.Errorf("delete answered its owner %d", got.Status)
	}
	if _, err := Memos.Find(t.Context(), app, note.ID); err == nil {
		t.Error("the note is still there")
	}
}

// Two controllers have a rule for users. The one that is running asks its own.
func TestAControllerAsksItsOwnRuleFirst(t *testing.T) {
	app := towertest.Open(t, shelf())
	ada, ghost := makeUser(t, app, "ada", false), makeUser(t, app, "ghost", false)
	visitor := app.Connect(t, "")
	if got := visitor.Call("GET /desk/users/"+string(ada.ID), nil); got.Status != http.StatusOK {
		t.Errorf("ada: %d", got.Status)
	}
	if got := visitor.Call("GET /desk/users/"+string(ghost.ID), nil); got.Status != http.StatusNotFound {
		t.Errorf("a ghost: %d", got.Status)
	}
}

// A limit counts what the user may see.
func TestVisibleRecordsFillTheLimit(t *testing.T) {
	app := towertest.Open(t, shelf())
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	for i := range 40 {
		makeMemo(t, app, bob, fmt.Sprintf("a%02d", i))
	}
	for _, text := range []string{"y", "z", "x"} {
		makeMemo(t, app, ada, text)
	}
	for user, want := range map[tower.ID]string{ada.ID: "x y", bob.ID: "a00 a01", "": ""} {
		for _, route := range []string{"GET /notes/first", "GET /notes/each"} {
			var found []Memo
			if err := json.Unmarshal(app.Connect(t, user).Call(route, nil).Out, &found); err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, note := range found {
				texts = append(texts, note.Text)
			}
			if got := strings.Join(texts, " "); got != want {
				t.Errorf("%s: %s sees %q, want %q", route, user, got, want)
			}
		}
	}
}

// Nobody has a rule before connect has said who the client is.
func TestVisibleIsAnErrorInConnect(t *testing.T) {
	config := shelf()
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*Session, error) {
		_, err := tower.Visible(ctx, c, Users, c.UserID())
		return &Session{Connection: c}, err
	})
	users := tower.Mount(r, "users", func(s *Session) *UsersController { return &UsersController{s} })
	tower.Action(users, "GET /me", (*UsersController).Me)
	config.Routes, config.Files = r, nil
	app := towertest.Open(t, config)
	ada := makeUser(t, app, "ada", false)
	if response, body := request(t, app, "GET", "/me", "", map[string]string{"Cookie": cookieOf(t, app, ada.ID)}); response.StatusCode != http.StatusInternalServerError {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
}
