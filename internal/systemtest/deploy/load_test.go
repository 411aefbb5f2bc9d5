//go:build linux

package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/oklog/ulid/v2"

	"github.com/towerkit/tower/internal/wire"

	"github.com/towerkit/tower/internal/systemtest/process"
)

// A load writes notes over HTTP and reads them over sockets, until it is ended.
type load struct {
	t      *testing.T
	url    string
	quit   context.CancelFunc // ends the writers
	cancel context.CancelFunc // ends all
	writes sync.WaitGroup
	reads  sync.WaitGroup

	mu      sync.Mutex
	written map[string]note // acknowledged, by title
	times   []sample
	readers []*reader
}

// A note is what a writer sends and a reader receives.
type note struct {
	Title  string `json:"title"`
	Likes  int    `json:"likes"`
	Public bool   `json:"public"`
	Serial int64  `json:"serial"`
	Rank   int    `json:"rank,omitempty"` // of a migration
}

type sample struct {
	at   time.Time
	took time.Duration
}

func startLoad(t *testing.T, url string, writers, readers int) *load {
	ctx, cancel := context.WithCancel(t.Context())
	writing, quit := context.WithCancel(ctx)
	l := &load{t: t, url: url, quit: quit, cancel: cancel, written: map[string]note{}}
	t.Cleanup(l.end)
	for range readers {
		r := &reader{url: url, seen: map[note]int{}, opened: make(chan struct{})}
		l.readers = append(l.readers, r)
		l.reads.Go(func() {
			if err := r.run(ctx); err != nil {
				t.Errorf("a socket: %v", err)
			}
		})
		<-r.opened
	}
	for i := range writers {
		l.writes.Go(func() { l.write(writing, i) })
	}
	return l
}

func (l *load) end() {
	l.quit()
	l.writes.Wait() // each write is answered
	l.cancel()
	l.reads.Wait()
}

// write creates notes, one after another. Each must be answered, also while releases change.
func (l *load) write(ctx context.Context, writer int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for i := 0; ctx.Err() == nil; i++ {
		title := fmt.Sprintf("%d-%d", writer, i)
		sent := note{title, rand.IntN(100), i%2 == 0, rand.Int64N(1 << 50), 0}
		body, _ := json.Marshal(sent)
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
		l.written[title] = sent
		l.times = append(l.times, sample{began, time.Since(began)})
		l.mu.Unlock()
		time.Sleep(150 * time.Millisecond) // the pace of a client: the host's time is for the releases
	}
}

// spread returns how long writes took that began in one of some periods.
func (l *load) spread(periods ...period) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []time.Duration
	for _, s := range l.times {
		if slices.ContainsFunc(periods, func(p period) bool { return !s.at.Before(p.from) && s.at.Before(p.to) }) {
			all = append(all, s.took)
		}
	}
	if len(all) == 0 {
		return "no write began"
	}
	slices.Sort(all)
	return fmt.Sprintf("%5d writes, p50 %6.1f ms, p99 %6.1f ms, longest %6.1f ms", len(all), ms(all[len(all)/2]), ms(all[len(all)*99/100]), ms(all[len(all)-1]))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

type period struct{ from, to time.Time }

// A timeline notes when each line of a deploy was printed: each begins a phase.
type timeline struct {
	text  strings.Builder
	words []string
	began []time.Time
}

func (l *timeline) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		l.begin(word)
	}
	return l.text.Write(text)
}

func (l *timeline) String() string { return l.text.String() }

func (l *timeline) begin(word string) {
	l.words, l.began = append(l.words, word), append(l.began, time.Now())
}

// phases returns the periods by the first word of the line that began them. The swap takes
// milliseconds, so half a second on each side of it counts as swapping.
func (l *timeline) phases() map[string]period {
	all := map[string]period{}
	for i, word := range l.words[:len(l.words)-1] {
		all[word] = period{l.began[i], l.began[i+1]}
	}
	all["swapping"] = period{all["closing"].from.Add(-time.Second / 2), all["watching"].from.Add(time.Second / 2)}
	return all
}

var waited = regexp.MustCompile(`clients waited (\d+) ms, (\d+) of them`)

// pause returns for how long nothing served, and how much of that the old release closed.
func (l *timeline) pause() (all, closing time.Duration) {
	found := waited.FindStringSubmatch(l.String())
	if found == nil {
		return 0, 0
	}
	parse := func(text string) time.Duration {
		n, _ := strconv.Atoi(text) // it is a number
		return time.Duration(n) * time.Millisecond
	}
	return parse(found[1]), parse(found[2])
}

// middle returns the middle and the longest of some times.
func middle(times []time.Duration) string {
	slices.Sort(times)
	return fmt.Sprintf("%.0f ms, %.0f ms at most", ms(times[len(times)/2]), ms(times[len(times)-1]))
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.written)
}

// check ends the writers, waits until each reader has what was acknowledged, and fails if one
// has received anything else, or anything twice.
func (l *load) check() {
	l.t.Helper()
	l.quit()
	l.writes.Wait()
	for i, r := range l.readers {
		process.Until(l.t, "a socket has every note", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, sent := range l.written {
				if r.seen[sent] == 0 {
					return false
				}
			}
			return true
		})
		r.mu.Lock()
		for received, times := range r.seen {
			if times != 1 || l.written[received.Title] != received {
				l.t.Errorf("socket %d received %+v %d times; acknowledged was %+v", i, received, times, l.written[received.Title])
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
	seen    map[note]int // how often each was received
	resumed int
	anew    int // how often it received all again
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
		_ = conn.WriteMessage(websocket.TextMessage, []byte(frame)) // reading says why it fails
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
				Notes  []note
			}
			if err := json.Unmarshal(text, &frame); err != nil {
				return fmt.Errorf("%w in %s", err, text)
			}
			r.mu.Lock()
			switch {
			case frame.Hello != 0:
				epoch = frame.Epoch
			case frame.ID == 1 && frame.Status != http.StatusOK:
				err = fmt.Errorf("it was not opened: %.200s", text)
			case frame.ID == 1:
				r.since = frame.At
				switch {
				case frame.Resync != "":
					r.anew++
					clear(r.seen)
				case first != "":
					r.resumed++
				}
				r.once.Do(func() { close(r.opened) })
			case frame.Seq > 0:
				r.since = fmt.Sprintf("%s:%d", epoch, frame.Seq)
			}
			for _, received := range frame.Notes {
				r.seen[received]++
			}
			r.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}
