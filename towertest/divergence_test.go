package towertest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/audit"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/line"
	"github.com/towerkit/tower/internal/wire/replica"
)

type reader struct {
	tower.Record
	Name   string `json:"name"`
	Secret string `json:"secret" tower:"private"`
}

type note struct {
	tower.Record
	OwnerID tower.ID `json:"ownerId" tower:"ref=readers,index"`
	Rank    int      `json:"rank"`
	Weight  *float64 `json:"weight"`
	Text    string   `json:"text"`
}

type visit struct {
	*tower.Connection
	reader *reader
}

// The controller of notes has a rule with a memory: it allows an odd note once.
type noteController struct {
	*visit
	library *library
	asked   *sync.Map // by the id of the note
}

func (c *noteController) Match(n *note) bool {
	if n.Text != "odd" {
		return true
	}
	_, before := c.asked.LoadOrStore(n.ID, true)
	return !before
}

type noteInput struct {
	ID     tower.ID `json:"id"`
	Rank   int      `json:"rank"`
	Weight *float64 `json:"weight"`
}

func (c *noteController) Create(ctx context.Context, in noteInput) (*note, error) {
	made := &note{OwnerID: c.library.ada.ID, Rank: in.Rank, Weight: in.Weight, Text: "note"}
	return made, c.library.notes.Create(ctx, c, made)
}

func (c *noteController) Update(ctx context.Context, in noteInput) (*note, error) {
	return c.library.notes.Update(ctx, c, in.ID, func(n *note) error {
		n.Rank, n.Weight = in.Rank, in.Weight
		return nil
	})
}

func (c *noteController) Delete(ctx context.Context, in noteInput) (tower.None, error) {
	return tower.None{}, c.library.notes.Delete(ctx, c, in.ID)
}

// A library is an application whose clients are audited all the time.
type library struct {
	*App
	t       *testing.T
	config  tower.Config
	readers *tower.Model[reader]
	notes   *tower.Model[note]
	ada     *reader
	data    string // the folder of the store
	asked   *sync.Map
}

func openLibrary(t *testing.T) *library {
	t.Helper()
	t.Setenv("TOWER_AUDIT", "1ms")
	return openLibraryAt(t, server.Pace{}, slog.LevelInfo)
}

// openLibraryAt opens the library at a pace. It logs from a level on.
func openLibraryAt(t *testing.T, pace server.Pace, level slog.Level) *library {
	t.Helper()
	l := &library{t: t, asked: &sync.Map{}, readers: tower.NewModel[reader]("readers"), notes: tower.NewModel[note]("notes"), ada: &reader{Name: "Ada", Secret: "xyzzy"}}
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*visit, error) {
		who, err := l.readers.Follow(ctx, c, c.UserID())
		return &visit{c, who}, err
	})
	c := tower.Mount(r, "notes", func(v *visit) *noteController { return &noteController{visit: v, library: l, asked: l.asked} })
	tower.Cursor(c, "best", func(*noteController, context.Context, struct{}) (tower.Scope[note], error) {
		return l.notes.All().Desc(&l.notes.Fields.Rank).Limit(3).Include(&l.notes.Fields.OwnerID), nil
	}, tower.Narrow(l.notes, &l.notes.Fields.Rank))
	fields := l.notes.Fields
	tower.Cursor(c, "all", func(*noteController, context.Context, struct{}) (tower.Scope[note], error) { return l.notes.All(), nil }, tower.Narrow(l.notes, &fields.Rank))
	l.value(c, "count", l.notes.All().AsCount())
	l.value(c, "window", l.notes.All().Offset(1).Limit(2).AsCount())
	l.value(c, "exists", l.notes.All().AsExists())
	l.value(c, "sum", l.notes.All().AsSum(&fields.Rank))
	l.value(c, "weight", l.notes.All().AsSum(&fields.Weight))
	l.value(c, "avg", l.notes.All().AsAvg(&fields.Weight))
	l.value(c, "first", l.notes.All().AsMin(&fields.CreatedAt))
	l.value(c, "last", l.notes.All().AsMax(&fields.Text))
	l.value(c, "heaviest", l.notes.Where(tower.Is(&fields.Text, "nothing")).AsMax(&fields.Weight))
	tower.Page(c, "GET /notes", tower.ViewOnly)
	tower.Action(c, "POST /notes", (*noteController).Create)
	tower.Action(c, "PATCH /notes/{id}", (*noteController).Update)
	tower.Action(c, "DELETE /notes/{id}", (*noteController).Delete)
	files := fstest.MapFS{
		"views/layout.html":      {Data: []byte(`{{template "main" .}}`)},
		"views/notes/index.html": {Data: []byte(`{{define "main"}}{{$best := .Cursor "best" "notes/_note.html"}}<ul {{$best.Attrs}}>{{$best.Items}}</ul>{{$n := .LiveValue "count"}}<b {{$n.Attrs}}>{{$n.Text}}</b>{{end}}`)},
		"views/notes/_note.html": {Data: []byte(`<li>{{.Text}}</li>`)},
	}
	l.config = tower.Config{Name: "library", Models: []tower.AnyModel{l.readers, l.notes}, Routes: r, Files: files, Limits: tower.Limits{MaxRate: 1_000_000}}
	running := l.config
	l.data = t.TempDir()
	running.Env, running.Data, running.Log = "test", filepath.Join(l.data, "library.db"), slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
	app, end := serve(t, running, pace)
	t.Cleanup(end)
	l.App = app
	if err := l.readers.Create(t.Context(), l, l.ada); err != nil {
		t.Fatal(err)
	}
	for rank := range 5 {
		l.write(rank, "note")
	}
	return l
}

// value declares a cursor that carries a value.
func (l *library) value(c *tower.Mounted[*noteController], name string, of tower.ValueScope[note]) {
	tower.Value(c, name, func(*noteController, context.Context, struct{}) (tower.ValueScope[note], error) { return of, nil })
}

func (l *library) write(rank int, text string) {
	l.t.Helper()
	var weight *float64
	if rank%2 == 0 {
		weight = new(float64)
		*weight = float64(rank) / 10
	}
	if err := l.notes.Create(l.t.Context(), l, &note{OwnerID: l.ada.ID, Rank: rank, Weight: weight, Text: text}); err != nil {
		l.t.Fatal(err)
	}
	if err := l.Wait(l.t.Context(), l.Seq()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *library) audits() audit.Counts { return server.AppOf(l.App.App).Audits() }

// await lets a client send audits until done returns true.
func (l *library) await(c *Client, done func(audit.Counts) bool) {
	l.t.Helper()
	for !done(l.audits()) {
		if err := l.t.Context().Err(); err != nil {
			l.t.Fatalf("%v: %+v", err, l.audits())
		}
		if err := c.awaitSent(); err != nil { // the client sends its audits when something arrives
			l.t.Fatal(err)
		}
	}
}

// cases returns the files of the saved divergences.
func (l *library) cases() []string {
	l.t.Helper()
	var files []string
	err := filepath.WalkDir(l.data, func(path string, entry os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".json") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return files
}

func TestAClientThatMissedADeltaIsFound(t *testing.T) {
	for _, transport := range Transports() {
		t.Run(transport, func(t *testing.T) {
			l := openLibrary(t)
			l.Transport = transport
			ada := l.Connect(t, tower.ID(l.ada.ID))
			best := ada.Narrow("notes.best", Narrowing{Where: map[string]any{"rank": map[string]any{"gte": 1}}})
			l.await(ada, func(c audit.Counts) bool { return c.Equal > 0 })
			ada.mu.Lock()
			_, err := best.state.Apply(best.state.Seq, &wire.Delta{Leave: best.state.IDs()[:1]}, nil)
			ada.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			l.await(ada, func(c audit.Counts) bool { return c.Divergences > 0 })
			l.await(ada, func(c audit.Counts) bool { return c.Often > 0 })
			if counts := l.audits(); counts.Divergences > 3 || counts.Failed > 0 {
				t.Errorf("one client caused %+v", counts)
			}
			files := l.cases()
			if len(files) == 0 {
				t.Fatal("no case was saved")
			}
			c, err := audit.Load(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Client.Rows) != 2 || len(c.Server.IDs) != 3 || c.Says != "client" || c.User != l.ada.ID || len(c.Records) == 0 {
				t.Errorf("the case is %+v", c)
			}
			if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("it is open to others: %v, %v", info.Mode(), err)
			}
			ReplayDivergence(t, l.config, files[0]) // the server sent what it should
		})
	}
}

// TestEachKindOfCursorIsAudited changes what a client holds of a cursor of each kind, and
// expects the divergence, its case, and that the case blames the client.
func TestEachKindOfCursorIsAudited(t *testing.T) {
	wrongValue := func(held *replica.Replica) { held.Value = json.RawMessage("7.25") }
	for name, test := range map[string]struct {
		open func(*Client) *Cursor
		lie  func(*replica.Replica)
		page bool
	}{
		"count": {lie: wrongValue}, "window": {lie: wrongValue}, "exists": {lie: func(held *replica.Replica) { held.Value = json.RawMessage("false") }},
		"sum": {lie: wrongValue}, "weight": {lie: wrongValue}, "avg": {lie: wrongValue}, "first": {lie: wrongValue}, "last": {lie: wrongValue},
		"heaviest": {lie: func(held *replica.Replica) { held.Value = json.RawMessage("0") }}, // there is none
		"best": {lie: func(held *replica.Replica) {
			_, _ = held.Apply(held.Seq, &wire.Delta{Leave: held.IDs()[:1]}, nil) // it fits
		}},
		"a list of a page": {page: true, open: func(c *Client) *Cursor { return c.Page("/notes")[0] }, lie: func(held *replica.Replica) {
			_, _ = held.Apply(held.Seq, &wire.Delta{Leave: held.IDs()[:1]}, nil) // it fits
		}},
		"a value of a page": {open: func(c *Client) *Cursor { return c.Page("/notes")[1] }, lie: wrongValue},
	} {
		t.Run(name, func(t *testing.T) {
			l := openLibrary(t)
			ada := l.Connect(t, l.ada.ID)
			if test.open == nil {
				test.open = func(c *Client) *Cursor { return c.Open("notes."+name, nil) }
			}
			held := test.open(ada)
			l.await(ada, func(c audit.Counts) bool { return c.Equal > 0 })
			l.write(8, "another")
			equal := l.audits().Equal
			l.await(ada, func(c audit.Counts) bool { return c.Equal > equal+5 })
			if counts := l.audits(); counts.Divergences+counts.Failed > 0 {
				t.Fatalf("a client that holds what it should caused %+v", counts)
			}
			ada.mu.Lock()
			test.lie(held.state)
			ada.mu.Unlock()
			l.await(ada, func(c audit.Counts) bool { return c.Often > 0 })
			counts, files := l.audits(), l.cases()
			if counts.Divergences != 3 || len(files) != 3 || counts.Failed > 0 {
				t.Fatalf("the client caused %+v and the cases %v", counts, files)
			}
			c, err := audit.Load(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if c.Page != test.page || c.Client.Sum == c.Server.Sum || (c.Server.Value == nil) != (held.state.Value == nil) {
				t.Errorf("the case is %+v", c)
			}
			ReplayDivergence(t, l.config, files[0]) // the server sent what it should
		})
	}
}

// A recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Errorf(_ string, a ...any) { r.errors = append(r.errors, a[0].(string)) }

func TestADivergenceOfTheServerIsReplayed(t *testing.T) {
	t.Run("records", func(t *testing.T) {
		replayOdd(t, "notes.best", func(best *Cursor) {
			best.Await(func(ids []string) bool { return strings.Contains(string(best.state.Record(ids[0])), "odd") })
		})
	})
	t.Run("a value", func(t *testing.T) {
		replayOdd(t, "notes.count", func(count *Cursor) { count.AwaitValue("6") })
	})
}

// replayOdd opens a cursor, and awaits in it the note that the rule allows only once.
func replayOdd(t *testing.T, name string, await func(*Cursor)) {
	l := openLibrary(t)
	ada := l.Connect(t, l.ada.ID)
	held := ada.Open(name, nil)
	l.write(9, "odd")
	await(held)
	l.await(ada, func(c audit.Counts) bool { return c.Divergences == 3 })
	files := l.cases()
	if len(files) == 0 {
		t.Fatal("no case was saved")
	}
	found := &recorder{TB: t}
	l.asked = &sync.Map{} // nothing reads the old one any more
	ReplayDivergence(found, l.config, files[0])
	if len(found.errors) != 1 || !strings.Contains(found.errors[0], "a fresh query gives") || !strings.Contains(found.errors[0], "opens "+name) {
		t.Errorf("replayed: %q", found.errors)
	}
}

func TestAHostileClientRaisesFewAlarms(t *testing.T) {
	l := openLibrary(t)
	ada := l.Connect(t, l.ada.ID)
	ada.Open("notes.best", nil)
	header := http.Header{}
	mallory, err := line.Dial(t.Context(), Socket, l.URL, header)
	if err != nil {
		t.Fatal(err)
	}
	defer mallory.Close()
	send := func(frame string) {
		if err := mallory.Send([]byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	var opened wire.Answer
	send(`{"hello":1}`)
	send(`{"id":1,"open":"notes.best"}`)
	for opened.ID == 0 {
		message, err := mallory.Receive()
		if err != nil {
			t.Fatal(err)
		}
		frames, err := wire.Frames(message)
		if err != nil {
			t.Fatal(err)
		}
		for _, frame := range frames {
			if strings.HasPrefix(string(frame), `{"id":1`) {
				if err := opened.UnmarshalJSON(frame); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for i := range 100 {
		for _, claim := range []wire.Request{
			{Audit: opened.Cursor, Seq: l.Seq(), Sum: uint32(i)}, {Audit: opened.Cursor, Seq: 1 << 60, Sum: 1}, {Audit: opened.Cursor},
			{Audit: 1, Seq: l.Seq()}, {Audit: opened.Cursor, Seq: 1, Sum: 1, Rows: make([]uint32, 1000)},
		}[i%5 : i%5+1] {
			frame, err := wire.Encode(claim)
			if err != nil {
				t.Fatal(err)
			}
			send(string(frame))
		}
	}
	l.await(ada, func(c audit.Counts) bool { return c.Divergences == 3 && c.Often > 0 })
	before := l.audits().Equal
	l.await(ada, func(c audit.Counts) bool { return c.Equal > before+5 })
	if counts := l.audits(); counts.Divergences != 3 || counts.Failed > 0 {
		t.Errorf("it caused %+v", counts)
	}
	if files := l.cases(); len(files) != 3 {
		t.Errorf("saved are %v", files)
	}
}
