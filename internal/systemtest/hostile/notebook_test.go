package hostile

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// The notebook is the application that is attacked: people keep notes, and see their own
// and the public ones.

type User struct {
	tower.Record
	Name   string `json:"name" validate:"required,max=40" tower:"unique"`
	Secret string `json:"secret" tower:"private"`
}

func (u *User) isAdmin() bool { return strings.HasPrefix(u.Name, "admin") }

type Note struct {
	tower.Record
	OwnerID tower.ID `json:"ownerId" tower:"ref=users,index"`
	Title   string   `json:"title" validate:"required,max=200"`
	Body    string   `json:"body"`
	Rank    int      `json:"rank" tower:"index"`
	Public  bool     `json:"public"`
}

var (
	Users = tower.NewModel[User]("users")
	Notes = tower.NewModel[Note]("notes")
)

type Session struct {
	*tower.Connection
	User *User
}

func connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	if c.ActorID() != "" {
		if actor, err := Users.Follow(ctx, c, c.ActorID()); err != nil || actor == nil || !actor.isAdmin() {
			return nil, cmp.Or(err, error(tower.Forbidden("only administrators see as another user")))
		}
	}
	user, err := Users.Follow(ctx, c, c.UserID())
	return &Session{c, user}, err
}

type NotesController struct{ *Session }

func (c *NotesController) Match(n *Note) bool {
	return n.Public || c.User != nil && n.OwnerID == c.User.ID
}

func (c *NotesController) All(ctx context.Context, in tower.None) (tower.Scope[Note], error) {
	return Notes.All(), nil
}

func (c *NotesController) Newest(ctx context.Context, in struct {
	N int `json:"n" validate:"gte=1,lte=1000"`
}) (tower.Scope[Note], error) {
	return Notes.All().Desc(&Notes.Fields.CreatedAt).Limit(in.N), nil
}

func (c *NotesController) Count(ctx context.Context, in tower.None) (tower.ValueScope[Note], error) {
	return Notes.All().AsCount(), nil
}

func (c *NotesController) Index(ctx context.Context, in tower.None) (string, error) {
	return "Notebook", nil
}

type NewNote struct {
	Title  string `json:"title"`
	Body   string `json:"body"`
	Rank   int    `json:"rank"`
	Public bool   `json:"public"`
}

func (c *NotesController) Create(ctx context.Context, in NewNote) (*Note, error) {
	note := &Note{Title: in.Title, Body: in.Body, Rank: in.Rank, Public: in.Public || c.User == nil}
	if c.User != nil {
		note.OwnerID = c.User.ID
	}
	return note, Notes.Create(ctx, c, note)
}

type EditNote struct {
	ID    tower.ID `json:"id"`
	Title *string  `json:"title"`
	Body  *string  `json:"body"`
}

func (c *NotesController) Update(ctx context.Context, in EditNote) (*Note, error) {
	return Notes.Update(ctx, c, in.ID, func(n *Note) error {
		if in.Title != nil {
			n.Title = *in.Title
		}
		if in.Body != nil {
			n.Body = *in.Body
		}
		return nil
	})
}

func (c *NotesController) Delete(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (tower.None, error) {
	return tower.None{}, Notes.Delete(ctx, c, in.ID)
}

func (c *NotesController) Echo(ctx context.Context, in struct {
	Text string `json:"text"`
}) (string, error) {
	return in.Text, nil
}

// Request returns what the application knows of the client's request.
func (c *NotesController) Request(ctx context.Context, in tower.None) ([]string, error) {
	r := c.Connection.Request()
	cookie, _ := r.Cookie("theme")
	return append([]string{r.Remote(), r.Scheme(), r.Host(), r.UserAgent(), r.Header("X-Kept"), r.Header("X-Other"), cookie}, r.Languages()...), nil
}

func (c *NotesController) OpenDoor(ctx context.Context, in struct {
	Token string `json:"token"`
}) (tower.None, error) {
	return tower.None{}, nil
}

func (c *NotesController) SignIn(ctx context.Context, in struct {
	User tower.ID `json:"user"`
}) (tower.None, error) {
	c.Connection.SignIn(ctx, in.User)
	return tower.None{}, nil
}

func (c *NotesController) SignOut(ctx context.Context, in tower.None) (tower.None, error) {
	c.Connection.SignOut(ctx)
	return tower.None{}, nil
}

var notebookViews = fstest.MapFS{
	"views/layout.html":      {Data: []byte(`<title>Notebook</title>{{template "main" .}}`)},
	"views/notes/index.html": {Data: []byte(`{{define "main"}}{{$notes := .Cursor "newest" "notes/_note.html" "n" 20}}<ul {{$notes.Attrs}}>{{$notes.Items}}</ul>{{end}}`)},
	"views/notes/_note.html": {Data: []byte(`<li>{{.Title}}</li>`)},
	"public/large.txt":       {Data: make([]byte, 8<<20)},
}

// notebook returns the configuration of the notebook. Tests change its limits.
func notebook() tower.Config {
	r := tower.NewRouter(connect)
	notes := tower.Mount(r, "notes", func(s *Session) *NotesController { return &NotesController{s} })
	tower.Page(notes, "GET /notes", (*NotesController).Index)
	tower.Cursor(notes, "all", (*NotesController).All, tower.Narrow(Notes, &Notes.Fields.Title, &Notes.Fields.Rank))
	tower.Cursor(notes, "newest", (*NotesController).Newest)
	tower.Value(notes, "count", (*NotesController).Count, tower.Narrow(Notes, &Notes.Fields.Title, &Notes.Fields.Rank))
	tower.Action(notes, "POST /notes", (*NotesController).Create)
	tower.Action(notes, "PATCH /notes/{id}", (*NotesController).Update)
	tower.Action(notes, "DELETE /notes/{id}", (*NotesController).Delete)
	tower.Action(notes, "POST /echo", (*NotesController).Echo)
	tower.Action(notes, "POST /request", (*NotesController).Request)
	tower.Action(notes, "POST /doors/{token}", (*NotesController).OpenDoor)
	tower.Action(notes, "POST /session", (*NotesController).SignIn)
	tower.Action(notes, "DELETE /session", (*NotesController).SignOut, tower.InSandbox())
	return tower.Config{Name: "notebook", Models: []tower.AnyModel{Users, Notes}, Routes: r, Files: notebookViews}
}

// attack opens an application and returns a visitor who attacks it.
func attack(t testing.TB, config tower.Config) attacker {
	t.Helper()
	return attacker{t: t, app: towertest.Open(t, config)}
}

// makeUser creates a user.
func (a attacker) makeUser(name string) *User {
	a.t.Helper()
	user := &User{Name: name, Secret: "secret of " + name}
	if err := Users.Create(a.t.Context(), a.app, user); err != nil {
		a.t.Fatal(err)
	}
	return user
}

// makeNotes creates public notes with ranks from 0, in few commits.
func (a attacker) makeNotes(count int) {
	a.t.Helper()
	for made := 0; made < count; {
		err := a.app.Transaction(a.t.Context(), func(tx *tower.Tx) error {
			for end := min(made+1000, count); made < end; made++ {
				if err := Notes.Create(a.t.Context(), tx, &Note{Title: fmt.Sprint("note ", made), Rank: made, Public: true}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			a.t.Fatal(err)
		}
	}
}
