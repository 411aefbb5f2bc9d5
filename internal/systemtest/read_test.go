package systemtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A Snippet belongs to a user, and may be shown to everyone.
type Snippet struct {
	tower.Record
	OwnerID tower.ID `json:"ownerId" tower:"ref=people,index"`
	Title   string   `json:"title"`
	Stars   int      `json:"stars" tower:"index"`
	Open    bool     `json:"open"`
	Secret  string   `json:"secret" tower:"private"`
}

var Snippets = tower.NewModel[Snippet]("snippets")

type snippetsController struct{ *tower.Connection }

func (c *snippetsController) Match(m *Snippet) bool { return m.Open || m.OwnerID == c.UserID() }

func (c *snippetsController) Starred(_ context.Context, in struct {
	AtLeast int `json:"atLeast"`
}) (tower.Scope[Snippet], error) {
	memo := Snippets.Fields
	return Snippets.Where(tower.Gte(&memo.Stars, in.AtLeast)).Asc(&memo.Title).Include(&memo.OwnerID), nil
}

func (c *snippetsController) HowMany(context.Context, struct{}) (tower.ValueScope[Snippet], error) {
	return Snippets.All().AsCount(), nil
}

func (c *snippetsController) Mine(context.Context, struct{}) (tower.Scope[Snippet], error) {
	if c.UserID() == "" {
		return Snippets.All(), tower.Forbidden("sign in to see yours")
	}
	return Snippets.Where(tower.Is(&Snippets.Fields.OwnerID, c.UserID())), nil
}

// An application with snippets, and what is sent to it over plain HTTP.
type snippetsApp struct {
	*testing.T
	*towertest.App
	user tower.ID
}

func openSnippets(t *testing.T, change func(*tower.Config)) *snippetsApp {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "snippets", func(c *tower.Connection) *snippetsController { return &snippetsController{c} })
	memo := Snippets.Fields
	tower.Cursor(m, "starred", (*snippetsController).Starred, tower.Narrow(Snippets, &memo.Stars, &memo.Title))
	tower.Value(m, "howMany", (*snippetsController).HowMany)
	tower.Cursor(m, "mine", (*snippetsController).Mine)
	tower.Page(m, "GET /snippets/board", tower.ViewOnly[*snippetsController])
	config := tower.Config{Name: "snippets", Models: []tower.AnyModel{Snippets, People}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":            {Data: []byte(`{{template "main" .}}`)},
		"views/snippets/board.html":    {Data: []byte(`{{define "main"}}{{with .Cursor "starred" "snippets/_snippet.html" "atLeast" 1}}<ul {{.Attrs}}>{{.Items}}</ul>{{end}}{{with .LiveValue "howMany"}}<b {{.Attrs}}>{{.Text}}</b>{{end}}{{end}}`)},
		"views/snippets/_snippet.html": {Data: []byte(`<li>{{.Title}}</li>`)},
		"views/snippets/unused.html":   {Data: []byte(`{{define "main"}}{{end}}`)},
	}}
	if change != nil {
		change(&config)
	}
	return &snippetsApp{T: t, App: towertest.Open(t, config)}
}

func (a *snippetsApp) snippet(owner tower.ID, title string, stars int, open bool) *Snippet {
	a.Helper()
	m := &Snippet{OwnerID: owner, Title: title, Stars: stars, Open: open, Secret: "hidden"}
	if err := Snippets.Create(a.Context(), a.App, m); err != nil {
		a.Fatal(err)
	}
	return m
}

func (a *snippetsApp) person(name string) tower.ID {
	a.Helper()
	p := &Person{Name: name}
	if err := People.Create(a.Context(), a.App, p); err != nil {
		a.Fatal(err)
	}
	return p.ID
}

// A jsonState is what a read answers with.
type jsonState struct {
	At      string
	Cursor  string
	Model   string
	Records []struct {
		ID, Title string
		Stars     int
		Secret    string
	}
	Included map[string][]struct{ ID, Name string }
	Value    any
	Error    struct{ Code, Message string }
}

func (s *jsonState) titles() string {
	var titles []string
	for _, r := range s.Records {
		titles = append(titles, r.Title)
		if r.Secret != "" {
			titles = append(titles, "with a private field")
		}
	}
	return strings.Join(titles, " ")
}

// request sends a GET, as the user, with headers in pairs.
func (a *snippetsApp) request(path string, headers ...string) *http.Response {
	a.Helper()
	r, err := http.NewRequestWithContext(a.Context(), http.MethodGet, a.URL+path, nil)
	if err != nil {
		a.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if a.user != "" {
		cookie, err := a.Cookie(a.user)
		if err != nil {
			a.Fatal(err)
		}
		r.AddCookie(cookie)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { response.Body.Close() })
	return response
}

func (a *snippetsApp) read(path string, headers ...string) (*http.Response, *jsonState) {
	a.Helper()
	response := a.request(path, append([]string{"Accept", "application/json"}, headers...)...)
	state := &jsonState{}
	body, err := io.ReadAll(response.Body)
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, state)
	}
	if err != nil {
		a.Fatalf("%s: %v: %s", path, err, body)
	}
	return response, state
}

func TestACursorIsReadAsJSON(t *testing.T) {
	a := openSnippets(t, nil)
	ada, bob := a.person("ada"), a.person("bob")
	a.snippet(ada, "b", 3, true)
	a.snippet(ada, "a", 1, true)
	a.snippet(bob, "c", 2, false)
	at := func() string { return fmt.Sprintf(":%d", a.Seq()) }
	for path, want := range map[string]string{
		"starred":                                       "a b",
		"starred?atLeast=2":                             "b",
		`starred?in={"atLeast":2}`:                      "b",
		"starred?order=-title":                          "b a",
		"starred?order=-stars,title&limit=1":            "b",
		`starred?where={"stars":{"lt":3}}`:              "a",
		`starred?where={"stars":{"gt":30}}`:             "",
		`starred?atLeast=1&where={"title":"b"}&limit=5`: "b",
	} {
		response, state := a.read("/_tower/read/snippets/" + strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22").Replace(path))
		if response.StatusCode != http.StatusOK || state.titles() != want || state.Model != "snippets" || state.Cursor != "snippets.starred" || !strings.HasSuffix(state.At, at()) || response.Header.Get("Tower-At") != state.At {
			t.Errorf("%s: %s %+v, want %q", path, response.Status, state, want)
		}
		if state.Records == nil {
			t.Errorf("%s: no list", path)
		}
		if vary := strings.Join(response.Header.Values("Vary"), ", "); !strings.Contains(vary, "Cookie") || !strings.Contains(vary, "Accept-Encoding") {
			t.Errorf("%s varies by %q", path, vary)
		}
		if owners := state.Included["people"]; len(state.Records) > 0 && (len(owners) != 1 || owners[0].Name != "ada") {
			t.Errorf("%s includes %+v", path, owners)
		}
	}
	if _, state := a.read("/_tower/read/snippets/howMany"); state.Value != 2.0 {
		t.Errorf("a visitor counts %v", state.Value)
	}
	a.user = bob
	if _, state := a.read("/_tower/read/snippets/starred"); state.titles() != "a b c" {
		t.Errorf("bob sees %s", state.titles())
	}
	if _, state := a.read("/_tower/read/snippets/howMany"); state.Value != 3.0 {
		t.Errorf("bob counts %v", state.Value)
	}
	if _, state := a.read("/_tower/read/snippets/mine"); state.titles() != "c" {
		t.Errorf("bob's are %s", state.titles())
	}
}

func TestReadingIsRefusedWithAReason(t *testing.T) {
	a := openSnippets(t, nil)
	for path, want := range map[string]string{
		"snippets/none":                                `404 not_found there is no cursor "snippets.none"`,
		"snippets":                                     `404 not_found there is no cursor "snippets"`,
		"snippets/starred?limit=x":                     `400 bad_request limit is "x"; it must be a number of records`,
		"snippets/starred?limit=-1":                    `400 bad_request limit is "-1"; it must be a number of records`,
		"snippets/starred?wait=long&since=x:1":         `400 bad_request wait is "long"; it must be a duration such as 20s`,
		"snippets/starred?since=nonsense":              `400 bad_request since: `,
		"snippets/starred?atMost=3":                    `422 invalid not valid`,
		"snippets/starred?atLeast=many":                `422 invalid not valid`,
		"snippets/starred?where=3":                     `400 bad_request the conditions are not a JSON object`,
		"snippets/starred?where=%7B%22open%22:true%7D": `403 forbidden snippets.starred cannot be narrowed by open`,
		"snippets/starred?where=%7B%22secret%22:1%7D":  `403 forbidden snippets.starred cannot be narrowed by secret`,
		"snippets/starred?where=[]":                    `400 bad_request the conditions are not a JSON object: they are a JSON array`,
		"snippets/starred?where=":                      `400 bad_request where is ""; leave it out to read all records`,
		"snippets/starred?where=null":                  `400 bad_request where is "null"; leave it out to read all records`,
		"snippets/starred?where={}&where={}":           `400 bad_request where is given 2 times`,
		"snippets/starred?where={}{}":                  `400 bad_request the conditions are not a JSON object: more follows after it`,
		"snippets/starred?limit=1&limit=2":             `400 bad_request limit is given 2 times`,
		"snippets/starred?order=nothing":               `403 forbidden snippets.starred cannot be narrowed by nothing`,
		"snippets/starred?in=%7B%7D&atLeast=1":         `400 bad_request the inputs are given twice`,
		"snippets/howMany?limit=1":                     `400 bad_request snippets.howMany is a value`,
		"snippets/mine":                                `403 forbidden sign in to see yours`,
	} {
		for _, accept := range []string{"application/json", "text/event-stream"} {
			response, state := a.read("/_tower/read/"+path, "Accept", accept)
			if got := fmt.Sprintf("%d %s %s", response.StatusCode, state.Error.Code, state.Error.Message); !strings.HasPrefix(got, want) {
				if strings.Contains(path, "wait=") || strings.Contains(path, "since=nonsense") && strings.HasPrefix(got, "400 ") {
					continue
				}
				t.Errorf("%s as %s: %s, want %s", path, accept, got, want)
			}
		}
	}
}

func TestAReadThatIsKnownIsNotSentAgain(t *testing.T) {
	a := openSnippets(t, nil)
	ada := a.person("ada")
	a.snippet(ada, "a", 1, true)
	first, _ := a.read("/_tower/read/snippets/starred?atLeast=1")
	tag := first.Header.Get("ETag")
	a.snippet(ada, "b", 0, true) // at another position, the cursor holds the same
	for _, known := range []string{tag, strings.TrimPrefix(tag, "W/"), `"x", ` + tag, "*"} {
		if again, _ := a.read("/_tower/read/snippets/starred?atLeast=1", "If-None-Match", known); again.StatusCode != http.StatusNotModified || again.Header.Get("Tower-At") == "" {
			t.Errorf("%s: %s", known, again.Status)
		}
	}
	a.snippet(ada, "c", 2, true)
	if again, state := a.read("/_tower/read/snippets/starred?atLeast=1", "If-None-Match", tag); again.StatusCode != http.StatusOK || state.titles() != "a c" || again.Header.Get("ETag") == tag {
		t.Errorf("%s %s", again.Status, state.titles())
	}
}

func TestAReadWaitsForAChange(t *testing.T) {
	a := openSnippets(t, nil)
	ada := a.person("ada")
	a.snippet(ada, "a", 1, true)
	for _, path := range []string{"/_tower/read/snippets/starred?atLeast=1", "/_tower/read/snippets/howMany?"} {
		_, now := a.read(path)
		since := path + "&since=" + url.QueryEscape(now.At)
		if response, _ := a.read(since + "&wait=100ms"); response.StatusCode != http.StatusNoContent || response.Header.Get("Tower-At") == "" {
			t.Errorf("%s: nothing has changed: %s", path, response.Status)
		}
		var writing sync.WaitGroup
		title := "z" + path[len(path)-3:]
		writing.Go(func() {
			for _, m := range []*Snippet{{OwnerID: ada, Title: "not for a visitor", Stars: 9}, {Title: title, Stars: 2, Open: true}} {
				if err := Snippets.Create(t.Context(), a.App, m); err != nil {
					t.Error(err)
				}
			}
		})
		if _, state := a.read(since + "&wait=60s"); state.At == now.At || state.Records != nil && !strings.Contains(state.titles(), title) {
			t.Errorf("%s: %+v", path, state)
		}
		writing.Wait()
		if response, state := a.read(since + "&wait=60s"); response.StatusCode != http.StatusOK || state.At == now.At {
			t.Errorf("%s: it has changed already: %s", path, response.Status)
		}
	}
	if response, state := a.read("/_tower/read/snippets/starred?since=01J80000000000000000000000:1&wait=60s"); response.StatusCode != http.StatusOK || len(state.Records) == 0 {
		t.Errorf("a position of another store: %s", response.Status)
	}
}

// An eventStream is a stream as a program reads it.
type eventStream struct {
	*snippetsApp
	lines *bufio.Scanner
}

func (a *snippetsApp) stream(path string, headers ...string) *eventStream {
	a.Helper()
	response := a.request(path, append([]string{"Accept", "text/event-stream"}, headers...)...)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(response.Body)
		a.Fatalf("%s: %s %s", path, response.Status, body)
	}
	return &eventStream{a, bufio.NewScanner(response.Body)}
}

// expect waits for an event and checks what its data contains. It returns its id.
func (s *eventStream) expect(name string, contains ...string) (id string) {
	s.Helper()
	var got string
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "event":
			got = value
		case "id":
			id = value
		case "data":
			for _, part := range append(contains, "") {
				if got != name || !strings.Contains(value, part) || strings.Contains(value, "hidden") {
					s.Fatalf("%s %s, want %s with %s", got, value, name, part)
				}
			}
			return id
		}
	}
	s.Fatalf("the stream ended (%v) before %s", s.lines.Err(), name)
	return ""
}

func TestACursorIsFollowedAsEvents(t *testing.T) {
	a := openSnippets(t, nil)
	ada := a.person("ada")
	first := a.snippet(ada, "a", 1, true)
	s := a.stream("/_tower/read/snippets/starred?atLeast=1")
	at := s.expect("state", `"records":[{`, `"title":"a"`, `"included":{"people":[{`)
	a.snippet(ada, "private", 5, false)
	second := a.snippet(ada, "b", 2, true)
	s.expect("change", `"enter":[{"id":"`+string(second.ID)+`","after":"`+string(first.ID)+`","record":{`, `"title":"b"`)
	if _, err := Snippets.Update(t.Context(), a.App, first.ID, func(m *Snippet) error { m.Title = "c"; return nil }); err != nil {
		t.Fatal(err)
	}
	s.expect("change", `"change":[{"id":"`+string(first.ID)+`","after":"`+string(second.ID)+`"`)
	if _, err := Snippets.Update(t.Context(), a.App, second.ID, func(m *Snippet) error { m.Open = false; return nil }); err != nil {
		t.Fatal(err)
	}
	last := s.expect("change", `"leave":["`+string(second.ID)+`"]`)

	// One that comes back gets what it has missed, and nothing if it has missed nothing.
	resumed := a.stream("/_tower/read/snippets/starred?atLeast=1", "Last-Event-ID", at)
	resumed.expect("change", `"change":[{"id":"`+string(first.ID)+`"`)
	current := a.stream("/_tower/read/snippets/starred?atLeast=1", "Last-Event-ID", last)
	elsewhere := a.stream("/_tower/read/snippets/starred?atLeast=1", "Last-Event-ID", "01J80000000000000000000000:1")
	elsewhere.expect("state", `"title":"c"`)
	third := a.snippet(ada, "d", 2, true)
	for _, s := range []*eventStream{s, resumed, current, elsewhere} {
		s.expect("change", `"enter":[{"id":"`+string(third.ID)+`"`)
	}
	count := a.stream("/_tower/read/snippets/howMany")
	count.expect("state", `"value":2`)
	a.snippet(ada, "e", 2, true)
	count.expect("change", `"value":3`)
}

// TestAStreamBeginsWithTheNewestState opens a stream after each of many commits, while other commits keep
// the server busy.
func TestAStreamBeginsWithTheNewestState(t *testing.T) {
	a := openSnippets(t, nil)
	ada := a.person("ada")
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop()
	for range 8 {
		writers.Go(func() {
			for ctx.Err() == nil {
				if err := Snippets.Create(t.Context(), a.App, &Snippet{OwnerID: ada, Title: "other"}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 30 {
		a.snippet(ada, fmt.Sprint("new ", i), 9, true)
		a.stream("/_tower/read/snippets/starred?atLeast=9").expect("state", fmt.Sprintf(`"title":"new %d"`, i))
	}
}

func TestStreamsCountAsConnections(t *testing.T) {
	a := openSnippets(t, func(c *tower.Config) { c.Limits.MaxConnections = 2 })
	a.user = a.person("ada")
	a.stream("/_tower/read/snippets/mine").expect("state", `"records":[]`)
	a.stream("/_tower/read/snippets/mine").expect("state", `"records":[]`)
	if response := a.request("/_tower/read/snippets/mine", "Accept", "text/event-stream"); response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third stream: %s", response.Status)
	}
}

func TestAPageIsReadAsJSON(t *testing.T) {
	a := openSnippets(t, nil)
	ada := a.person("ada")
	a.snippet(ada, "a", 1, true)
	a.snippet(ada, "b", 0, true)
	a.snippet(ada, "private", 5, false)
	response := a.request("/snippets/board", "Accept", "application/json")
	var page struct {
		At      string
		Cursors []jsonState
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	if len(page.Cursors) != 2 || page.Cursors[0].titles() != "a" || page.Cursors[1].Value != 2.0 || !strings.HasSuffix(page.At, fmt.Sprint(a.Seq())) {
		t.Errorf("%+v", page)
	}
	if again := a.request("/snippets/board", "Accept", "application/json", "If-None-Match", response.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Error(again.Status)
	}
	for _, accept := range []string{"text/html,application/json;q=0.9", "*/*", "text/html"} {
		if response := a.request("/snippets/board", "Accept", accept); !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s gets %s", accept, response.Header.Get("Content-Type"))
		}
	}
}
