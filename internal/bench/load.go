package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower/internal/wire"
)

// A loadRequest is one line that the bench command sends to the process in which
// its clients live.
type loadRequest struct {
	Do     string // join, reach, burst, write, leave, miss or return
	Target string // app or floor
	URL    string // of a target that is new, or has another

	Users     []string      // join: as whom; of the floor only their number counts
	Writer    string        // join: the user that writes
	Subject   *Subject      // join: of the app, what is measured; nil: the sample
	Published bool          // reach and miss: all match, not only one
	Times     int           // reach and miss: how often
	Writers   int           // burst, write and miss: how many at the same time
	Size      int           // bytes of a message of the floor
	For       time.Duration // write
}

// A loadReply is the line that answers it.
type loadReply struct {
	Seconds []float64 // reach, burst and return: from the first request to the last receipt
	Written float64   // write: a second
	Size    int       // reach: bytes of a message
	Error   string
}

// ClientsCommand is the command by which Run starts the program that it is part of
// once more, to call ServeClients.
const ClientsCommand = "bench-load"

// ServeClients answers requests until there are no more.
func ServeClients(ctx context.Context, in io.Reader, out io.Writer) error {
	requests, replies := json.NewDecoder(in), json.NewEncoder(out)
	targets := map[string]*target{}
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	for {
		var req loadRequest
		if err := requests.Decode(&req); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		if targets[req.Target] == nil {
			targets[req.Target] = newTarget(req.Target == "floor", req.URL)
		}
		reply, err := targets[req.Target].do(ctx, &req)
		if err != nil {
			reply.Error = err.Error()
		}
		if err := replies.Encode(reply); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// A target is a server under load, and its clients.
type target struct {
	floor     bool
	url       string
	http      *http.Client
	writer    string   // cookie
	subject   *Subject // nil: the sample
	made      []string // ids of what the writer published
	since     string   // position at which the listeners left
	listeners []*listener
	readers   sync.WaitGroup

	got, want atomic.Int64 // messages, of all listeners
	reached   chan time.Time
}

// A listener is one client.
type listener struct {
	socket *websocket.Conn
	cookie string
	got    atomic.Int64
	size   atomic.Int64 // of the last message
}

func newTarget(floor bool, url string) *target {
	return &target{floor: floor, url: url, reached: make(chan time.Time, 1),
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
}

func (t *target) close() {
	for _, l := range t.listeners {
		_ = l.socket.Close()
	}
	t.readers.Wait()
	t.http.CloseIdleConnections()
}

func (t *target) do(ctx context.Context, req *loadRequest) (loadReply, error) {
	switch req.Do {
	case "join":
		return loadReply{}, t.join(ctx, req)
	case "reach":
		return t.reach(ctx, req)
	case "burst":
		return t.burst(ctx, req)
	case "write":
		return t.write(ctx, req)
	case "leave":
		return loadReply{}, t.leave(ctx)
	case "miss":
		return loadReply{}, t.miss(ctx, req)
	case "return":
		return t.comeBack(ctx, req)
	}
	return loadReply{}, fmt.Errorf("there is no request %q", req.Do)
}

// together calls do for 0 to n-1, as many at once as there are workers, and returns
// the first error.
func together(n, workers int, do func(i int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	return <-errs
}

// join connects clients, beside those that are connected.
func (t *target) join(ctx context.Context, req *loadRequest) (err error) {
	if req.Subject != nil {
		t.subject = req.Subject
	}
	if req.Writer != "" {
		if t.writer, err = t.signIn(ctx, req.Writer); err != nil {
			return err
		}
	}
	joined := make([]*listener, len(req.Users))
	err = together(len(joined), 16, func(i int) (err error) {
		if joined[i], err = t.connect(ctx, req.Users[i]); err != nil {
			return fmt.Errorf("connect client %d: %w", len(t.listeners)+i+1, err)
		}
		return nil
	})
	for _, l := range joined {
		if l != nil {
			t.listeners = append(t.listeners, l)
			t.readers.Go(func() { t.read(l) })
		}
	}
	return err
}

func (t *target) signIn(ctx context.Context, user string) (cookie string, err error) {
	body, err := json.Marshal(map[string]string{"user": user})
	if err != nil {
		return "", err
	}
	header, _, err := t.request(ctx, http.MethodPost, "/session", "", body)
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	cookie, _, _ = strings.Cut(header.Get("Set-Cookie"), ";")
	return cookie, nil
}

func (t *target) connect(ctx context.Context, user string) (l *listener, err error) {
	l = &listener{}
	if !t.floor && t.subject == nil {
		if l.cookie, err = t.signIn(ctx, user); err != nil {
			return nil, err
		}
	}
	if err := t.dial(ctx, l); err != nil || t.floor {
		return l, err
	}
	if err := l.open(t.opens()); err != nil {
		_ = l.socket.Close()
		return nil, err
	}
	return l, nil
}

// open says hello and opens cursors.
func (l *listener) open(cursors []wire.Request) error {
	if _, err := l.ask([]wire.Request{{Hello: wire.Version}}); err != nil {
		return err
	}
	for i, cursor := range cursors {
		cursor.ID = uint64(i + 1)
		if err := l.socket.WriteJSON(cursor); err != nil {
			return err
		}
		answer, err := l.answer(cursor.ID)
		if err != nil {
			return err
		}
		if answer.Error != nil {
			return fmt.Errorf("open %s: %s", cursor.Open, answer.Error.Message)
		}
	}
	return nil
}

// answer reads messages until the answer to a request.
func (l *listener) answer(id uint64) (answer wire.Answer, err error) {
	for {
		_, message, err := l.socket.ReadMessage()
		if err != nil {
			return answer, err
		}
		frames, err := wire.Frames(message)
		if err != nil {
			return answer, err
		}
		for _, frame := range frames {
			var kind struct{ ID uint64 }
			if err := json.Unmarshal(frame, &kind); err != nil {
				return answer, err
			}
			if kind.ID == id {
				return answer, json.Unmarshal(frame, &answer)
			}
		}
	}
}

// opens are the cursors that each client holds.
func (t *target) opens() []wire.Request {
	if t.subject != nil {
		return []wire.Request{{Open: t.subject.Cursor, In: t.subject.With}}
	}
	return []wire.Request{{Open: "posts.published"}, {Open: "posts.mine"}}
}

// commitMark begins a commit, and mergedMark several that had to wait and became
// one frame, from that with one seq to that with another. Nothing else that a
// server sends begins so.
var commitMark, mergedMark = []byte(`{"seq":`), []byte(`{"from":`)

// commitsIn counts the commits that a message tells of. While a benchmark waits,
// all that are made reach the clients that it waits for, so a merged frame tells of
// each from its first to its last.
func commitsIn(message []byte) int64 {
	n := int64(bytes.Count(message, commitMark))
	for {
		_, rest, found := bytes.Cut(message, mergedMark)
		if !found {
			return n
		}
		var from, to int64
		if _, err := fmt.Sscanf(string(rest[:min(len(rest), 64)]), `%d,"seq":%d`, &from, &to); err == nil {
			n += to - from + 1
		}
		message = rest
	}
}

// read counts the commits that a client is sent.
func (t *target) read(l *listener) {
	for {
		_, message, err := l.socket.ReadMessage()
		if err != nil {
			return
		}
		n := commitsIn(message)
		if n == 0 {
			continue
		}
		l.size.Store(int64(len(message)))
		l.got.Add(n)
		if now := t.got.Add(n); now >= t.want.Load() && now-n < t.want.Load() {
			t.reached <- time.Now()
		}
	}
}

// reach makes posts, one after another, waits until all who may see one have it,
// and notes how long each took.
func (t *target) reach(ctx context.Context, req *loadRequest) (reply loadReply, err error) {
	method, path, body := t.message(req)
	for i := range req.Times {
		matching, cookie := t.listeners, t.writer
		if !req.Published && !t.floor {
			chosen := t.listeners[i*7%len(t.listeners)]
			matching, cookie = []*listener{chosen}, chosen.cookie
		}
		var made created
		took, err := t.await(ctx, matching, 1, func() error { return t.send(ctx, method, path, cookie, body, &made) })
		if err != nil {
			return reply, err
		}
		if req.Published && t.subject == nil {
			t.made = append(t.made, made.ID)
		}
		reply.Seconds = append(reply.Seconds, took.Seconds())
	}
	reply.Size = int(t.listeners[0].size.Load())
	return reply, nil
}

// burst has as many writers each make a change to one of the newest posts, all at
// once, and waits until everybody has every change.
func (t *target) burst(ctx context.Context, req *loadRequest) (reply loadReply, err error) {
	method, path, message := t.message(req)
	if !t.floor && t.subject == nil && len(t.made) < burstPosts {
		return reply, fmt.Errorf("a burst changes %d posts; there are %d", burstPosts, len(t.made))
	}
	change := func(writer int) error {
		if t.floor || t.subject != nil {
			return t.send(ctx, method, path, "", message, nil)
		}
		body := fmt.Appendf(nil, `{"body":"%s %d %d"}`, strings.Repeat("y", 80), time.Now().UnixNano(), writer)
		return t.send(ctx, http.MethodPatch, "/posts/"+t.made[len(t.made)-1-writer%burstPosts], t.writer, body, nil)
	}
	for range req.Times {
		took, err := t.await(ctx, t.listeners, req.Writers, func() error { return together(req.Writers, req.Writers, change) })
		if err != nil {
			return reply, err
		}
		reply.Seconds = append(reply.Seconds, took.Seconds())
	}
	return reply, nil
}

// patience is how long a benchmark waits for a message.
const patience = 30 * time.Second

// await makes commits and waits until each of the listeners has them all. It
// returns how long that took.
func (t *target) await(ctx context.Context, listeners []*listener, commits int, make func() error) (time.Duration, error) {
	before := map[*listener]int64{}
	for _, l := range listeners {
		before[l] = l.got.Load()
	}
	total := t.got.Load() + int64(commits*len(listeners))
	t.want.Store(total)
	began := time.Now()
	if err := make(); err != nil {
		return 0, err
	}
	select {
	case last := <-t.reached:
		for l, had := range before {
			if got := l.got.Load() - had; got != int64(commits) {
				return 0, fmt.Errorf("a client was sent %d of %d commits", got, commits)
			}
		}
		return last.Sub(began), nil
	case <-time.After(patience):
		if t.subject != nil && t.got.Load() == total-int64(commits*len(listeners)) {
			return 0, fmt.Errorf("what %s makes has not come to those who hold %s within %s: do visitors see it? --call takes another action, or input", t.subject.Call, t.subject.Cursor, patience)
		}
		return 0, fmt.Errorf("%d messages of %d were lost: they have not come within %s", total-t.got.Load(), commits*len(listeners), patience)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// message is what is posted, and where.
func (t *target) message(req *loadRequest) (method, path string, body []byte) {
	if t.subject != nil {
		method, path, _ = strings.Cut(t.subject.Call, " ")
		return method, path, t.subject.In
	}
	if t.floor {
		pad := max(0, req.Size-len(commitMark)-len(`1,"pad":""}`))
		return http.MethodPost, "/broadcast", fmt.Appendf(nil, `%s1,"pad":"%s"}`, commitMark, strings.Repeat("x", pad))
	}
	body, _ = json.Marshal(map[string]any{"title": "A note on the board", "body": strings.Repeat("x", 80), "published": req.Published}) // strings and a bool
	return http.MethodPost, "/posts", body
}

// write has clients write one record after another, which nobody is told of.
func (t *target) write(ctx context.Context, req *loadRequest) (loadReply, error) {
	method, path, body := t.message(&loadRequest{})
	if t.floor {
		path, body = "/records", bytes.Repeat([]byte{'x'}, req.Size)
	}
	var written atomic.Int64
	began := time.Now()
	end := began.Add(req.For)
	err := together(req.Writers, req.Writers, func(int) error {
		for time.Now().Before(end) {
			if err := t.send(ctx, method, path, t.writer, body, nil); err != nil {
				return err
			}
			written.Add(1)
		}
		return nil
	})
	return loadReply{Written: float64(written.Load()) / time.Since(began).Seconds()}, err
}

// send makes a request, and decodes what it answers into out, unless that is nil
// or the floor answers, which says nothing.
func (t *target) send(ctx context.Context, method, path, cookie string, body []byte, out any) error {
	_, text, err := t.request(ctx, method, path, cookie, body)
	if err == nil && out != nil && !t.floor {
		err = json.Unmarshal(text, out)
	}
	return err
}

func (t *target) request(ctx context.Context, method, path, cookie string, body []byte) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, t.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cookie", cookie)
	response, err := t.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		var refused struct{ Error wire.Error }
		_ = json.Unmarshal(text, &refused) // it may not be JSON; the status says enough
		err = fmt.Errorf("%s %s: %s %s", method, path, response.Status, refused.Error.Message)
		for field, problems := range refused.Error.Problems {
			err = fmt.Errorf("%w; %s %s", err, field, strings.Join(problems, ", "))
		}
	}
	return response.Header, text, err
}
