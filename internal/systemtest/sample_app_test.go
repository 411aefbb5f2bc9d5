package systemtest

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// The sample is a small journal with people who may edit everything, authors who
// see their own drafts, and visitors who see what is published.

type User struct {
	tower.Record
	Name   string `json:"name" validate:"required,max=40" tower:"unique"`
	Editor bool   `json:"editor"`
	Secret string `json:"secret" tower:"private"`
}

type Post struct {
	tower.Record
	AuthorID  tower.ID `json:"authorId" tower:"ref=users,index"`
	Title     string   `json:"title" validate:"required,max=140"`
	Published bool     `json:"published" tower:"index"`
	Likes     int      `json:"likes" validate:"gte=0"`
}

var (
	Users = tower.NewModel[User]("users")
	Posts = tower.NewModel[Post]("posts")
)

func (p *Post) Validate(problems *tower.Problems) {
	if p.Title == "SHOUT" {
		problems.Add("title", "is too loud")
	}
}

type Session struct {
	*tower.Connection
	CurrentUser *User
}

func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	user, err := Users.Follow(ctx, c, c.UserID())
	if user != nil {
		c.SetLabel(user.Name)
	}
	return &Session{c, user}, err
}

var postsMade atomic.Int64 // controllers

type PostsController struct{ *Session }

func NewPosts(s *Session) *PostsController {
	postsMade.Add(1)
	return &PostsController{s}
}

func (c *PostsController) editor() bool { return c.CurrentUser != nil && c.CurrentUser.Editor }

func (c *PostsController) Allow(action string) bool {
	return action != "Purge" || c.editor()
}

func (c *PostsController) Match(p *Post) bool {
	return p.Published || c.editor() || c.CurrentUser != nil && p.AuthorID == c.CurrentUser.ID
}

func (c *PostsController) Visible(ctx context.Context, in struct{}) (tower.Scope[Post], error) {
	return Posts.All(), nil
}

func (c *PostsController) Newest(ctx context.Context, in struct {
	N int `json:"n" validate:"gte=1,lte=50"`
}) (tower.Scope[Post], error) {
	return Posts.All().Desc(&Posts.Fields.CreatedAt).Limit(in.N), nil
}

func (c *PostsController) Signed(ctx context.Context, in struct{}) (tower.Scope[Post], error) {
	return Posts.All().Desc(&Posts.Fields.CreatedAt).Limit(5).Include(&Posts.Fields.AuthorID), nil
}

func (c *PostsController) HowMany(ctx context.Context, in struct{}) (tower.ValueScope[Post], error) {
	return Posts.All().AsCount(), nil
}

func (c *PostsController) AllLikes(ctx context.Context, in struct{}) (tower.ValueScope[Post], error) {
	return Posts.All().AsSum(&Posts.Fields.Likes), nil
}

func (c *PostsController) LastTitle(ctx context.Context, in struct{}) (tower.ValueScope[Post], error) {
	return Posts.All().AsMax(&Posts.Fields.Title), nil
}

func (c *PostsController) Index(ctx context.Context, in struct{}) (string, error) {
	return "Journal", nil
}

func (c *PostsController) New(ctx context.Context, in struct{}) (*Post, error) {
	return &Post{Title: "Untitled"}, nil
}

type NewPost struct {
	Title     string `json:"title"`
	Published bool   `json:"published"`
}

func (c *PostsController) Create(ctx context.Context, in NewPost) (*Post, error) {
	if c.CurrentUser == nil {
		return nil, tower.Unauthenticated("sign in to write")
	}
	post := &Post{AuthorID: c.CurrentUser.ID, Title: in.Title, Published: in.Published}
	return post, Posts.Create(ctx, c, post)
}

type EditPost struct {
	ID        tower.ID  `json:"id"`
	Title     *string   `json:"title"`
	Published *bool     `json:"published"`
	AuthorID  *tower.ID `json:"authorId"`
}

func (c *PostsController) Update(ctx context.Context, in EditPost) (*Post, error) {
	return Posts.Update(ctx, c, in.ID, func(p *Post) error {
		if !c.editor() && (c.CurrentUser == nil || p.AuthorID != c.CurrentUser.ID) {
			return tower.Forbidden("only its author may change a post")
		}
		set(&p.Title, in.Title)
		set(&p.Published, in.Published)
		set(&p.AuthorID, in.AuthorID)
		return nil
	})
}

func (c *PostsController) Delete(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (struct{}, error) {
	return struct{}{}, Posts.Delete(ctx, c, in.ID)
}

func (c *PostsController) Purge(ctx context.Context, in struct{}) (struct{}, error) {
	panic("everything is gone")
}

func (c *PostsController) Greeting(ctx context.Context, in struct {
	Word string `json:"word"`
}) (string, error) {
	return in.Word + " " + c.Label(), nil
}

func (c *PostsController) SignIn(ctx context.Context, in struct {
	User tower.ID `json:"user"`
}) (struct{}, error) {
	c.Connection.SignIn(ctx, in.User)
	return struct{}{}, nil
}

type UsersController struct{ *Session }

func (c *UsersController) Match(u *User) bool {
	return c.CurrentUser != nil && (c.CurrentUser.Editor || u.ID == c.CurrentUser.ID)
}

func (c *UsersController) Everyone(ctx context.Context, in struct{}) (tower.Scope[User], error) {
	return Users.All().Asc(&Users.Fields.Name), nil
}

func (c *UsersController) Me(ctx context.Context, in struct{}) (*User, error) {
	if c.CurrentUser == nil {
		return nil, tower.NotFound("nobody is signed in")
	}
	return c.CurrentUser, nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func routes() *tower.Router[*Session] {
	r := tower.NewRouter(Connect)
	posts := tower.Mount(r, "posts", NewPosts)
	tower.Page(posts, "GET /posts", (*PostsController).Index)
	tower.Page(posts, "GET /posts/new", (*PostsController).New)
	tower.Cursor(posts, "visible", (*PostsController).Visible, tower.Narrow(Posts, &Posts.Fields.Title, &Posts.Fields.Likes))
	tower.Cursor(posts, "newest", (*PostsController).Newest)
	tower.Cursor(posts, "signed", (*PostsController).Signed)
	tower.Value(posts, "howMany", (*PostsController).HowMany, tower.Narrow(Posts, &Posts.Fields.Title))
	tower.Value(posts, "allLikes", (*PostsController).AllLikes)
	tower.Value(posts, "lastTitle", (*PostsController).LastTitle)
	tower.Action(posts, "POST /posts", (*PostsController).Create, tower.FormPage("GET /posts/new"), tower.RedirectTo("/posts/{id}"))
	tower.Action(posts, "PATCH /posts/{id}", (*PostsController).Update)
	tower.Action(posts, "DELETE /posts/{id}", (*PostsController).Delete, tower.RedirectTo("/posts"))
	tower.Action(posts, "POST /purge", (*PostsController).Purge)
	tower.Action(posts, "GET /greeting", (*PostsController).Greeting)
	tower.Action(posts, "POST /session", (*PostsController).SignIn)
	users := tower.Mount(r, "users", func(s *Session) *UsersController { return &UsersController{s} })
	tower.Cursor(users, "everyone", (*UsersController).Everyone)
	tower.Action(users, "GET /me", (*UsersController).Me)
	return r
}

var sampleViews = fstest.MapFS{
	"views/layout.html":               {Data: []byte(`<title>{{block "title" .}}Journal{{end}}</title>{{template "main" .}}`)},
	"views/postscontroller/none.html": {Data: []byte(`{{define "main"}}{{end}}`)},
	"views/posts/index.html": {Data: []byte(`{{define "main"}}<h1>{{.Data}}</h1>{{$posts := .Cursor "newest" "posts/_post.html" "n" 2}}
<ul {{$posts.Attrs}}>{{$posts.Items}}</ul>{{$n := .LiveValue "howMany"}}<b {{$n.Attrs}}>{{$n.Text}}</b>{{end}}`)},
	"views/posts/new.html": {Data: []byte(`{{define "main"}}<form {{.Form "POST /posts"}}>
<input name="title" value="{{.Value "title" .Data.Title}}">{{.Problem "title"}}</form>{{end}}`)},
	"views/posts/_post.html": {Data: []byte(`<li class="post">{{.Title}}</li>`)},
	"public/app.css":         {Data: []byte("body{}")},
}

func sample() tower.Config {
	// Tests and benchmarks connect many clients from one address, and read when they like.
	limits := tower.Limits{MaxAddress: 200_000, MaxVisitors: 100_000, MaxClients: 200_000, Patience: 5 * time.Minute,
		MaxReading: time.Hour, MaxOutflow: 1 << 30, MaxQueries: 10_000_000, MaxAllQueries: 10_000_000}
	return tower.Config{Name: "journal", Models: []tower.AnyModel{Users, Posts}, Routes: routes(), Files: sampleViews, Limits: limits}
}

func openSample(t testing.TB) *towertest.App {
	t.Helper()
	app := towertest.Open(t, sample())
	app.Transport = transport
	return app
}

// transport is what clients of the sample connect over.
var transport = towertest.Socket

func makeUser(t testing.TB, app *towertest.App, name string, editor bool) *User {
	t.Helper()
	user := &User{Name: name, Editor: editor, Secret: "hush-" + name}
	if err := Users.Create(t.Context(), app, user); err != nil {
		t.Fatal(err)
	}
	return user
}

func makePost(t testing.TB, app *towertest.App, author *User, title string, published bool) *Post {
	t.Helper()
	post := &Post{AuthorID: author.ID, Title: title, Published: published}
	if err := Posts.Create(t.Context(), app, post); err != nil {
		t.Fatal(err)
	}
	return post
}
