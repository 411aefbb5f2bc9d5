//go:build linux

package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/oklog/ulid/v2"

	"github.com/towerkit/tower/internal/wire"
)

// A load writes notes over HTTP and reads them over sockets, until it is ended.
type load struct {
	t      *testing.T
	url    string
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	written map[string]bool // titles of acknowledged notes
	times   []sample
	readers []*reader
}

type sample struct {
	at   time.Time
	took time.Duration
}

func startLoad(t *testing.T, url string, writers, readers int) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{t: t, url: url, cancel: cancel, written: map[string]bool{}}
	t.Cleanup(l.end)
	for range readers {
		r := &reader{url: url, seen: map[string]int{}, opened: make(chan struct{})}
		l.readers = append(l.readers, r)
		l.work.Go(func() {
			if err := r.run(ctx); err != nil {
				t.Errorf("a socket: %v", err)
			}
		})
		<-r.opened
	}
	for i := range writers {
		l.work.Go(func() { l.write(ctx, i) })
	}
	return l
}

func (l *load) end() {
	l.cancel()
	l.work.Wait()
}

// write creates notes, one after another. Each must be answered, also while releases change.
func (l *load) write(ctx context.Context, writer int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for i := 0; ctx.Err() == nil; i++ {
		title := fmt.Sprintf("%d-%d", writer, i)
		body, _ := json.Marshal(map[string]string{"title": title})
		request, err := http.NewRequest(http.MethodPost, l.url+"/notes", bytes.NewReader(body))
		if err != nil {
			l.t.Error(err)
			return
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept", "application/json")
		request.Header.Set("Idempotency-Key", ulid.Make().String())
		began := time.Now()
		response, err := client.Do(request)
		if err != nil {
			l.t.Errorf("note %s was refused: %v", title, err)
			continue
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode/100 != 2 {
			l.t.Errorf("note %s was refused: %s %v %s", title, response.Status, err, text)
			continue
		}
		l.mu.Lock()
		l.written[title] = true
		l.times = append(l.times, sample{began, time.Since(began)})
		l.mu.Unlock()
		time.Sleep(10 * time.Millisecond) // the pace of a client
	}
}

// p99 returns the time within which 99 of 100 writes of a period were answered.
func (l *load) p99(from, to time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []time.Duration
	for _, s := range l.times {
		if s.at.After(from) && s.at.Before(to) {
			all = append(all, s.took)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.written)
}

// check ends the writers and waits until each reader has all that was acknowledged, once.
func (l *load) check() {
	l.t.Helper()
	l.mu.Lock()
	all := len(l.written)
	l.mu.Unlock()
	for i, r := range l.readers {
		until(l.t, "a socket has every note", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return len(r.seen) >= all
		})
		r.mu.Lock()
		for title, times := range r.seen {
			if times != 1 {
				l.t.Errorf("socket %d received %s %d times", i, title, times)
			}
		}
		l.t.Logf("socket %d: %d notes, resumed %d times", i, len(r.seen), r.resumed)
		r.mu.Unlock()
	}
}

// A reader holds a cursor of all notes over a socket, and resumes it after each end.
type reader struct {
	url    string
	opened chan struct{} // closed when it is open for the first time
	once   sync.Once

	mu      sync.Mutex
	since   string
	seen    map[string]int // titles, with how often each was received
	resumed int
}

func (r *reader) run(ctx context.Context) error {
	defer r.once.Do(func() { close(r.opened) })
	for ctx.Err() == nil {
		err := r.connect(ctx)
		var closed *websocket.CloseError
		if ctx.Err() == nil && (!errors.As(err, &closed) || closed.Code != websocket.CloseServiceRestart) {
			return fmt.Errorf("it ended with %w", err)
		}
	}
	return nil
}

func (r *reader) connect(ctx context.Context) error {
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(r.url, "http")+"/_tower/socket", http.Header{"Origin": {r.url}})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	first := r.since
	for _, frame := range []string{fmt.Sprintf(`{"hello":%d}`, wire.Version), fmt.Sprintf(`{"id":1,"open":"notes.all","in":{},"since":%q}`, first)} {
		if first == "" {
			frame = strings.Replace(frame, `,"since":""`, "", 1)
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			return err
		}
	}
	epoch := ""
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		frames, err := wire.Frames(message)
		if err != nil {
			return err
		}
		for _, text := range frames {
			var frame struct {
				Hello  int
				Epoch  string
				Seq    uint64
				ID     uint64
				Status int
				At     string
				Resync string
				Error  json.RawMessage
				Notes  []struct{ Title string }
			}
			if err := json.Unmarshal(text, &frame); err != nil {
				return fmt.Errorf("%w in %s", err, text)
			}
			r.mu.Lock()
			switch {
			case frame.Hello != 0:
				epoch = frame.Epoch
			case frame.ID == 1 && (frame.Status != http.StatusOK || frame.Resync != ""):
				err = fmt.Errorf("it was not resumed: %.200s", text)
			case frame.ID == 1:
				if r.since = frame.At; first != "" {
					r.resumed++
				}
				r.once.Do(func() { close(r.opened) })
			case frame.Seq > 0:
				r.since = fmt.Sprintf("%s:%d", epoch, frame.Seq)
			}
			for _, note := range frame.Notes {
				r.seen[note.Title]++
			}
			r.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}
