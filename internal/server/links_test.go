package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// serve opens an application without routes, whose links are as impatient as
// change makes them.
func serve(t *testing.T, config Config, change func(*links)) (*App, string) {
	t.Helper()
	config.Data = filepath.Join(t.TempDir(), "test.db")
	config.Router = route.NewRouter()
	config.Router.Connect = func(context.Context, any) (any, error) { return nil, nil }
	config.Files = fstest.MapFS{"views/layout.html": {Data: []byte(`{{template "main" .}}`)}}
	app, err := New(config)
	if err == nil {
		err = app.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	change(app.links)
	web := httptest.NewServer(app.Handler())
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
		web.CloseClientConnections()
		web.Close()
	})
	return app, web.URL
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

// awaitCount waits until the application knows so many connections.
func awaitCount(t *testing.T, app *App, want int) {
	t.Helper()
	watcher := app.inspector.subscribe()
	defer app.inspector.unsubscribe(watcher)
	for deadline := time.After(10 * time.Second); app.hub.count() != want; {
		select {
		case <-watcher.Wake:
		case <-deadline:
			t.Fatalf("%d connections, not %d", app.hub.count(), want)
		}
	}
}

func TestALinkThatNobodyPollsEnds(t *testing.T) {
	app, url := serve(t, Config{}, func(s *links) { s.absence, s.wait = 50*time.Millisecond, 200*time.Millisecond })
	_, opened := post(t, url+"/_tower/poll", `{}`)
	poll := fmt.Sprintf(`{"link":%q}`, opened.Link)
	if response, d := post(t, url+"/_tower/poll", poll); response.StatusCode != http.StatusOK || d.End != nil {
		t.Errorf("while it is polled: %s, %+v", response.Status, d)
	}
	awaitCount(t, app, 0)
	if response, _ := post(t, url+"/_tower/poll", poll); response.StatusCode != http.StatusNotFound {
		t.Errorf("after that: %s", response.Status)
	}
	app.links.mu.Lock()
	defer app.links.mu.Unlock()
	if app.links.visitors != 0 || len(app.links.open) != 0 {
		t.Errorf("%d visitors, %d links", app.links.visitors, len(app.links.open))
	}
}

func TestAStreamSaysThatItLivesAndEndsWhenItsClientDoesNot(t *testing.T) {
	app, url := serve(t, Config{}, func(s *links) { s.beat, s.silence = 20*time.Millisecond, 300*time.Millisecond })
	response, err := http.Post(url+"/_tower/stream", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	beats, last := 0, ""
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if lines.Text() == ":" {
			beats++
		} else if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if beats == 0 || last != `data: {"end":{"code":1008,"reason":"the client was silent for too long"}}` {
		t.Errorf("%d beats, and at last %s", beats, last)
	}
	awaitCount(t, app, 0)
}

func TestAStreamThatBreaksFreesItsConnection(t *testing.T) {
	app, url := serve(t, Config{}, func(*links) {})
	response, err := http.Post(url+"/_tower/stream", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	awaitCount(t, app, 1)
	response.Body.Close()
	awaitCount(t, app, 0)
}

func TestVisitorsWithoutASocketAreCounted(t *testing.T) {
	_, url := serve(t, Config{MaxVisitors: 2}, func(*links) {})
	_, first := post(t, url+"/_tower/poll", `{}`)
	post(t, url+"/_tower/poll", `{}`)
	if response, _ := post(t, url+"/_tower/poll", `{}`); response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the third: %s", response.Status)
	}
	post(t, url+"/_tower/send", fmt.Sprintf(`{"link":%q,"end":true}`, first.Link))
	if response, _ := post(t, url+"/_tower/poll", `{}`); response.StatusCode != http.StatusOK {
		t.Errorf("after one has left: %s", response.Status)
	}
}

func TestALinkOfASlowClientEndsAndSaysWhy(t *testing.T) {
	app, url := serve(t, Config{MaxQueue: 1000}, func(*links) {})
	_, opened := post(t, url+"/_tower/poll", `{}`)
	l, err := app.links.find(opened.Link, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		l.conn.outbox.Put([]byte(`"` + strings.Repeat("x", 100) + `"`))
	}
	awaitCount(t, app, 0)
	if _, d := post(t, url+"/_tower/poll", fmt.Sprintf(`{"link":%q}`, opened.Link)); d.End == nil || d.End.Code != outbox.CloseSlow {
		t.Errorf("it is told %+v", d)
	}
}

// TestPollsLoseAndDoubleNothing puts messages into an outbox while a client polls
// over a network that loses answers and sends requests twice.
func TestPollsLoseAndDoubleNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const messages = 3000
	l := &link{kind: "poll", conn: &Connection{}}
	l.conn.outbox = outbox.Outbox{Transport: l, Limit: 1 << 30}
	var putting sync.WaitGroup
	putting.Go(func() {
		for i := range messages {
			l.conn.outbox.Put(fmt.Append(nil, i))
		}
	})
	defer putting.Wait()

	var got []int
	for have := uint64(0); len(got) < messages; {
		wait := time.Duration(random.IntN(3)) * time.Millisecond
		if random.IntN(4) == 0 {
			again := have
			putting.Go(func() { _, _ = l.next(t.Context(), again, wait) }) // the same request, and nobody hears the answer
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
