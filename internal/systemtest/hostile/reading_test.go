package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// marks makes the cursors of clients differ, so that they share nothing.
var marks atomic.Int64

// A greed is a way to make the application read. It returns a function that does so once and
// reports whether that was answered.
type greed struct {
	name string
	open func(a attacker) func() bool
}

// get returns a greed that sends a request.
func get(name, path, accept string) greed {
	return greed{name, func(a attacker) func() bool {
		return func() bool {
			response, _ := a.request("GET", path, "", "Accept", accept)
			return response.StatusCode == http.StatusOK
		}
	}}
}

func greeds() []greed {
	all := []greed{
		get("pages", "/few", "text/html"),
		get("pages as JSON", "/few", "application/json"),
		get("readings", "/_tower/read/notes/all?where=%7B%22title%22:%22none%22%7D", ""),
	}
	for _, transport := range towertest.Transports() {
		all = append(all, greed{"opens over a " + transport, func(a attacker) func() bool {
			p := a.greet(transport)
			id, mark := uint64(0), marks.Add(1)
			return func() bool {
				id += 2
				opened := p.answer(id, fmt.Sprintf(`{"id":%d,"open":"notes.all","where":{"title":"none %d %d"}}`, id, mark, id))
				if opened.Status == http.StatusOK {
					p.answer(id+1, fmt.Sprintf(`{"id":%d,"close":%d}`, id+1, opened.Cursor))
				}
				return opened.Status == http.StatusOK
			}
		}})
	}
	return all
}

// library is the notebook with pages that read all notes and show few, or all.
func library() tower.Config {
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "library", func(s *Session) *LibraryController { return &LibraryController{&NotesController{s}} })
	tower.Cursor(m, "few", (*LibraryController).Few)
	tower.Page(m, "GET /few", (*LibraryController).FewPage)
	tower.Page(m, "GET /shelf", (*LibraryController).Shelf)
	views := maps.Clone(notebookViews)
	views["views/library/fewpage.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}{{$notes := .Cursor "few" "notes/_note.html"}}<ul {{$notes.Attrs}}>{{$notes.Items}}</ul>{{end}}`)}
	views["views/library/shelf.html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}{{$notes := .Cursor "notes.all" "notes/_note.html"}}<ul {{$notes.Attrs}}>{{$notes.Items}}</ul>{{end}}`)}
	config.Files = views
	return config
}

type LibraryController struct{ *NotesController }

// Few is a list that is found only by reading all notes.
func (c *LibraryController) Few(ctx context.Context, in tower.None) (tower.Scope[Note], error) {
	return Notes.Where(tower.Is(&Notes.Fields.Title, "none")), nil
}

func (c *LibraryController) FewPage(ctx context.Context, in tower.None) (string, error) {
	return "Few", nil
}
func (c *LibraryController) Shelf(ctx context.Context, in tower.None) (string, error) {
	return "Shelf", nil
}

// TestManyConnectionsHaveOneShare lets a user read with many connections at a time, and
// another with one. Both read too much, so they take turns.
func TestManyConnectionsHaveOneShare(t *testing.T) {
	config := library()
	config.Limits = tower.Limits{MaxReading: time.Microsecond, MaxOutflow: 1 << 40, MaxRate: 1000}
	a := attack(t, config)
	a.makeNotes(scaled(3000, 20_000))
	many, rounds := scaled(12, 60), scaled(6, 30)
	ada, bob := a.makeUser("ada"), a.makeUser("bob")
	for _, greed := range greeds() {
		t.Run(greed.name, func(t *testing.T) {
			a := a.in(t)
			var clients sync.WaitGroup
			var adas atomic.Int64
			var over atomic.Bool
			for range many {
				once := greed.open(a.as(ada.ID))
				clients.Go(func() {
					for !over.Load() {
						if once() {
							adas.Add(1)
						}
					}
				})
			}
			once := greed.open(a.as(bob.ID))
			once() // uses up the allowance
			for adas.Load() < int64(many) && !t.Failed() {
				time.Sleep(time.Millisecond)
			}
			before := adas.Load()
			for range rounds {
				if !once() {
					t.Error("the user with one connection was refused")
				}
			}
			got := adas.Load() - before
			over.Store(true)
			clients.Wait()
			if got > int64(4*rounds) {
				t.Errorf("with %d connections a user reads %d times while another reads %d times", many, got, rounds)
			}
		})
	}
}

// refusedFor is the number of seconds that a refusal names, in the header and in the body
// of an answer.
func refusedFor(t *testing.T, response *http.Response, body string) int {
	t.Helper()
	var answer struct{ Error wire.Error }
	err := json.Unmarshal([]byte(body), &answer)
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || response.StatusCode != http.StatusTooManyRequests || answer.Error.Code != "too_many" || seconds < 1 || answer.Error.RetryAfter != seconds {
		t.Errorf("%s with Retry-After %q: %.300s", response.Status, response.Header.Get("Retry-After"), body)
	}
	return seconds
}

// TestAnswersHaveABoundInBytes asks small questions with large answers, in each way. Whoever
// does so is refused for some seconds, on every transport, and nobody else is.
func TestAnswersHaveABoundInBytes(t *testing.T) {
	config := library()
	config.Limits = tower.Limits{MaxReading: time.Hour, MaxOutflow: 64 << 10, MaxFrame: 1 << 20}
	a := attack(t, config)
	a.makeNotes(scaled(1000, 5000))
	text := strings.Repeat("x", 100<<10)
	ways := []struct{ name, method, path, body, accept string }{
		{"pages", "GET", "/shelf", "", "text/html"},
		{"pages as JSON", "GET", "/shelf", "", "application/json"},
		{"readings", "GET", "/_tower/read/notes/all", "", ""},
		{"actions", "POST", "/echo", fmt.Sprintf(`{"text":%q}`, text), ""},
	}
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			here := a.in(t).at(fmt.Sprintf("127.0.2.%d", i+1))
			answered := 0
			for {
				response, body := here.request(way.method, way.path, way.body, "Accept", way.accept)
				if response.StatusCode != http.StatusOK {
					break
				}
				if answered += len(body); answered > 64<<20 {
					t.Fatalf("%d bytes were answered at once", answered)
				}
			}
			if answered < 256<<10 {
				t.Errorf("only %d bytes were answered", answered)
			}
			response, body := here.request("POST", "/echo", `{"text":"hi"}`)
			seconds := refusedFor(t, response, body)
			start := time.Now()
			p := here.greet(towertest.Transports()[i%3])
			for n, frame := range []string{`"open":"notes.newest","in":{"n":1}`, `"call":"POST /echo","in":{"text":"hi"}`} {
				if refused := p.answer(uint64(n+1), fmt.Sprintf(`{"id":%d,%s}`, n+1, frame)); refused.Status != 429 || refused.Error.RetryAfter < 1 {
					t.Errorf("%s: %+v", frame, refused)
				}
			}
			if other, _ := a.in(t).at("127.0.3.1").request("GET", "/notes", "", "Accept", "text/plain"); other.StatusCode != http.StatusOK && i == 0 {
				t.Errorf("another client: %s", other.Status)
			}
			for n := uint64(10); p.answer(n, fmt.Sprintf(`{"id":%d,"call":"POST /echo","in":{"text":"hi"}}`, n)).Status != 200; n++ {
				time.Sleep(100 * time.Millisecond)
			}
			if took := time.Since(start); took < time.Duration(seconds-1)*time.Second {
				t.Errorf("it was served again after %s, not after %d seconds", took, seconds)
			}
		})
	}
	for i, transport := range towertest.Transports() {
		t.Run("opens over a "+transport, func(t *testing.T) {
			p := a.in(t).at(fmt.Sprintf("127.0.4.%d", i+1)).greet(transport)
			for n := uint64(1); ; n++ {
				opened := p.answer(n, fmt.Sprintf(`{"id":%d,"open":"notes.all"}`, n))
				if opened.Status == 429 && opened.Error.RetryAfter >= 1 && n > 1 {
					return
				}
				if opened.Status != 200 || n > 100 {
					t.Fatalf("the answer to open %d: %d %+v", n, opened.Status, opened.Error)
				}
			}
		})
	}
}
