package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/towerkit/tower/internal/deadline"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
)

// A fakeHost counts the connections that have joined.
type fakeHost struct {
	limit int // of the bytes that wait for a connection

	mu     sync.Mutex
	joined map[*fakeConnection]bool
	change chan struct{} // has an element after joined has changed
}

func (h *fakeHost) Accept(*http.Request) Connection {
	return &fakeConnection{host: h, outbox: outbox.Outbox{Limit: h.limit}}
}
func (h *fakeHost) Joined() []outbox.Transport { return nil }
func (h *fakeHost) Owns(*http.Request, Connection) bool {
	return true
}
func (h *fakeHost) ReadJSON(_ http.ResponseWriter, r *http.Request, into any) error {
	return json.NewDecoder(r.Body).Decode(into)
}
func (h *fakeHost) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), fault.As(err).Status())
}

func (h *fakeHost) set(c *fakeConnection, joined bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if joined {
		h.joined[c] = true
	} else {
		delete(h.joined, c)
	}
	select {
	case h.change <- struct{}{}:
	default:
	}
}

func (h *fakeHost) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.joined)
}

type fakeConnection struct {
	host   *fakeHost
	outbox outbox.Outbox
}

func (c *fakeConnection) Join(t outbox.Transport) error {
	c.outbox.Transport = t
	c.host.set(c, true)
	return nil
}
func (c *fakeConnection) Leave()                 { c.host.set(c, false) }
func (c *fakeConnection) Receive([]byte)         {}
func (c *fakeConnection) Handle([]wire.Request)  {}
func (c *fakeConnection) Outbox() *outbox.Outbox { return &c.outbox }
func (c *fakeConnection) Count() error           { return nil }
func (c *fakeConnection) Throttle(int)           {}
func (c *fakeConnection) UserKey() string        { return "" }
func (c *fakeConnection) Remote() string         { return "test" }

// serve serves links. bytes limits what waits for a connection.
func serve(t *testing.T, bytes int) (*Links, string) {
	t.Helper()
	host := &fakeHost{limit: bytes, joined: map[*fakeConnection]bool{}, change: make(chan struct{}, 1)}
	links := NewLinks(host, Limits{MaxFrame: 1 << 16, Pace: deadline.Pace{Wait: 2 * time.Minute, Rate: 1 << 10}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_tower/stream", links.ServeStream)
	mux.HandleFunc("POST /_tower/poll", links.ServePoll)
	mux.HandleFunc("POST /_tower/send", links.ServeBatch)
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		links.Close()
		web.CloseClientConnections()
		web.Close()
		links.Wait()
	})
	return links, web.URL
}

func post(t *testing.T, url, body string) (*http.Response, *wire.Delivery) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	d := &wire.Delivery{}
	if err == nil && response.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, d)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", url, body, err)
	}
	return response, d
}

// awaitCount waits until the host has want connections.
func awaitCount(t *testing.T, links *Links, want int) {
	t.Helper()
	host := links.host.(*fakeHost)
	for deadline := time.After(time.Minute); host.count() != want; {
		select {
		case <-host.change:
		case <-deadline:
			t.Fatalf("%d connections, not %d", host.count(), want)
		}
	}
}

// newLinks returns links whose requests a test makes without a network, to be used within
// [synctest.Test].
func newLinks(t *testing.T) (*Links, *fakeHost) {
	host := &fakeHost{limit: 1 << 20, joined: map[*fakeConnection]bool{}, change: make(chan struct{}, 1)}
	return NewLinks(host, Limits{MaxFrame: 1 << 16, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}), host
}

// poll makes the request of a poll.
func poll(t *testing.T, links *Links, body string) (int, *wire.Delivery) {
	w, d := httptest.NewRecorder(), &wire.Delivery{}
	links.ServePoll(w, httptest.NewRequest("POST", "/_tower/poll", strings.NewReader(body)))
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), d); err != nil {
			t.Errorf("%s: %v", w.Body, err)
		}
	}
	return w.Code, d
}

func TestUnpolledLinkEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		links, host := newLinks(t)
		_, opened := poll(t, links, `{}`)
		again := fmt.Sprintf(`{"link":%q}`, opened.Link)
		for range 3 {
			time.Sleep(links.maxAbsence - time.Second)
			if status, d := poll(t, links, again); status != http.StatusOK || d.End != nil {
				t.Errorf("while the client polls: %d, %+v", status, d)
			}
		}
		time.Sleep(links.maxAbsence + time.Second)
		if n := host.count(); n != 0 {
			t.Errorf("%d connections", n)
		}
		if status, _ := poll(t, links, again); status != http.StatusNotFound {
			t.Errorf("after that: %d", status)
		}
		if len(links.open) != 0 {
			t.Errorf("%d links", len(links.open))
		}
	})
}

func TestClosingAnswersAPollThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		links, _ := newLinks(t)
		_, opened := poll(t, links, `{}`)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if status, d := poll(t, links, fmt.Sprintf(`{"link":%q}`, opened.Link)); status != http.StatusOK || d.End == nil || d.End.Code != outbox.CloseRestart {
				t.Errorf("it was answered %d, %+v", status, d)
			}
		})
		synctest.Wait()
		begun := time.Now()
		links.Close()
		waiting.Wait()
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("it waited %s", waited)
		}
	})
}

func TestStreamSendsHeartbeatsAndEndsForSilentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		links, host := newLinks(t)
		w := httptest.NewRecorder()
		links.ServeStream(w, httptest.NewRequest("POST", "/_tower/stream", nil))
		const end = `data: {"end":{"code":1008,"reason":"the client was silent for too long"}}`
		events := strings.Split(strings.TrimSpace(w.Body.String()), "\n\n")
		beats := len(events) - 2 // beside the first and the last event
		if want := int(links.maxSilence / links.heartbeat); beats < want-1 || beats > want || strings.Count(w.Body.String(), ":\n\n") != beats || events[len(events)-1] != end {
			t.Errorf("%d heartbeats, want %d:\n%s", beats, want, w.Body)
		}
		if n := host.count(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestBrokenStreamLeaves(t *testing.T) {
	links, url := serve(t, 1<<20)
	response, err := http.Post(url+"/_tower/stream", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	awaitCount(t, links, 1)
	response.Body.Close()
	awaitCount(t, links, 0)
}

func TestLinkOfSlowClientEndsWithReason(t *testing.T) {
	links, url := serve(t, 1000)
	_, opened := post(t, url+"/_tower/poll", `{}`)
	l, err := links.find(opened.Link, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		l.conn.Outbox().Put([]byte(`"` + strings.Repeat("x", 100) + `"`))
	}
	awaitCount(t, links, 0)
	if _, d := post(t, url+"/_tower/poll", fmt.Sprintf(`{"link":%q}`, opened.Link)); d.End == nil || d.End.Code != outbox.CloseSlow {
		t.Errorf("the client received %+v", d)
	}
}

// TestPollsDeliverEachMessageOnce queues messages while a client polls over a network
// that loses answers and repeats requests.
func TestPollsDeliverEachMessageOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const messages = 3000
	conn := &fakeConnection{}
	l := &link{kind: "poll", conn: conn}
	conn.outbox = outbox.Outbox{Transport: l, Limit: 1 << 30}
	var putting sync.WaitGroup
	putting.Go(func() {
		for i := range messages {
			l.conn.Outbox().Put(fmt.Append(nil, i))
		}
	})
	defer putting.Wait()

	var got []int
	for have := uint64(0); len(got) < messages; {
		wait := time.Duration(random.IntN(3)) * time.Millisecond
		if random.IntN(4) == 0 {
			again := have
			putting.Go(func() { _, _ = l.next(t.Context(), again, wait) }) // the same request; its answer is lost
		}
		d, err := l.next(t.Context(), have, wait)
		if err != nil {
			t.Fatal(err)
		}
		if d.Message == nil || random.IntN(4) == 0 {
			continue
		}
		if d.Number != have+1 {
			t.Fatalf("message %d came after %d", d.Number, have)
		}
		have = d.Number
		message := d.Message
		if !bytes.HasPrefix(message, []byte("[")) {
			message = append(append([]byte("["), message...), ']')
		}
		var joined []int
		if err := json.Unmarshal(message, &joined); err != nil {
			t.Fatal(err)
		}
		got = append(got, joined...)
	}
	for i, n := range got {
		if n != i {
			t.Fatalf("message %d is %d", i, n)
		}
	}
}
