package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// headings shows a post with a region, and a list whose rows depend on their viewer.
type headings struct{ *Session }

func (c *headings) Match(p *Post) bool {
	return p.Published || c.CurrentUser != nil && (c.CurrentUser.Editor || p.AuthorID == c.CurrentUser.ID)
}

func (c *headings) Can(action string, p *Post) bool {
	return c.CurrentUser != nil && (c.CurrentUser.Editor || p.AuthorID == c.CurrentUser.ID)
}

func (c *headings) Show(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (*Post, error) {
	return tower.Visible(ctx, c, Posts, in.ID)
}

func (c *headings) All(ctx context.Context, in tower.None) (tower.Scope[Post], error) {
	return Posts.All(), nil
}

func (c *headings) Update(ctx context.Context, in EditPost) (*Post, error) {
	return tower.UpdateVisible(ctx, c, Posts, in.ID, func(p *Post) error {
		set(&p.Title, in.Title)
		return nil
	})
}

func (c *headings) Delete(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (tower.None, error) {
	return tower.None{}, tower.DeleteVisible(ctx, c, Posts, in.ID)
}

var rowsRendered atomic.Int64

// Row is called by partials of the list; it counts renderings.
func (p *Post) Row() string {
	rowsRendered.Add(1)
	return p.Title
}

func openHeadings(t testing.TB, views map[string]string) *towertest.App {
	t.Helper()
	r := tower.NewRouter(Connect)
	posts := tower.Mount(r, "posts", func(s *Session) *headings { return &headings{s} })
	tower.Page(posts, "GET /posts/{id}", (*headings).Show)
	tower.Cursor(posts, "all", (*headings).All)
	tower.Action(posts, "PATCH /posts/{id}", (*headings).Update)
	tower.Action(posts, "DELETE /posts/{id}", (*headings).Delete)
	config := sample()
	config.Routes = r
	files := fstest.MapFS{
		"views/layout.html":                {Data: []byte(`<body>{{template "main" .}}</body>`)},
		"views/posts/show.html":            {Data: []byte(`{{define "main"}}{{.Region "posts/_heading.html" .Data}}{{.Region "_who.html"}}{{$l := .Cursor "all" "posts/_row.viewer.html"}}<ul {{$l.Attrs}}>{{$l.Items}}</ul>{{.Can "Update" .Data}}{{end}}`)},
		"views/posts/_heading.html":        {Data: []byte(`<h1>{{.Record.Title}} for {{with .Session.CurrentUser}}{{.Name}}{{end}}{{if .Can "Update" .}} <a {{.Form "PATCH /posts/{id}" .}}>edit</a>{{end}}</h1>`)},
		"views/_who.html":                  {Data: []byte("\ufeff<p>{{with .Session.CurrentUser}}signed in as {{.Name}}{{end}}</p>")},
		"views/posts/_row.viewer.html":     {Data: []byte(`<li>{{.Record.Row}}{{if .Can "Update" .}} edit{{end}}</li>`)},
		"views/posts/_private.viewer.html": {Data: []byte(`<li>{{.Record.Row}} {{.Session.Label}}</li>`)},
	}
	for name, text := range views {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	config.Files = files
	config.Limits.MaxRate = 1_000_000
	return towertest.Open(t, config)
}

// A livePart is a list or a region of a page.
type livePart struct{ live, since string }

var livePattern = regexp.MustCompile(`data-live="([^"]+)" data-since="([^"]+)"`)

// getParts loads a page, and returns its HTML and live parts.
func getParts(t testing.TB, app *towertest.App, user *User, path string) (page string, parts []livePart) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", app.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != nil {
		request.Header.Set("Cookie", cookieOf(t, app, user.ID))
	}
	request.Header.Set("Accept", "text/html")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range livePattern.FindAllStringSubmatch(string(body), -1) {
		parts = append(parts, livePart{match[1], match[2]})
	}
	return string(body), parts
}

func (p livePart) open(id int) string {
	return fmt.Sprintf(`{"id":%d,"live":%q,"since":%q}`, id, p.live, p.since)
}

func changeUser(t testing.TB, app *towertest.App, user *User, change func(*User)) {
	t.Helper()
	if _, err := Users.Update(t.Context(), app, user.ID, func(u *User) error { change(u); return nil }); err != nil {
		t.Fatal(err)
	}
}

func updatePost(t testing.TB, app *towertest.App, post *Post, change func(*Post)) {
	t.Helper()
	if _, err := Posts.Update(t.Context(), app, post.ID, func(p *Post) error { change(p); return nil }); err != nil {
		t.Fatal(err)
	}
}

// unescaped decodes the characters that JSON escapes in HTML.
func unescaped(frame string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\"`, `"`).Replace(frame)
}

func TestARegionFollowsItsSessionAndItsRecord(t *testing.T) {
	app := openHeadings(t, nil)
	ada := makeUser(t, app, "ada", false)
	post := makePost(t, app, ada, "One", true)
	page, parts := getParts(t, app, ada, "/posts/"+string(post.ID))
	for _, want := range []string{`<h1 data-region data-live=`, `>One for ada <a action="/posts/` + string(post.ID) + `?_method=PATCH" method="post" data-tower-form>edit</a></h1>`, `<p data-region`, `>signed in as ada</p>`, `>One edit</li>`, `</ul>true`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if len(parts) != 3 {
		t.Fatalf("the page has %d live parts", len(parts))
	}
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	for i, part := range parts {
		if answer := socket.ask(part.open(i + 1)); !strings.Contains(answer, `"delta":{}`) || strings.Contains(answer, "One") {
			t.Errorf("part %d opened with %s", i, answer)
		}
	}
	changeUser(t, app, ada, func(u *User) { u.Name = "Ada L" })
	frame := unescaped(socket.hear())
	for _, want := range []string{`<h1>One for Ada L`, `<p>signed in as Ada L</p>`, `"value":`} {
		if !strings.Contains(frame, want) {
			t.Errorf("the frame of the renaming lacks %q: %s", want, frame)
		}
	}
	updatePost(t, app, post, func(p *Post) { p.Title = "Two" })
	frame = unescaped(socket.hear())
	if !strings.Contains(frame, "<h1>Two for Ada L") || !strings.Contains(frame, ">Two edit</li>") || strings.Contains(frame, "signed in") {
		t.Errorf("the frame of the post's change is %s", frame)
	}
	updatePost(t, app, post, func(p *Post) { p.AuthorID, p.Published = makeUser(t, app, "bob", false).ID, false })
	frame = socket.hear()
	if !strings.Contains(frame, `"closed":{"code":"not_found"`) || !strings.Contains(frame, `"leave":["`) {
		t.Errorf("the frame in which the post is lost is %s", frame)
	}
	updatePost(t, app, post, func(p *Post) { p.Title = "Three" })
	changeUser(t, app, ada, func(u *User) { u.Name = "Lovelace" })
	if frame = unescaped(socket.hear()); strings.Contains(frame, "Three") || !strings.Contains(frame, "signed in as Lovelace") {
		t.Errorf("after the post was lost came %s", frame)
	}
}

func TestARegionThatMissedAChangeIsRenderedWhenItOpens(t *testing.T) {
	app := openHeadings(t, nil)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", true)
	post := makePost(t, app, ada, "One", true)
	_, parts := getParts(t, app, ada, "/posts/"+string(post.ID))
	makePost(t, app, bob, "Unrelated", true)
	updatePost(t, app, post, func(p *Post) { p.Title = "Two" })
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	if answer := unescaped(socket.ask(parts[0].open(1))); !strings.Contains(answer, `"value":"<h1>Two for ada`) {
		t.Errorf("the heading opened with %s", answer)
	}
	if answer := socket.ask(parts[1].open(2)); !strings.Contains(answer, `"delta":{}`) {
		t.Errorf("the account, which missed nothing, opened with %s", answer)
	}

	// A page belongs to its user: another user's connection gets its own rendering.
	other := dial(t, app, bob)
	other.ask(`{"hello":1}`)
	if answer := unescaped(other.ask(parts[1].open(1))); !strings.Contains(answer, "signed in as bob") {
		t.Errorf("bob opened ada's region with %s", answer)
	}
	visitor := dial(t, app, nil)
	visitor.ask(`{"hello":1}`)
	updatePost(t, app, post, func(p *Post) { p.Published = false })
	if answer := visitor.ask(parts[0].open(1)); !strings.Contains(answer, `"not_found"`) || strings.Contains(answer, "Two") {
		t.Errorf("a visitor opened the region of a hidden post with %s", answer)
	}
	if answer := socket.ask(`{"id":9,"close":99}`); !strings.Contains(answer, "99 is not open") && !strings.Contains(socket.hear(), "99 is not open") {
		t.Errorf("closing an unknown region: %s", answer)
	}
}

func TestClosedRegionsCostNothing(t *testing.T) {
	app := openHeadings(t, nil)
	ada := makeUser(t, app, "ada", false)
	post := makePost(t, app, ada, "One", true)
	_, parts := getParts(t, app, ada, "/posts/"+string(post.ID))
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	var opened struct{ Cursor uint64 }
	if err := json.Unmarshal([]byte(socket.ask(parts[0].open(1))), &opened); err != nil || opened.Cursor == 0 {
		t.Fatalf("opened %v (%v)", opened, err)
	}
	if answer := socket.ask(fmt.Sprintf(`{"id":2,"close":%d}`, opened.Cursor)); !strings.Contains(answer, `"status":200`) {
		t.Errorf("close answered %s", answer)
	}
	updatePost(t, app, post, func(p *Post) { p.Title = "Two" })
	if answer := socket.ask(`{"id":3,"ping":true}`); !strings.Contains(answer, `"id":3`) {
		t.Errorf("a closed region sent %s", answer)
	}
}

// TestRegionsAreExact opens and closes regions while commits are made, and compares each
// with what the session and the record were at its commit.
func TestRegionsAreExact(t *testing.T) {
	app := openHeadings(t, map[string]string{"views/posts/_heading.html": `<h1>{{.Session.CurrentUser.Name}}/{{.Record.Title}}</h1>`})
	ada := makeUser(t, app, "0", false)
	post := makePost(t, app, ada, "0", true)
	_, parts := getParts(t, app, ada, "/posts/"+string(post.ID))
	want := map[uint64]string{app.Seq(): "0/0"}
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)

	const commits = 300
	written := make(chan error, 1)
	go func() {
		written <- func() error {
			random := rand.New(rand.NewPCG(1, 2))
			name, title := "0", "0"
			for i := 1; i <= commits; i++ {
				var err error
				switch random.IntN(3) {
				case 0:
					name = fmt.Sprint(i)
					_, err = Users.Update(t.Context(), app, ada.ID, func(u *User) error { u.Name = name; return nil })
				case 1:
					title = fmt.Sprint(i)
					_, err = Posts.Update(t.Context(), app, post.ID, func(p *Post) error { p.Title = title; return nil })
				default:
					err = Posts.Create(t.Context(), app, &Post{AuthorID: ada.ID, Title: "another"})
				}
				if err != nil {
					return err
				}
				want[app.Seq()] = name + "/" + title
			}
			return nil
		}()
	}()

	type seen struct {
		seq   uint64
		value string
	}
	var all []seen
	read := func(text string) (cursor uint64, isAnswer bool) {
		var frames []json.RawMessage
		if json.Unmarshal([]byte(text), &frames) != nil {
			frames = []json.RawMessage{json.RawMessage(text)}
		}
		for _, frame := range frames {
			var f struct {
				ID      uint64
				At      string
				Cursor  uint64
				Seq     uint64
				Value   *string
				Cursors map[string]struct{ Value *string }
				Error   any
			}
			if err := json.Unmarshal(frame, &f); err != nil || f.Error != nil {
				t.Fatalf("received %s (%v)", frame, err)
			}
			if f.ID != 0 {
				cursor, isAnswer = f.Cursor, true
				if f.Value != nil {
					var seq uint64
					fmt.Sscan(f.At[strings.IndexByte(f.At, ':')+1:], &seq)
					all = append(all, seen{seq, *f.Value})
				}
			}
			for _, delta := range f.Cursors {
				all = append(all, seen{f.Seq, *delta.Value})
			}
		}
		return cursor, isAnswer
	}
	ask := func(text string) uint64 {
		socket.say(text)
		for {
			if cursor, isAnswer := read(socket.hear()); isAnswer {
				return cursor
			}
		}
	}
	for i, done := 1, false; !done; i++ {
		select {
		case err := <-written:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
		number := ask(parts[0].open(i))
		for range i % 4 {
			ask(fmt.Sprintf(`{"id":%d,"ping":true}`, i))
		}
		if !done {
			ask(fmt.Sprintf(`{"id":%d,"close":%d}`, i, number))
		}
	}
	if err := app.Wait(t.Context(), app.Seq()); err != nil {
		t.Fatal(err)
	}
	ask(`{"id":999,"ping":true}`)
	if len(all) < 2 {
		t.Fatalf("only %d renderings", len(all))
	}
	// A commit of a record that the region does not show changes nothing, so the state at a
	// seq is that of the newest commit up to it.
	for _, got := range all {
		if text := strings.TrimSuffix(strings.TrimPrefix(html.UnescapeString(got.value), "<h1>"), "</h1>"); text != want[got.seq] {
			t.Errorf("at %d the region shows %s, not %s", got.seq, text, want[got.seq])
		}
	}
	last := all[len(all)-1]
	if text := "<h1>" + want[app.Seq()] + "</h1>"; last.value != text {
		t.Errorf("in the end the region shows %s, not %s", last.value, text)
	}
}

func TestARowThatAsksForRightsIsRenderedOnceForEachAnswer(t *testing.T) {
	app := openHeadings(t, nil)
	ada := makeUser(t, app, "ada", false)
	editors := []*User{makeUser(t, app, "e1", true), makeUser(t, app, "e2", true), makeUser(t, app, "e3", true)}
	post := makePost(t, app, ada, "One", true)
	viewers := append([]*User{nil, nil, ada}, editors...)
	var sockets []raw
	for _, viewer := range viewers {
		page, parts := getParts(t, app, viewer, "/posts/"+string(post.ID))
		if can := viewer != nil; strings.Contains(page, ">One edit</li>") != can || strings.Contains(page, "</ul>true") != can {
			t.Errorf("%v sees\n%s", viewer, page)
		}
		socket := dial(t, app, viewer)
		socket.ask(`{"hello":1}`)
		socket.ask(parts[2].open(1))
		sockets = append(sockets, socket)
	}
	before := rowsRendered.Load()
	updatePost(t, app, post, func(p *Post) { p.Title = "Two" })
	for i, socket := range sockets {
		frame := unescaped(socket.hear())
		if want := map[bool]string{false: ">Two</li>", true: ">Two edit</li>"}[viewers[i] != nil]; !strings.Contains(frame, want) {
			t.Errorf("%v received %s", viewers[i], frame)
		}
	}
	if times := rowsRendered.Load() - before; times != 2 {
		t.Errorf("the row was rendered %d times for 6 viewers with 2 answers", times)
	}

	// Who loses the right sees so in the commit that takes it.
	changeUser(t, app, editors[0], func(u *User) { u.Editor = false })
	if frame := unescaped(sockets[3].hear()); !strings.Contains(frame, ">Two</li>") {
		t.Errorf("the former editor received %s", frame)
	}
	if answer := sockets[4].ask(`{"id":5,"ping":true}`); strings.Contains(answer, "Two") {
		t.Errorf("another editor received %s", answer)
	}
}

func TestARowThatReadsTheSessionIsRenderedForEachViewer(t *testing.T) {
	app := openHeadings(t, map[string]string{
		"views/posts/show.html": `{{define "main"}}{{$l := .Cursor "all" "posts/_private.viewer.html"}}<ul {{$l.Attrs}}>{{$l.Items}}</ul>{{end}}`})
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	post := makePost(t, app, ada, "One", true)
	var sockets []raw
	for _, viewer := range []*User{ada, bob} {
		_, parts := getParts(t, app, viewer, "/posts/"+string(post.ID))
		socket := dial(t, app, viewer)
		socket.ask(`{"hello":1}`)
		socket.ask(parts[0].open(1))
		sockets = append(sockets, socket)
	}
	updatePost(t, app, post, func(p *Post) { p.Title = "Two" })
	for i, name := range []string{"ada", "bob"} {
		if frame := unescaped(sockets[i].hear()); !strings.Contains(frame, ">Two "+name+"</li>") {
			t.Errorf("%s received %s", name, frame)
		}
	}
	changeUser(t, app, bob, func(u *User) { u.Name = "Robert" })
	if frame := unescaped(sockets[1].hear()); !strings.Contains(frame, ">Two Robert</li>") {
		t.Errorf("the renamed user received %s", frame)
	}
	if answer := sockets[0].ask(`{"id":5,"ping":true}`); strings.Contains(answer, "Robert") {
		t.Errorf("the other received %s", answer)
	}
}

func TestCanIsAskedWhereARecordIsWritten(t *testing.T) {
	app := openHeadings(t, nil)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	post := makePost(t, app, ada, "One", true)
	path := "/posts/" + string(post.ID)
	for _, call := range []string{"PATCH ", "DELETE "} {
		if got := app.Connect(t, bob.ID).Call(call+path, map[string]any{}); got.Status != http.StatusForbidden {
			t.Errorf("%s by another answered %d", call, got.Status)
		}
	}
	if got := app.Connect(t, ada.ID).Call("PATCH "+path, map[string]any{"title": "Two"}); got.Status != http.StatusOK {
		t.Errorf("PATCH by the author answered %d", got.Status)
	}
}
