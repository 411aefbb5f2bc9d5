package nodes

import (
	"context"
	"fmt"
	"net/http"
	"testing/fstest"

	"github.com/towerkit/tower"
)

// The application has users, who sign in by their names, and their notes.

type User struct {
	tower.Record
	Name string `json:"name" validate:"required" tower:"unique"`
}

type Note struct {
	tower.Record
	AuthorID tower.ID `json:"authorId" tower:"ref=users,index"`
	Text     string   `json:"text" validate:"required"`
}

var (
	users = tower.NewModel[User]("users")
	notes = tower.NewModel[Note]("notes")
)

type session struct {
	*tower.Connection
	user *User
}

func connect(ctx context.Context, c *tower.Connection) (*session, error) {
	user, err := users.Follow(ctx, c, c.UserID())
	return &session{c, user}, err
}

type controller struct{ *session }

func (c *controller) All(context.Context, struct{}) (tower.Scope[Note], error) {
	return notes.All(), nil
}

func (c *controller) Mine(context.Context, struct{}) (tower.Scope[Note], error) {
	return notes.Where(tower.Is(&notes.Fields.AuthorID, c.UserID())), nil
}

func (c *controller) Count(context.Context, struct{}) (tower.ValueScope[Note], error) {
	return notes.All().AsCount(), nil
}

func (c *controller) Index(context.Context, struct{}) (string, error) {
	if c.user == nil {
		return "visitor", nil
	}
	return c.user.Name, nil
}

type newNote struct {
	Text string `json:"text"`
}

func (c *controller) Create(ctx context.Context, in newNote) (*Note, error) {
	note := &Note{Text: in.Text, AuthorID: c.UserID()}
	return note, notes.Create(ctx, c, note)
}

// Half makes a note, and fails.
func (c *controller) Half(ctx context.Context, in newNote) (*Note, error) {
	if _, err := c.Create(ctx, in); err != nil {
		return nil, err
	}
	return nil, tower.Forbidden("this is half of it")
}

// Slow makes a note, and answers when it may.
func (c *controller) Slow(ctx context.Context, in newNote) (*Note, error) {
	note, err := c.Create(ctx, in)
	if err == nil && slow != nil {
		slow <- struct{}{}
		<-slow
	}
	return note, err
}

var slow chan struct{} // which Slow sends to when it has made its note, and receives from

func (c *controller) Notice(_ context.Context, in newNote) (string, error) { return in.Text, nil }

type name struct {
	Name string `json:"name"`
}

// SignUp creates a user, and signs it in.
func (c *controller) SignUp(ctx context.Context, in name) (*User, error) {
	user := &User{Name: in.Name}
	err := users.Create(ctx, c, user)
	if err == nil {
		c.SignIn(ctx, user.ID)
	}
	return user, err
}

func (c *controller) Leave(ctx context.Context, _ struct{}) (string, error) {
	c.SignOut(ctx)
	return "bye", nil
}

// LeaveAll ends the sessions of the user everywhere.
func (c *controller) LeaveAll(ctx context.Context, _ struct{}) (string, error) {
	return "bye", c.EndSessions(ctx, c.UserID())
}

// Raw writes a note, and reads how many there are.
func (c *controller) Raw(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		if _, err := c.Create(r.Context(), newNote{"raw"}); err != nil {
			return err
		}
	}
	all, err := notes.All().Records(r.Context(), c)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, len(all))
	return err
}

func config() tower.Config {
	r := tower.NewRouter(connect)
	c := tower.Mount(r, "notes", func(s *session) *controller { return &controller{s} })
	tower.Page(c, "GET /", (*controller).Index)
	tower.Cursor(c, "all", (*controller).All)
	tower.Cursor(c, "mine", (*controller).Mine)
	tower.Value(c, "count", (*controller).Count)
	tower.Action(c, "POST /notes", (*controller).Create)
	tower.Action(c, "POST /half", (*controller).Half)
	tower.Action(c, "POST /slow", (*controller).Slow)
	tower.Action(c, "POST /notice", (*controller).Notice)
	tower.Action(c, "POST /users", (*controller).SignUp)
	tower.Action(c, "DELETE /session", (*controller).Leave)
	tower.Action(c, "DELETE /sessions", (*controller).LeaveAll)
	tower.Handle(c, "GET /raw", (*controller).Raw)
	tower.Handle(c, "POST /raw", (*controller).Raw)
	return tower.Config{Name: "nodes", Models: []tower.AnyModel{users, notes}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":      {Data: []byte(`<!doctype html><title>nodes</title><script type="module" src="/_tower/tower.js"></script><body>{{template "main" .}}`)},
		"views/notes/index.html": {Data: []byte(`{{define "main"}}<h1>{{.Data}}</h1>{{$notes := .Cursor "notes.all" "notes/_note.html"}}<ul {{$notes.Attrs}}>{{$notes.Items}}</ul><form {{.Form "POST /notes"}}><input name="text"></form>{{end}}`)},
		"views/notes/_note.html": {Data: []byte(`<li>{{.Text}}</li>`)},
	}}
}
