//go:build unix

package repl

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// The board is a real application: people, and posts that only some people may see.

type Member struct {
	tower.Record
	Name string `json:"name" validate:"required,max=40" tower:"unique"`
	Pass string `json:"pass" tower:"private"`
}

type Memo struct {
	tower.Record
	AuthorID  tower.ID `json:"authorId" tower:"ref=members,index"`
	Title     string   `json:"title" validate:"required,max=140"`
	Body      string   `json:"body"`
	Published bool     `json:"published" tower:"index"`
	Likes     int      `json:"likes"`
	Tags      []string `json:"tags"`
}

var (
	members = tower.NewModel[Member]("members")
	posted  = tower.NewModel[Memo]("memos")
)

type boardSession struct {
	*tower.Connection
	user *Member
}

type boardMemos struct{ *boardSession }

func (c *boardMemos) Match(n *Memo) bool {
	return n.Published || c.user != nil && n.AuthorID == c.user.ID
}

func (c *boardMemos) Newest(ctx context.Context, in struct{}) (tower.Scope[Memo], error) {
	return posted.All().Desc(&posted.Fields.CreatedAt).Limit(3), nil
}

func (c *boardMemos) By(ctx context.Context, in struct {
	Author tower.ID `json:"author"`
}) (tower.Scope[Memo], error) {
	return posted.Where(tower.Is(&posted.Fields.AuthorID, in.Author)), nil
}

func (c *boardMemos) HowMany(ctx context.Context, in struct{}) (tower.ValueScope[Memo], error) {
	return posted.All().AsCount(), nil
}

func (c *boardMemos) Create(ctx context.Context, in struct {
	Title     string `json:"title"`
	Published bool   `json:"published"`
}) (*Memo, error) {
	n := &Memo{Title: in.Title, Published: in.Published, AuthorID: c.UserID()}
	return n, posted.Create(ctx, c, n)
}

func boardRoutes() *tower.Router[*boardSession] {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*boardSession, error) {
		user, err := members.Follow(ctx, c, c.UserID())
		if user != nil {
			c.SetLabel(user.Name)
		}
		return &boardSession{c, user}, err
	})
	list := tower.Mount(r, "memos", func(s *boardSession) *boardMemos { return &boardMemos{s} })
	tower.Cursor(list, "newest", (*boardMemos).Newest)
	tower.Cursor(list, "by", (*boardMemos).By)
	tower.Value(list, "howMany", (*boardMemos).HowMany)
	tower.Action(list, "POST /memos", (*boardMemos).Create)
	return r
}

// A board is the running application with its control socket.
type board struct {
	*towertest.App
	t           *testing.T
	env, folder string
	path        string
	close       func()
	ada, bob    *Member
}

func openBoard(t *testing.T) *board { return openBoardIn(t, "test") }

// openBoardIn opens the board in an environment, and closes it when the test ends.
func openBoardIn(t *testing.T, env string) *board {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOWER_FOLDER", folder)
	if env == "production" {
		t.Setenv("TOWER_SECRET", "0123456789-abcdefghijklmnopqrstuvwxyz")
	}
	b := &board{t: t, env: env, folder: folder,
		path: wire.SocketPath(folder, wire.RuntimeFolder(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid()))}
	b.start()
	t.Cleanup(func() { b.close() })
	b.ada, b.bob = b.member(t, "ada"), b.member(t, "bob")
	return b
}

// start serves the board. After a close it starts again with the same data.
func (b *board) start() {
	b.t.Helper()
	app, end := towertest.Serve(b.t, tower.Config{Name: "board", Env: b.env, Data: filepath.Join(b.folder, "board.db"),
		Models: []tower.AnyModel{members, posted}, Routes: boardRoutes(),
		Files: fstest.MapFS{"views/layout.html": {Data: []byte(`{{template "main" .}}`)}},
		Log:   slog.New(slog.NewTextHandler(b.t.Output(), nil))})
	b.App, b.close = app, sync.OnceFunc(end)
	if err := b.OpenControl(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *board) member(t *testing.T, name string) *Member {
	t.Helper()
	m := &Member{Name: name}
	if err := members.Create(tower.WithAuthor(t.Context(), "seed"), b, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// attach returns a client of the board's control socket.
func (b *board) attach(t *testing.T) *control.Client {
	t.Helper()
	client, err := control.Attach(t.Context(), b.path, "console:test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}
