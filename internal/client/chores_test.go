package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/database"
	_ "github.com/towerkit/tower/postgres"
)

// The application of TestClientsConverge has chores that are shared or private.
// Each write creates a mark in its transaction. The marks show how often a write
// took effect.

type User struct {
	tower.Record
	Name string `json:"name"`
}

type Chore struct {
	tower.Record
	OwnerID tower.ID `json:"ownerId" tower:"ref=users,index"`
	Title   string   `json:"title" validate:"ne=bad"`
	Rank    int      `json:"rank" tower:"index"`
	Done    bool     `json:"done"`
	Shared  bool     `json:"shared" tower:"index"`
}

type Mark struct {
	tower.Record
	Token string `json:"token" tower:"index"`
}

var (
	Users  = tower.NewModel[User]("users")
	Chores = tower.NewModel[Chore]("chores")
	Marks  = tower.NewModel[Mark]("marks")
)

type chores struct{ *tower.Connection }

func (c *chores) Match(chore *Chore) bool { return chore.Shared || chore.OwnerID == c.UserID() }

func (c *chores) All(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	return Chores.All(), nil
}

func (c *chores) First(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	chore := Chores.Fields
	return Chores.All().Asc(&chore.Rank).Desc(&chore.CreatedAt).Limit(5), nil
}

// plain is a controller without a rule: its scopes alone decide.
type plain struct{ *tower.Connection }

func (c *plain) Mine(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	chore := Chores.Fields
	return Chores.Where(tower.Is(&chore.OwnerID, c.UserID())).Desc(&chore.CreatedAt), nil
}

func (c *plain) Todo(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	chore := Chores.Fields
	return Chores.Where(tower.Is(&chore.Shared, true), tower.Is(&chore.Done, false)).Asc(&chore.Title), nil
}

func (c *plain) Second(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	chore := Chores.Fields
	return Chores.Where(tower.Is(&chore.OwnerID, c.UserID())).Asc(&chore.Rank).Limit(4).Offset(4), nil
}

func (c *plain) Ranked(ctx context.Context, in struct {
	Below int `json:"below"`
}) (tower.Scope[Chore], error) {
	chore := Chores.Fields
	return Chores.Where(tower.Is(&chore.Shared, true), tower.Lt(&chore.Rank, in.Below)), nil
}

func (c *plain) Marks(ctx context.Context, in struct{}) (tower.Scope[Mark], error) {
	return Marks.All(), nil
}

type newChore struct {
	ID     tower.ID `json:"id"`
	Title  string   `json:"title"`
	Rank   int      `json:"rank"`
	Done   bool     `json:"done"`
	Shared bool     `json:"shared"`
	Token  string   `json:"token"`
}

func (c *plain) Create(ctx context.Context, in newChore) (*Chore, error) {
	chore := &Chore{Record: tower.Record{ID: in.ID}, OwnerID: c.UserID(), Title: in.Title, Rank: in.Rank, Done: in.Done, Shared: in.Shared}
	return chore, c.marked(ctx, in.Token, func(tx *tower.Tx) error { return Chores.Create(ctx, tx, chore) })
}

type editChore struct {
	ID     tower.ID `json:"id"`
	Title  *string  `json:"title"`
	Rank   *int     `json:"rank"`
	Done   *bool    `json:"done"`
	Shared *bool    `json:"shared"`
	Token  string   `json:"token"`
}

func (c *plain) Update(ctx context.Context, in editChore) (chore *Chore, err error) {
	err = c.marked(ctx, in.Token, func(tx *tower.Tx) error {
		chore, err = Chores.Update(ctx, tx, in.ID, func(chore *Chore) error {
			if !chore.Shared && chore.OwnerID != c.UserID() {
				return tower.NotFound("there is no such chore")
			}
			set(&chore.Title, in.Title)
			set(&chore.Rank, in.Rank)
			set(&chore.Done, in.Done)
			set(&chore.Shared, in.Shared)
			return nil
		})
		return err
	})
	return chore, err
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func (c *plain) Delete(ctx context.Context, in struct {
	ID    tower.ID `json:"id"`
	Token string   `json:"token"`
}) (struct{}, error) {
	return struct{}{}, c.marked(ctx, in.Token, func(tx *tower.Tx) error { return Chores.Delete(ctx, tx, in.ID) })
}

// marked runs a write and creates its mark in one transaction.
func (c *plain) marked(ctx context.Context, token string, write func(*tower.Tx) error) error {
	return c.Transaction(ctx, func(tx *tower.Tx) error {
		if err := write(tx); err != nil {
			return err
		}
		return Marks.Create(ctx, tx, &Mark{Token: token})
	})
}

func choresConfig(data string) tower.Config {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	ruled := tower.Mount(r, "chores", func(c *tower.Connection) *chores { return &chores{c} })
	tower.Cursor(ruled, "all", (*chores).All)
	tower.Cursor(ruled, "first", (*chores).First)
	open := tower.Mount(r, "plain", func(c *tower.Connection) *plain { return &plain{c} })
	tower.Cursor(open, "mine", (*plain).Mine)
	tower.Cursor(open, "todo", (*plain).Todo)
	tower.Cursor(open, "second", (*plain).Second)
	tower.Cursor(open, "ranked", (*plain).Ranked)
	tower.Cursor(open, "marks", (*plain).Marks)
	tower.Action(open, "POST /chores", (*plain).Create)
	tower.Action(open, "PATCH /chores/{id}", (*plain).Update)
	tower.Action(open, "DELETE /chores/{id}", (*plain).Delete)
	return tower.Config{Name: "chores", Env: "test", Data: data, Models: []tower.AnyModel{Users, Chores, Marks}, Routes: r,
		Files: fstest.MapFS{"views/layout.html": {Data: []byte(`{{template "main" .}}`)}}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// choreUsers are the users of the application.
var choreUsers = []tower.ID{"01JDA7Q4Z3M8X2V6K9T5B1C0A0", "01JDA7Q4Z3M8X2V6K9T5B1C0B0", "01JDA7Q4Z3M8X2V6K9T5B1C0C0"}

// serveVariable makes the test binary run the server. The server has its own process
// so that the test can kill it.
const serveVariable = "TOWER_TEST_SERVE"

// A serverProcess is a server, as it is configured.
type serverProcess struct {
	Data   string // a file, or the address of a database that nodes share
	Folder string // of a node's replica
	Addr   string

	process *exec.Cmd
}

// divergences returns the folder in which the server reports what it has found wrong.
func (s *serverProcess) divergences() string {
	if database.Is(s.Data) {
		return filepath.Join(s.Folder, "db", "divergences")
	}
	return filepath.Join(filepath.Dir(s.Data), "divergences")
}

func TestMain(m *testing.M) {
	if text := os.Getenv(serveVariable); text != "" {
		var s serverProcess
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			panic(err)
		}
		if err := s.run(); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	client.EndBrowser()
	os.Exit(code)
}

// run prints the users' cookies and serves until the process is killed.
func (s *serverProcess) run() error {
	app, err := tower.New(choresConfig(s.Data))
	if err != nil {
		return err
	}
	if err := app.Open(); err != nil {
		return err
	}
	cookies := map[tower.ID]string{}
	for _, id := range choreUsers {
		user := &User{Record: tower.Record{ID: id}, Name: string(id)}
		var known *tower.Error
		if err := Users.Create(context.Background(), app, user); err != nil && !errors.As(err, &known) {
			return err
		}
		cookie, err := app.Cookie(id)
		if err != nil {
			return err
		}
		cookies[id] = cookie.Name + "=" + cookie.Value
	}
	listener, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(cookies); err != nil {
		return err
	}
	return http.Serve(listener, app.Handler())
}
