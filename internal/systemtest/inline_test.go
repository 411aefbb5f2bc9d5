package systemtest

import (
	"fmt"
	"html"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// signedViews show posts with the names of their authors, as far as these may be seen.
func signedViews() fstest.MapFS {
	files := maps.Clone(sampleViews)
	files["views/posts/index.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}{{$posts := .Cursor "signed" "posts/_signed.html"}}<ul {{$posts.Attrs}}>{{$posts.Items}}</ul>{{end}}`)}
	files["views/posts/_signed.html"] = &fstest.MapFile{Data: []byte(`<li>{{.Title}}{{with ref .AuthorID}} by {{.Name}}{{end}}</li>`)}
	return files
}

var item = regexp.MustCompile(`<li data-id="([^"]+)">([^<]*)</li>`)

// A reader is somebody with a page of signed posts: what came with it, and what has
// become of that.
type reader struct {
	*towertest.Client
	user  tower.ID
	first map[string]string
	list  *towertest.Cursor
}

func load(t *testing.T, app *towertest.App, user tower.ID) (items []string, text map[string]string) {
	t.Helper()
	status, page := app.GetAs(t, user, "/posts")
	if status != 200 {
		t.Fatalf("%d %s", status, page)
	}
	text = map[string]string{}
	for _, found := range item.FindAllStringSubmatch(page, -1) {
		text[found[1]] = html.UnescapeString(found[2])
		items = append(items, text[found[1]])
	}
	return items, text
}

func (r *reader) shows() (items []string) {
	for _, id := range r.list.IDs() {
		text := r.first[id]
		if changed := item.FindStringSubmatch(r.list.HTML(id)); changed != nil {
			text = html.UnescapeString(changed[2])
		}
		items = append(items, text)
	}
	return items
}

// TestAPageShowsWhatItsRecordsReferTo changes posts, users and rights at random, and
// compares what pages have become with what they would be if they were loaded now.
func TestAPageShowsWhatItsRecordsReferTo(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	config := sample()
	config.Files = signedViews()
	app := towertest.Open(t, config)
	people := []*User{makeUser(t, app, "eve", true), makeUser(t, app, "bob", false), makeUser(t, app, "cleo", false)}
	var posts []tower.ID
	readers := map[string]*reader{}
	meet := func(name string, user tower.ID) {
		r := &reader{Client: app.Connect(t, user), user: user}
		_, r.first = load(t, app, user)
		r.list = r.Page("/posts")[0]
		readers[name] = r
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	change := func(step int) string {
		person := people[random.IntN(len(people))]
		if len(posts) == 0 || random.IntN(4) == 0 {
			post := makePost(t, app, person, fmt.Sprint("post ", step), random.IntN(4) > 0)
			posts = append(posts, post.ID)
			return "a post of " + person.Name
		}
		at := random.IntN(len(posts))
		post := posts[at]
		edit := func(what string, fn func(*Post)) string {
			_, err := Posts.Update(t.Context(), app, post, func(p *Post) error { fn(p); return nil })
			must(err)
			return what
		}
		of := func(what string, fn func(*User)) string {
			_, err := Users.Update(t.Context(), app, person.ID, func(u *User) error { fn(u); return nil })
			must(err)
			return what + " of " + person.Name
		}
		switch random.IntN(8) {
		case 0:
			return edit("a title", func(p *Post) { p.Title = fmt.Sprint("edited ", step) })
		case 1:
			return edit("an author", func(p *Post) { p.AuthorID = person.ID })
		case 2:
			return edit("published", func(p *Post) { p.Published = !p.Published })
		case 3:
			must(Posts.Delete(t.Context(), app, post))
			posts = slices.Delete(posts, at, at+1)
			return "a post that is deleted"
		case 4, 5:
			return of("the name", func(u *User) { u.Name = fmt.Sprint(person.Name, step) })
		case 6:
			return of("the rights", func(u *User) { u.Editor = !u.Editor })
		default:
			name := []string{"eve", "bob", "nobody"}[random.IntN(3)]
			readers[name].Close()
			meet(name, readers[name].user)
			return name + " who comes back"
		}
	}
	meet("eve", people[0].ID)
	meet("bob", people[1].ID)
	meet("nobody", "")
	for step := range 300 {
		what := change(step)
		if err := app.Wait(t.Context(), app.Seq()); err != nil {
			t.Fatal(err)
		}
		for name, r := range readers {
			r.Call("GET /greeting", nil) // its answer comes after all frames so far
			if want, _ := load(t, app, r.user); fmt.Sprint(r.shows()) != fmt.Sprint(want) {
				t.Fatalf("step %d, %s: %s sees\n%q, and would see\n%q", step, what, name, r.shows(), want)
			}
		}
	}
}

// TestAPageIsLedOnToWhatItsRecordsReferTo opens a page's list after what one of its
// records refers to has changed.
func TestAPageIsLedOnToWhatItsRecordsReferTo(t *testing.T) {
	config := sample()
	config.Files = signedViews()
	app := towertest.Open(t, config)
	eve := makeUser(t, app, "eve", true)
	makePost(t, app, eve, "one", true)
	_, page := app.GetAs(t, eve.ID, "/posts")
	updateUser(t, app, eve, func(u *User) { u.Name = "evita" })
	live := regexp.MustCompile(`data-live="([^"]+)" data-since="([^"]+)"`).FindStringSubmatch(page)
	socket := dial(t, app, eve)
	socket.ask(`{"hello":1}`)
	for _, since := range []string{live[2], ""} {
		if answer := socket.ask(fmt.Sprintf(`{"id":1,"live":%q,"since":%q}`, live[1], since)); !strings.Contains(answer, "one by evita") {
			t.Errorf("since %q: %s", since, answer)
		}
	}
}

func TestRefIsOfWhatIsIncluded(t *testing.T) {
	config := sample()
	files := signedViews()
	files["views/posts/index.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}{{$posts := .Cursor "visible" "posts/_signed.html"}}<ul {{$posts.Attrs}}>{{$posts.Items}}</ul>{{end}}`)}
	config.Files = files
	app := towertest.Open(t, config)
	eve := makeUser(t, app, "eve", true)
	makePost(t, app, eve, "one", true)
	if status, page := app.GetAs(t, eve.ID, "/posts"); status != 500 {
		t.Errorf("a page whose list includes nothing is %d %s", status, page)
	}
}
