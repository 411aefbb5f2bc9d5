package scaffolds

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// The models and the controller below are those that everyField generates; the views
// are the generated ones.
type author struct {
	tower.Record
	Name string `json:"name" validate:"required,max=200"`
}

type blogPost struct {
	tower.Record
	Title     string    `json:"title" validate:"required,max=200"`
	Body      string    `json:"body"`
	Published bool      `json:"published" tower:"index"`
	AuthorID  tower.ID  `json:"authorId" tower:"ref=users,index"`
	StartsAt  time.Time `json:"startsAt,omitzero"`
	Stars     int       `json:"stars"`
	Price     float64   `json:"price"`
	Rank      *int      `json:"rank"`
	State     string    `json:"state" tower:"index" validate:"omitempty,oneof=open done"`
	Tags      []string  `json:"tags" validate:"max=100,dive,max=200"`
	Notes     string    `json:"notes" tower:"private"`
}

var (
	authors   = tower.NewModel[author]("users")
	blogPosts = tower.NewModel[blogPost]("blog_posts")
)

type postsController struct{ *tower.Connection }

type postID struct {
	ID tower.ID `json:"id"`
}

type postInput struct {
	ID        tower.ID            `json:"id"`
	Title     *string             `json:"title"`
	Body      *string             `json:"body"`
	Published *bool               `json:"published"`
	AuthorID  *tower.ID           `json:"authorId"`
	StartsAt  *time.Time          `json:"startsAt"`
	Stars     *int                `json:"stars"`
	Price     *float64            `json:"price"`
	Rank      tower.Optional[int] `json:"rank"`
	State     *string             `json:"state"`
	Tags      *[]string           `json:"tags"`
}

type postPage struct {
	BlogPost *blogPost
	Authors  []*author
}

func (c *postsController) All(ctx context.Context, in tower.None) (tower.Scope[blogPost], error) {
	return blogPosts.All().Include(&blogPosts.Fields.AuthorID), nil
}

func (c *postsController) One(ctx context.Context, in postID) (tower.Scope[blogPost], error) {
	return blogPosts.Where(tower.Is(&blogPosts.Fields.ID, in.ID)).Include(&blogPosts.Fields.AuthorID), nil
}

func (c *postsController) New(ctx context.Context, in tower.None) (postPage, error) {
	return c.form(ctx, &blogPost{}, nil)
}

func (c *postsController) Show(ctx context.Context, in postID) (postPage, error) {
	post, err := tower.Visible(ctx, c, blogPosts, in.ID)
	return c.form(ctx, post, err)
}

func (c *postsController) Edit(ctx context.Context, in postID) (postPage, error) {
	return c.Show(ctx, in)
}

func (c *postsController) form(ctx context.Context, post *blogPost, err error) (postPage, error) {
	if err != nil {
		return postPage{}, err
	}
	choices, err := tower.VisibleAll(ctx, c, authors.All().Asc(&authors.Fields.Name))
	return postPage{post, choices}, err
}

func (c *postsController) Create(ctx context.Context, in postInput) (*blogPost, error) {
	post := &blogPost{}
	if err := tower.Assign(post, in); err != nil {
		return nil, err
	}
	return post, blogPosts.Create(ctx, c, post)
}

func (c *postsController) Update(ctx context.Context, in postInput) (*blogPost, error) {
	return tower.UpdateVisible(ctx, c, blogPosts, in.ID, func(post *blogPost) error { return tower.Assign(post, in) })
}

func (c *postsController) Delete(ctx context.Context, in postID) (tower.None, error) {
	return tower.None{}, tower.DeleteVisible(ctx, c, blogPosts, in.ID)
}

// openGenerated serves the views that everyField generates.
func openGenerated(t *testing.T) *towertest.App {
	t.Helper()
	dir := newApp(t)
	generate(t, dir, "scaffold User name:string")
	generate(t, dir, everyField)
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	posts := tower.Mount(r, "blog_posts", func(c *tower.Connection) *postsController { return &postsController{c} })
	tower.Page(posts, "GET /blog_posts", tower.ViewOnly)
	tower.Page(posts, "GET /blog_posts/new", (*postsController).New)
	tower.Page(posts, "GET /blog_posts/{id}", (*postsController).Show)
	tower.Page(posts, "GET /blog_posts/{id}/edit", (*postsController).Edit)
	tower.Cursor(posts, "all", (*postsController).All)
	tower.Cursor(posts, "one", (*postsController).One)
	tower.Action(posts, "POST /blog_posts", (*postsController).Create, tower.FormPage("GET /blog_posts/new"), tower.RedirectTo("/blog_posts/{id}"))
	tower.Action(posts, "PATCH /blog_posts/{id}", (*postsController).Update, tower.FormPage("GET /blog_posts/{id}/edit"), tower.RedirectTo("/blog_posts/{id}"))
	tower.Action(posts, "DELETE /blog_posts/{id}", (*postsController).Delete, tower.RedirectTo("/blog_posts"))
	home := tower.Mount(r, "home", func(c *tower.Connection) *postsController { return &postsController{c} })
	tower.Page(home, "GET /", tower.ViewOnly)
	return towertest.Open(t, tower.Config{Name: "blog", Models: []tower.AnyModel{authors, blogPosts}, Routes: r, Files: os.DirFS(dir)})
}

func contains(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(page, part) {
			t.Errorf("%s is not in\n%s", part, page)
		}
	}
}

func TestScaffoldedPages(t *testing.T) {
	app := openGenerated(t)
	load := func(path string) string {
		t.Helper()
		status, page := app.Get(t, path)
		if status != http.StatusOK {
			t.Fatalf("GET %s answered %d:\n%s", path, status, page)
		}
		return page
	}
	contains(t, load("/"), "<title>blog</title>", "blog is running.", "tower generate scaffold Post", "data-outbox", "<strong data-text>")
	contains(t, load("/blog_posts"), `data-count="0"`, "No blog posts yet.", `<a href="/users">Users</a>`)

	at := time.Date(2026, 11, 22, 18, 40, 0, 0, time.UTC)
	ada := &author{Name: "Ada"}
	if err := authors.Create(t.Context(), app, ada); err != nil {
		t.Fatal(err)
	}
	post := &blogPost{Title: "A <b>", Published: true, AuthorID: ada.ID, StartsAt: at, Stars: 3, Price: 1.5, Rank: new(0), State: "done", Tags: []string{"<a>", "b"}, Notes: "between us"}
	if err := blogPosts.Create(t.Context(), app, post); err != nil {
		t.Fatal(err)
	}
	address := "/blog_posts/" + string(post.ID)
	contains(t, load("/blog_posts"), "<title>Blog posts</title>", `<a href="`+address+`">A &lt;b&gt;</a>`, `data-count="1"`,
		`<span class="badge">Published</span>`, "<span>Author Ada</span>", "<span>Rank 0</span>", `<span class="badge">done</span>`, `<span>Starts at <time datetime="2026-11-22T18:40:00Z" data-time-layout="2 Jan 2006, 15:04">22 Nov 2026, 18:40 UTC</time></span>`)
	contains(t, load(address), "<title>A &lt;b&gt;</title>", `<dd class="text">—</dd>`, `<a href="/users/`+string(ada.ID)+`">Ada</a>`,
		"22 November 2026, 18:40 UTC", "<dd>done</dd>", "<dd>&lt;a&gt;, b</dd>", "<dd>0</dd>", `action="`+address+`?_method=DELETE"`)
	contains(t, load(address+"/edit"), `value="A &lt;b&gt;" required`, `maxlength="200"`, `type="checkbox" value="true" checked`,
		`<option value="`+string(ada.ID)+`" selected>Ada</option>`, `type="datetime-local" step="any" data-time="2026-11-22T18:40:00Z" value="2026-11-22T18:40:00"`,
		`type="number" step="1" value="3" required`, `step="any" value="1.5" required`, `type="number" step="1" value="0" aria`, `<select id="state"`, `<option value="done" selected>done</option>`, "&lt;a&gt;\nb</textarea>", `<textarea id="body"`)

	for _, page := range []string{"/blog_posts", address, address + "/edit"} {
		if strings.Contains(load(page), "between us") {
			t.Errorf("%s shows a private field", page)
		}
	}

	status, page := app.PostForm(t, "", "/blog_posts", "title=&published=false&authorId="+string(ada.ID)+"&stars=4")
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a form without a title answered %d", status)
	}
	contains(t, page, `id="title-problem">is required</p>`, `type="checkbox" value="true" aria-describedby`,
		`<option value="`+string(ada.ID)+`" selected>Ada</option>`, `value="4"`)

	// A box that is not checked, and fields that are emptied, are changes; others stay.
	if status, page := app.PostForm(t, "", address+"?_method=PATCH", "published=false&startsAt=&authorId=&state=open&rank=&tags=x%0D%0Ay"); status != http.StatusSeeOther {
		t.Fatalf("the form answered %d:\n%s", status, page)
	}
	changed, err := blogPosts.Find(t.Context(), app, post.ID)
	if err != nil || changed.Title != "A <b>" || changed.Published || !changed.StartsAt.IsZero() || changed.AuthorID != "" || changed.Stars != 3 || changed.Price != 1.5 || changed.Rank != nil ||
		changed.State != "open" || !slices.Equal(changed.Tags, []string{"x", "y"}) || changed.Notes != "between us" {
		t.Errorf("the record is %+v: %v", changed, err)
	}
}
