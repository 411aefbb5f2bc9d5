package systemtest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/olahol/melody"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// The benchmarks do the same with tower and with the parts it stands on, each a
// piece in turn, and report the ratio of the medians. They keep few clients, so
// that they are quick; TOWER_BENCH_CLIENTS=5000 is what the figures in
// docs/performance.md are of. With -short they only show that they run.

func benchClients(b *testing.B) int { return number(b, "TOWER_BENCH_CLIENTS", 200, 50) }

// number is what a variable of the environment says, else what is usual.
func number(b *testing.B, variable string, usual, short int) int {
	text := os.Getenv(variable)
	switch {
	case text == "" && testing.Short():
		return short
	case text == "":
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s: %v", variable, err)
	}
	return n
}

// A Note is a record of about 200 bytes.
type Note struct {
	tower.Record
	Topic string `json:"topic" validate:"required,max=40" tower:"index"`
	Text  string `json:"text" validate:"required,max=400"`
}

var Notes = tower.NewModel[Note]("notes")

type notesController struct{ *tower.Connection }

func (c *notesController) On(ctx context.Context, in struct {
	Topic string `json:"topic"`
}) (tower.Scope[Note], error) {
	return Notes.Where(tower.Is(&Notes.Fields.Topic, in.Topic)), nil
}

func (c *notesController) Newest(context.Context, struct{}) (tower.Scope[Note], error) {
	return Notes.All().Desc(&Notes.Fields.CreatedAt).Limit(20), nil
}

func (c *notesController) Page(ctx context.Context, in struct{}) ([]*Note, error) {
	return Notes.All().Desc(&Notes.Fields.CreatedAt).Limit(20).Records(ctx, c)
}

func (c *notesController) Create(ctx context.Context, in struct {
	Topic string `json:"topic"`
	Text  string `json:"text"`
}) (*Note, error) {
	note := &Note{Topic: in.Topic, Text: in.Text}
	return note, Notes.Create(ctx, c, note)
}

// ruledController has a rule of its own for each connection.
type ruledController struct{ *notesController }

func (c *ruledController) Match(n *Note) bool { return n.Text != "" }

func notes() tower.Config {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	notes := tower.Mount(r, "notes", func(c *tower.Connection) *notesController { return &notesController{c} })
	tower.Cursor(notes, "on", (*notesController).On)
	tower.Cursor(notes, "newest", (*notesController).Newest)
	ruled := tower.Mount(r, "ruled", func(c *tower.Connection) *ruledController { return &ruledController{&notesController{c}} })
	tower.Cursor(ruled, "on", (*ruledController).On)
	tower.Cursor(ruled, "newest", (*ruledController).Newest)
	tower.Action(notes, "POST /notes", (*notesController).Create)
	tower.Action(notes, "GET /notes/newest", (*notesController).Page)
	return tower.Config{Name: "notes", Models: []tower.AnyModel{Notes}, Routes: r, Files: sampleViews, Limits: eager}
}

// eager lets the clients of a benchmark, who are all visitors at one address, be as many as they
// are, and ask for as much as they can.
var eager = tower.Limits{MaxAddress: 1 << 20, MaxVisitors: 1 << 20, MaxClients: 1 << 20,
	MaxRate: 1 << 20, MaxInflow: 1 << 30, MaxReading: time.Hour, MaxOutflow: 1 << 30, MaxQueries: 10_000_000, MaxAllQueries: 10_000_000}

func openNotes(b *testing.B) *towertest.App { return towertest.Open(b, notes()) }

// serveNotes opens the application on a file of its own, until end.
func serveNotes(b *testing.B, path string) (app *towertest.App, end func()) {
	config := notes()
	config.Env, config.Data = "test", path
	return towertest.Serve(b, config)
}

const mark = `"text":"xx`

var noteText = strings.Repeat("x", 60)

func noteOn(topic string) string { return fmt.Sprintf(`{"topic":%q,"text":%q}`, topic, noteText) }

// follow connects clients, each of which follows a topic.
func follow(b *testing.B, app *towertest.App, clients int, cursor, topic string) *swarm {
	return startSwarm(b, orders{URL: socketURL(app.URL) + "/_tower/socket", Clients: clients, Mark: mark,
		Say: []string{`{"hello":1}`, fmt.Sprintf(`{"id":1,"open":%q,"in":{"topic":%q}}`, cursor, topic)}})
}

func socketURL(url string) string { return "ws" + strings.TrimPrefix(url, "http") }

// A bare melody, as it is by default.
type bareMelody struct {
	*melody.Melody
	*swarm
	url   string
	frame []byte
	gone  chan struct{} // one for each client that has gone
}

func openMelody(b *testing.B, clients int) *bareMelody {
	m := melody.New()
	bare := &bareMelody{Melody: m, gone: make(chan struct{}, benchClients(b))}
	m.HandleDisconnect(func(*melody.Session) { bare.gone <- struct{}{} })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = m.HandleRequest(w, r) }))
	b.Cleanup(func() {
		_ = m.Close()
		server.CloseClientConnections()
		server.Close()
	})
	bare.url = server.URL
	bare.swarm = startSwarm(b, orders{URL: socketURL(server.URL), Clients: clients, Mark: mark})
	bare.frame = fmt.Appendf(nil, `{"seq":813,"notes":[{"id":"01J00000000000000000000000","createdAt":"2026-11-22T10:00:00.000000Z",`+
		`"updatedAt":"2026-11-22T10:00:00.000000Z","topic":"all",%s%s"}],"cursors":{"17":{"enter":[{"id":"01J00000000000000000000000"}]}}}`, mark, noteText[2:])
	return bare
}

func post(b *testing.B, app *towertest.App, note string) {
	b.Helper()
	response, err := http.Post(app.URL+"/notes", "application/json", strings.NewReader(note))
	if err != nil {
		b.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		b.Fatal(response.Status)
	}
}

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkCreateReachesAll is a durable create over HTTP until the last of the
// clients has it, beside a broadcast of melody's until the last one has it.
//
// The cursors of a controller with a rule have to ask it for each client.
func BenchmarkCreateReachesAll(b *testing.B) {
	n := benchClients(b)
	for _, cursor := range []string{"notes.on", "ruled.on"} {
		b.Run(fmt.Sprintf("clients=%d/%s", n, cursor), func(b *testing.B) {
			app, bare := openNotes(b), openMelody(b, n)
			clients := follow(b, app, n, cursor, "all")
			var ours, theirs []time.Duration
			for b.Loop() {
				received := clients.expect(n)
				start := time.Now()
				post(b, app, noteOn("all"))
				ours = append(ours, received().Sub(start))

				received = bare.expect(n)
				start = time.Now()
				_ = bare.Broadcast(bare.frame)
				theirs = append(theirs, received().Sub(start))
			}
			b.ReportMetric(ms(median(ours)), "ms/create")
			b.ReportMetric(ms(median(theirs)), "ms/broadcast")
			b.ReportMetric(float64(median(ours))/float64(median(theirs)), "ofmelody")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkCreateReachesOne is a durable create over HTTP that concerns one
// client of many, and the same with a fifth of them.
func BenchmarkCreateReachesOne(b *testing.B) {
	n := benchClients(b)
	b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) {
		many, few := openNotes(b), openNotes(b)
		ofMany, ofFew := follow(b, many, n, "notes.on", "topic%d"), follow(b, few, n/5, "notes.on", "topic%d")
		var some, all []time.Duration
		one := func(app *towertest.App, clients *swarm) time.Duration {
			received := clients.expect(1)
			start := time.Now()
			post(b, app, noteOn("topic7"))
			return received().Sub(start)
		}
		for b.Loop() {
			all = append(all, one(many, ofMany))
			some = append(some, one(few, ofFew))
		}
		b.ReportMetric(ms(median(all)), "ms/create")
		b.ReportMetric(float64(median(all))/float64(median(some)), "offifth")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkBurst is a hundred durable creates at once until each client has all
// of them, beside a hundred broadcasts of melody's.
func BenchmarkBurst(b *testing.B) {
	const burst = 100
	n := benchClients(b)
	for _, cursor := range []string{"notes.on", "ruled.on"} {
		b.Run(fmt.Sprintf("clients=%d/%s", n, cursor), func(b *testing.B) {
			app, bare := openNotes(b), openMelody(b, n)
			clients := follow(b, app, n, cursor, "all")
			var ours, theirs []time.Duration
			for b.Loop() {
				received := clients.expect(burst * n)
				start := time.Now()
				var writers sync.WaitGroup
				for range burst {
					writers.Go(func() {
						if err := Notes.Create(b.Context(), app, &Note{Topic: "all", Text: noteText}); err != nil {
							b.Error(err)
						}
					})
				}
				ours = append(ours, received().Sub(start))
				writers.Wait()

				received = bare.expect(burst * n)
				start = time.Now()
				for range burst {
					_ = bare.Broadcast(bare.frame)
				}
				theirs = append(theirs, received().Sub(start))
			}
			rate := func(took []time.Duration) float64 { return float64(burst*n) / 1000 / median(took).Seconds() }
			b.ReportMetric(rate(ours), "kreceived/s")
			b.ReportMetric(rate(theirs), "kmelody/s")
			b.ReportMetric(rate(ours)/rate(theirs), "ofmelody")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkIdle is the memory that a connection takes, with one cursor open,
// beside one of a bare melody: what the process has resident, after the garbage
// is collected.
func BenchmarkIdle(b *testing.B) {
	n := benchClients(b)
	b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) {
		for b.Loop() {
			app := openNotes(b)
			empty := resident(b)
			clients := follow(b, app, n, "notes.on", "all")
			ours := resident(b) - empty
			clients.in.Close()

			empty = resident(b)
			bare := openMelody(b, n)
			theirs := resident(b) - empty
			bare.in.Close()
			b.ReportMetric(float64(ours)/float64(n)/1024, "KiB/connection")
			b.ReportMetric(float64(theirs)/float64(n)/1024, "KiB/melody")
			b.ReportMetric(float64(ours)/float64(theirs), "ofmelody")
			b.ReportMetric(0, "ns/op")
		}
	})
}

func resident(b *testing.B) int {
	b.Helper()
	for range 4 {
		runtime.GC() // each halves stacks that are too large
	}
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(text)[1]))
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}
