package script

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// The journal is a real application: people write posts, others review them, and users
// see published posts and their own.

type User struct {
	tower.Record
	Name   string `json:"name" validate:"required" tower:"unique"`
	Editor bool   `json:"editor"`
	Secret string `json:"secret" tower:"private"`
}

type Post struct {
	tower.Record
	AuthorID   tower.ID `json:"authorId" tower:"ref=users,index"`
	ReviewerID tower.ID `json:"reviewerId" tower:"ref=users"`
	Title      string   `json:"title" validate:"required,max=40"`
	Published  bool     `json:"published" tower:"index"`
	Likes      int      `json:"likes" validate:"gte=0"`
}

type Note struct {
	tower.Record
	PostID tower.ID `json:"postId" tower:"ref=posts,index"`
	Text   string   `json:"text"`
}

var (
	journalUsers = tower.NewModel[User]("users")
	journalPosts = tower.NewModel[Post]("posts")
	journalNotes = tower.NewModel[Note]("notes")
)

type journalSession struct {
	*tower.Connection
	user *User
}

func connectJournal(ctx context.Context, c *tower.Connection) (*journalSession, error) {
	user, err := journalUsers.Follow(ctx, c, c.UserID())
	if user != nil {
		c.SetLabel(user.Name)
	}
	return &journalSession{c, user}, err
}

type journalController struct{ *journalSession }

func (c *journalController) Allow(action string) bool {
	return action != "Mine" || c.user != nil
}

func (c *journalController) Match(p *Post) bool {
	return p.Published || c.user != nil && (c.user.Editor || p.AuthorID == c.user.ID)
}

func (c *journalController) Popular(ctx context.Context, in struct{}) (tower.Scope[Post], error) {
	post := journalPosts.Fields
	return journalPosts.Where(tower.Gte(&post.Likes, 3)).Desc(&post.Likes).Limit(2), nil
}

func (c *journalController) Mine(ctx context.Context, in struct{}) (tower.Scope[Post], error) {
	post := journalPosts.Fields
	return journalPosts.Where(tower.Is(&post.AuthorID, c.UserID())).Include(&post.AuthorID), nil
}

type journalID struct {
	ID tower.ID `json:"id"`
}

func (c *journalController) One(ctx context.Context, in journalID) (tower.Scope[Post], error) {
	return journalPosts.Where(tower.Is(&journalPosts.Fields.ID, in.ID)), nil
}

func (c *journalController) HowMany(ctx context.Context, in struct{}) (tower.ValueScope[Post], error) {
	return journalPosts.All().AsCount(), nil
}

type journalDraft struct {
	Title     string `json:"title" validate:"required"`
	Published bool   `json:"published"`
}

func (c *journalController) Create(ctx context.Context, in journalDraft) (*Post, error) {
	if c.user == nil {
		return nil, tower.Unauthenticated("sign in to write")
	}
	post := &Post{AuthorID: c.user.ID, Title: in.Title, Published: in.Published}
	return post, journalPosts.Create(ctx, c, post)
}

type journalEdit struct {
	ID    tower.ID `json:"id"`
	Title string   `json:"title" validate:"required"`
}

func (c *journalController) Update(ctx context.Context, in journalEdit) (*Post, error) {
	return journalPosts.Update(ctx, c, in.ID, func(p *Post) error {
		if c.user == nil || p.AuthorID != c.user.ID {
			return tower.Forbidden("only its author may change a post")
		}
		p.Title = in.Title
		return nil
	})
}

func (c *journalController) Delete(ctx context.Context, in journalID) (struct{}, error) {
	return struct{}{}, journalPosts.Delete(ctx, c, in.ID)
}

func (c *journalController) Greet(ctx context.Context, in struct {
	Word string `json:"word"`
}) (string, error) {
	return in.Word + " " + c.Label(), nil
}

// Announce has every connection greet.
func (c *journalController) Announce(ctx context.Context, in struct{}) (int, error) {
	return announcer.Handle(ctx, tower.Request{Method: "GET", Path: "/greet", In: map[string]string{"word": "hear"}})
}

var announcer *tower.App // of the current test

func (c *journalController) Fail(ctx context.Context, in struct{}) (struct{}, error) {
	_ = journalPosts.Create(ctx, c, &Post{Title: "half"})
	panic("everything is gone")
}

func journal() tower.Config {
	r := tower.NewRouter(connectJournal)
	posts := tower.Mount(r, "posts", func(s *journalSession) *journalController { return &journalController{s} })
	tower.Cursor(posts, "popular", (*journalController).Popular, tower.Narrow(journalPosts, &journalPosts.Fields.Title))
	tower.Cursor(posts, "mine", (*journalController).Mine)
	tower.Cursor(posts, "one", (*journalController).One)
	tower.Value(posts, "howMany", (*journalController).HowMany)
	tower.Action(posts, "POST /posts", (*journalController).Create)
	tower.Action(posts, "PATCH /posts/{id}", (*journalController).Update)
	tower.Action(posts, "DELETE /posts/{id}", (*journalController).Delete)
	tower.Action(posts, "GET /greet", (*journalController).Greet)
	tower.Action(posts, "POST /announce", (*journalController).Announce)
	tower.Action(posts, "POST /fail", (*journalController).Fail)
	return tower.Config{Name: "journal", Models: []tower.AnyModel{journalUsers, journalPosts, journalNotes}, Routes: r,
		Files: fstest.MapFS{"views/layout.html": {Data: []byte("<p>")}}}
}

// A desk is a session on a real application.
type desk struct {
	*session
	app      *towertest.App
	folder   string
	ada, bob *User
	asked    []string
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	folder, err := os.MkdirTemp("", "tower") // t.TempDir may return a path too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOWER_FOLDER", folder)
	t.Setenv("XDG_RUNTIME_DIR", folder)
	d := &desk{app: towertest.Open(t, journal()), folder: folder}
	announcer = d.app.App
	if err := d.app.OpenControl(); err != nil {
		t.Fatal(err)
	}
	client, err := control.Attach(t.Context(), wire.SocketPath(folder, folder), "console:mira")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	d.session = &session{t: t, e: New(client.Hello(), client, Options{})}
	d.ada, d.bob = d.user("ada"), d.user("bob")
	d.must(`let ada = User.where({name: "ada"}).first(), bob = User.where({name: "bob"}).first()`)
	d.must(`Post.create([
		{title: "one", published: true, likes: 1, authorId: ada},
		{title: "two", published: false, likes: 5, authorId: ada, reviewerId: bob},
		{title: "three", published: true, likes: 4, authorId: bob},
		{title: "four", published: true, likes: 3, authorId: bob}])`)
	return d
}

func (d *desk) user(name string) *User {
	d.t.Helper()
	user := &User{Name: name, Secret: "hush"}
	if err := journalUsers.Create(d.t.Context(), d.app, user); err != nil {
		d.t.Fatal(err)
	}
	return user
}

// confirms answers every question with yes or no.
func (d *desk) confirms(yes bool) {
	d.asked = nil
	d.e.Confirm = func(_ context.Context, what string) bool {
		d.asked = append(d.asked, what)
		return yes
	}
}

// shows returns the last value as a person sees it.
func (d *desk) shows(code string) string {
	d.t.Helper()
	text := ""
	err := d.e.Run(d.t.Context(), Source{Text: code}, func(v show.Value) { text = strings.Join(show.Formatter{}.Lines(v), "\n") })
	var known *show.Failure
	if errors.As(err, &known) {
		return strings.Join(show.Formatter{}.Failure(known), "\n")
	}
	if err != nil {
		d.t.Fatal(err)
	}
	for _, user := range []*User{d.ada, d.bob} {
		text = strings.ReplaceAll(text, string(user.ID), "ID:"+user.Name)
	}
	return text
}

func (d *desk) expect(code, want string) {
	d.t.Helper()
	got, failed := d.run(code)
	last := failed
	if failed == "" && len(got) > 0 {
		last = got[len(got)-1]
	}
	if last != want {
		d.t.Errorf("%s\n got %s\nwant %s", code, last, want)
	}
}
