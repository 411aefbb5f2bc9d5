package towertest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// The application under test: users write notes, and see those that are shared and
// their own.

type User struct {
	tower.Record
	Name string `json:"name" validate:"required"`
}

type Note struct {
	tower.Record
	OwnerID tower.ID `json:"ownerId" tower:"ref=users,index"`
	Text    string   `json:"text" validate:"required"`
	Shared  bool     `json:"shared"`
}

var (
	Users = tower.NewModel[User]("users")
	Notes = tower.NewModel[Note]("notes")
)

type Session struct{ *tower.Connection }

func Connect(_ context.Context, c *tower.Connection) (*Session, error) { return &Session{c}, nil }

type NotesController struct{ *Session }

func NewNotes(s *Session) *NotesController { return &NotesController{s} }

func (c *NotesController) Match(n *Note) bool { return n.Shared || n.OwnerID == c.UserID() }

func (c *NotesController) All(context.Context, tower.None) (tower.Scope[Note], error) {
	return Notes.All(), nil
}

func (c *NotesController) Mine(context.Context, tower.None) (tower.Scope[Note], error) {
	return Notes.Where(tower.Is(&Notes.Fields.OwnerID, c.UserID())), nil
}

func (c *NotesController) Create(ctx context.Context, in struct {
	Text   string `json:"text"`
	Shared bool   `json:"shared"`
}) (*Note, error) {
	note := &Note{OwnerID: c.UserID(), Text: in.Text, Shared: in.Shared}
	return note, Notes.Create(ctx, c, note)
}

func Config() tower.Config {
	r := tower.NewRouter(Connect)
	notes := tower.Mount(r, "notes", NewNotes)
	tower.Cursor(notes, "all", (*NotesController).All)
	tower.Action(notes, "POST /notes", (*NotesController).Create)
	return tower.Config{Models: []tower.AnyModel{Users, Notes}, Routes: r}
}

func createUser(t testing.TB, app *towertest.App, name string) *User {
	t.Helper()
	user := &User{Name: name}
	if err := Users.Create(t.Context(), app, user); err != nil {
		t.Fatal(err)
	}
	return user
}

// Clients connect over a real network as users, and hold what the server sends them.
func ExampleOpen() {
	towertest.RunExample(func(t testing.TB) { // in a test: func TestNotesAreLive(t *testing.T)
		app := towertest.Open(t, Config())
		ada := app.Connect(t, createUser(t, app, "Ada").ID)
		bob := app.Connect(t, createUser(t, app, "Bob").ID)

		hers, his := ada.Open("notes.all", nil), bob.Open("notes.all", nil)
		ada.Call("POST /notes", map[string]any{"text": "Buy milk"})
		ada.Call("POST /notes", map[string]any{"text": "Party on Friday", "shared": true})
		hers.AwaitLen(2)
		his.AwaitLen(1)

		var note Note
		his.Record(his.IDs()[0], &note)
		fmt.Println(note.Text)
	})
	// Output: Party on Friday
}

// A session makes a controller, whose methods can be called without a client.
func ExampleApp_Session() {
	towertest.RunExample(func(t testing.TB) {
		app := towertest.Open(t, Config())
		ada, bob := createUser(t, app, "Ada"), createUser(t, app, "Bob")
		notes := NewNotes(app.Session(t, ada.ID).(*Session))

		note, err := notes.Create(t.Context(), struct {
			Text   string `json:"text"`
			Shared bool   `json:"shared"`
		}{Text: "Buy milk"})
		if err != nil {
			t.Fatal(err)
		}
		mine, err := notes.Mine(t.Context(), tower.None{})
		if err != nil {
			t.Fatal(err)
		}
		count, err := mine.Count(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("Ada's notes:", count)
		fmt.Println("Bob may see it:", NewNotes(app.Session(t, bob.ID).(*Session)).Match(note))
	})
	// Output:
	// Ada's notes: 1
	// Bob may see it: false
}

// Converge makes random changes and compares what clients hold with what a fresh query
// would give them.
func ExampleConverge() {
	towertest.RunExample(func(t testing.TB) {
		towertest.Converge(t, Config(), towertest.Convergence{
			Steps: 40,
			Fill: map[string]func(*rand.Rand, any){
				"notes": func(_ *rand.Rand, record any) { record.(*Note).Text = "Buy milk" },
			},
		})
		fmt.Println("every client held what its user may see")
	})
	// Output: every client held what its user may see
}
