package dev

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// events sends the state of the application to the pages that are open in browsers, as an
// event stream. A page has the version of the answer that it was loaded with. If an event
// has another version, the page is old; if only the part after the plus differs, its
// styles are old.
type events struct {
	supervisor string // prefix of versions, different for each supervisor

	mu      sync.Mutex
	state   string   // building, broken or ok
	failure *Failure // while state is broken
	note    *Note    // of the running build, or nil
	build   int      // number of the running build
	changes int      // number of changes that made pages old
	styles  int      // number of changes of styles only
	pages   map[chan []byte]bool
	closed  chan struct{}
}

// maxQueued is how many events a page may be behind. A slower page is disconnected; it
// reconnects and receives the current state.
const maxQueued = 16

const heartbeatInterval = 15 * time.Second

func newEvents() *events {
	return &events{
		supervisor: strconv.FormatInt(time.Now().UnixMilli(), 36),
		state:      "building",
		pages:      map[chan []byte]bool{},
		closed:     make(chan struct{}),
	}
}

// version returns the version for a page that is answered now.
func (e *events) version() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stamp()
}

func (e *events) stamp() string { return fmt.Sprintf("%s.%d+%d", e.supervisor, e.changes, e.styles) }

// broken returns why the newest source is not running, or nil.
func (e *events) broken() *Failure {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

func (e *events) setBuilding() { e.broadcast(func() string { e.state = "building"; return e.state }) }

func (e *events) setBroken(f *Failure) {
	e.broadcast(func() string { e.state, e.failure = "broken", f; return e.state })
}

// setOK reports that the newest source is running, as the given build. Pages of other
// builds are old.
func (e *events) setOK(build int) {
	e.broadcast(func() string {
		if e.build != build {
			e.build = build
			e.changes++
		}
		e.state, e.failure = "ok", nil
		return e.state
	})
}

// setNote replaces what the running build says about its models; nil is nothing.
func (e *events) setNote(n *Note) { e.broadcast(func() string { e.note = n; return "note" }) }

// reload reports that files have changed that the application reads while it runs.
func (e *events) reload() { e.broadcast(func() string { e.changes++; return "reload" }) }

// restyle reports that only styles have changed.
func (e *events) restyle() { e.broadcast(func() string { e.styles++; return "reload" }) }

// broadcast calls change with the lock held, and sends the event that it names to every
// page.
func (e *events) broadcast(change func() string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	event := e.encode(change())
	for page := range e.pages {
		select {
		case page <- event:
		default:
			delete(e.pages, page)
			close(page)
		}
	}
}

func (e *events) encode(name string) []byte {
	var data any = struct{}{}
	switch name {
	case "broken":
		data = e.failure
	case "note":
		data = e.note
	case "ok", "reload":
		data = struct {
			Build   int    `json:"build"`
			Version string `json:"version"`
		}{e.build, e.stamp()}
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // values of these types can always be encoded
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text)
}

// join returns a channel of the events for one page, beginning with the current state.
// It is closed if the page is too slow.
func (e *events) join() chan []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	page := make(chan []byte, maxQueued)
	page <- e.encode(e.state)
	if e.note != nil {
		page <- e.encode("note")
	}
	e.pages[page] = true
	return page
}

func (e *events) leave(page chan []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pages, page)
}

// close ends every stream.
func (e *events) close() { close(e.closed) }

// ServeHTTP is the event stream.
func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page := e.join()
	defer e.leave(page)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	if _, err := w.Write([]byte("retry: 500\n\n")); err != nil {
		return
	}
	beat := time.NewTicker(heartbeatInterval)
	defer beat.Stop()
	for {
		var text []byte
		select {
		case event, ok := <-page:
			if !ok {
				return
			}
			text = event
		case <-beat.C:
			text = []byte(":\n\n")
		case <-r.Context().Done():
			return
		case <-e.closed:
			return
		}
		if _, err := w.Write(text); err != nil {
			return
		}
		if out.Flush() != nil {
			return
		}
	}
}

// A Note is what a build that serves says to its developers: how its models differ from
// what is stored.
type Note struct {
	Title   string   `json:"title"`
	Lines   []string `json:"lines"`             // what has changed
	Misfits []string `json:"misfits,omitempty"` // records that do not fit
	Hint    string   `json:"hint,omitempty"`    // what to do
	Build   int      `json:"build"`             // of the program, from 1
}

// print prints the note. What does not fit is in the log of the application.
func (n *Note) print(t *terminal) {
	t.printLine(n.Title)
	for _, line := range n.Lines {
		t.printDetail(line)
	}
	if n.Hint != "" {
		t.printDetail(fmt.Sprintf("→ %s", n.Hint))
	}
}
