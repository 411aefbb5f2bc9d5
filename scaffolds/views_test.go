package scaffolds

import (
	"bytes"
	"fmt"
	"html/template"
	"path"
	"strings"
	"testing"
	"time"
)

// view stands in for what tower gives a page.
type view struct {
	Data, Session any

	set       *template.Template
	lists     map[string][]any
	refs      map[string]any
	submitted map[string]string
	problems  map[string]string
}

type liveList struct {
	Attrs template.HTMLAttr
	Items template.HTML
}

func (v *view) Cursor(name, partial string, args ...any) (liveList, error) {
	var items bytes.Buffer
	for _, record := range v.lists[name] {
		if err := v.set.ExecuteTemplate(&items, partial, record); err != nil {
			return liveList{}, err
		}
	}
	attrs := fmt.Sprintf(`data-cursor="%s" data-count="%d"`, name, len(v.lists[name]))
	return liveList{template.HTMLAttr(attrs), template.HTML(items.String())}, nil
}

func (v *view) Form(route string, record any) template.HTMLAttr {
	return template.HTMLAttr(`method="post" action="` + strings.Fields(route)[1] + `"`)
}

func (v *view) Value(field string, value any) string {
	if text, ok := v.submitted[field]; ok {
		return text
	}
	if at, ok := value.(time.Time); ok {
		return at.Format("2006-01-02T15:04:05")
	}
	return fmt.Sprint(value)
}

func (v *view) Problem(field string) template.HTML {
	return template.HTML(`<p class="problem" data-problem="` + field + `">` + v.problems[field] + `</p>`)
}

// show renders a page of an application as tower does: in the layout, beside
// the partials.
func (v *view) show(t *testing.T, files map[string]string, page string) string {
	t.Helper()
	v.set = template.New("").Funcs(template.FuncMap{"ref": func(id string) any { return v.refs[id] }})
	for name, text := range files {
		rel, ok := strings.CutPrefix(name, "views/")
		if ok && path.Ext(rel) == ".html" && (rel == "layout.html" || strings.HasPrefix(path.Base(rel), "_")) {
			template.Must(v.set.New(rel).Parse(text))
		}
	}
	// Last, since what it defines replaces the blocks of the layout.
	template.Must(v.set.New(page).Parse(files["views/"+page]))
	var b bytes.Buffer
	if err := v.set.ExecuteTemplate(&b, "layout.html", v); err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	return b.String()
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
	dir := newApp(t)
	generate(t, dir, "scaffold User name:string")
	generate(t, dir, everyField)
	files := tree(t, dir)

	at := time.Date(2026, 11, 22, 18, 40, 0, 0, time.UTC)
	ada := map[string]any{"ID": "01A", "Name": "Ada"}
	post := map[string]any{
		"ID": "01P", "CreatedAt": at, "Title": "A <b>", "Body": "", "Published": true,
		"AuthorID": "01A", "StartsAt": at, "Stars": 3, "Price": 1.5,
	}
	data := map[string]any{"BlogPost": post, "Authors": []any{ada}}

	refs := map[string]any{"01A": ada}
	contains(t, (&view{lists: map[string][]any{"all": {post}}, refs: refs}).show(t, files, "blog_posts/index.html"),
		"<span>Author Ada</span>",
		"<title>Blog posts</title>", `<a href="/blog_posts/01P">A &lt;b&gt;</a>`, `data-count="1"`, `<span class="badge">Published</span>`,
		`<a href="/users">Users</a>`, "No blog posts yet.")

	contains(t, (&view{Data: data, lists: map[string][]any{"one": {post}}}).show(t, files, "blog_posts/show.html"), `<a href="/users/01A">01A</a>`)
	contains(t, (&view{Data: data, lists: map[string][]any{"one": {post}}, refs: refs}).show(t, files, "blog_posts/show.html"),
		"<title>A &lt;b&gt;</title>", `<dd class="text">—</dd>`, `<a href="/users/01A">Ada</a>`, "22 November 2026, 18:40 UTC", `action="/blog_posts/{id}"`)

	contains(t, (&view{Data: data}).show(t, files, "blog_posts/edit.html"),
		`value="A &lt;b&gt;"`, `type="checkbox" value="true" checked`, `<option value="01A" selected>Ada</option>`,
		`value="2026-11-22T18:40:00"`, `type="number" step="1" value="3"`, `step="any" value="1.5"`)

	none := map[string]any{
		"ID": "", "Title": "", "Body": "", "Published": true, "AuthorID": "", "StartsAt": time.Time{}, "Stars": 0, "Price": 0.0,
	}
	again := &view{
		Data:      map[string]any{"BlogPost": none, "Authors": []any{ada}},
		submitted: map[string]string{"title": "", "published": "false", "authorId": "01A", "startsAt": "soon"},
		problems:  map[string]string{"title": "is required"},
	}
	contains(t, again.show(t, files, "blog_posts/new.html"),
		`data-problem="title">is required`, `type="checkbox" value="true">`, `<option value="01A" selected>Ada</option>`, `value="soon"`)
}

func TestWelcomePage(t *testing.T) {
	contains(t, (&view{}).show(t, tree(t, newApp(t)), "home/index.html"), "<title>blog</title>", "blog is running.", "tower generate scaffold Post")
}

func TestDemoPages(t *testing.T) {
	dir := t.TempDir()
	apply(t)(Demo(Options{Name: "board", Folder: dir, Source: sourceTree(t)}))
	files := tree(t, dir)
	at := time.Date(2026, 11, 22, 18, 40, 0, 0, time.UTC)
	post := map[string]any{"ID": "01P", "CreatedAt": at, "Title": "Hello", "Body": "World", "AuthorID": "01U", "Published": false}
	ada := map[string]any{"ID": "01A", "Name": "Ada"}
	refs := map[string]any{"01U": map[string]any{"Name": "Ünal"}}

	signedIn := &view{Session: map[string]any{"CurrentUser": ada}, lists: map[string][]any{"published": {post}, "mine": {post}}, refs: refs}
	contains(t, signedIn.show(t, files, "posts/index.html"),
		"<strong>Ada</strong>", "<h2>Hello</h2>", `aria-hidden="true">Ü</span> Ünal`, `action="/posts/01P?_method=PATCH"`, `name="published" value="true"`, "Publish</button>")

	visitor := &view{Session: map[string]any{"CurrentUser": nil}, lists: map[string][]any{"users.all": {ada}}}
	contains(t, visitor.show(t, files, "posts/index.html"), ">Ada</button>", "Nothing is published yet.", "Watch it live")
}
