package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// A target is a server under load, and its clients.
type target struct {
	floor     bool
	url       string
	http      *http.Client
	writer    string   // cookie
	subject   *Subject // nil: the sample
	published []string // ids of what the writer published
	since     string   // position at which the listeners left
	clients   []*client
	readers   sync.WaitGroup

	received, wanted atomic.Int64 // messages, of all listeners
	allReceived      chan time.Time
}

func newTarget(floor bool, url string) *target {
	return &target{floor: floor, url: url, allReceived: make(chan time.Time, 1),
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
}

func (t *target) close() {
	for _, l := range t.clients {
		_ = l.socket.Close()
	}
	t.readers.Wait()
	t.http.CloseIdleConnections()
}

func (t *target) handle(ctx context.Context, req *loadRequest) (loadReply, error) {
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
		return loadReply{}, t.writeMissed(ctx, req)
	case "return":
		return t.resume(ctx, req)
	}
	return loadReply{}, fmt.Errorf("there is no request %q", req.Do)
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
	joined := make([]*client, len(req.Users))
	err = parallel(len(joined), 16, func(i int) (err error) {
		if joined[i], err = t.connect(ctx, req.Users[i]); err != nil {
			return fmt.Errorf("connect client %d: %w", len(t.clients)+i+1, err)
		}
		return nil
	})
	for _, l := range joined {
		if l != nil {
			t.clients = append(t.clients, l)
			t.readers.Go(func() { t.countCommits(l) })
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

func (t *target) connect(ctx context.Context, user string) (l *client, err error) {
	l = &client{}
	if !t.floor && t.subject == nil {
		if l.cookie, err = t.signIn(ctx, user); err != nil {
			return nil, err
		}
	}
	if err := t.dial(ctx, l); err != nil || t.floor {
		return l, err
	}
	if err := l.open(t.cursorRequests()); err != nil {
		_ = l.socket.Close()
		return nil, err
	}
	return l, nil
}

// cursorRequests are the cursors that each client holds.
func (t *target) cursorRequests() []wire.Request {
	if t.subject != nil {
		return []wire.Request{{Open: t.subject.Cursor, In: t.subject.With}}
	}
	return []wire.Request{{Open: "posts.published"}, {Open: "posts.mine"}}
}

// reach makes posts, one after another, waits until all who may see one have it,
// and notes how long each took.
func (t *target) reach(ctx context.Context, req *loadRequest) (reply loadReply, err error) {
	method, path, body := t.writeRequest(req)
	for i := range req.Times {
		matching, cookie := t.clients, t.writer
		if !req.Published && !t.floor {
			chosen := t.clients[i*7%len(t.clients)]
			matching, cookie = []*client{chosen}, chosen.cookie
		}
		var made createdRecord
		took, err := t.await(ctx, matching, 1, func() error { return t.send(ctx, method, path, cookie, body, &made) })
		if err != nil {
			return reply, err
		}
		if req.Published && t.subject == nil {
			t.published = append(t.published, made.ID)
		}
		reply.Seconds = append(reply.Seconds, took.Seconds())
	}
	reply.Size = int(t.clients[0].size.Load())
	return reply, nil
}

// burst has as many writers each make a change to one of the newest posts, all at
// once, and waits until everybody has every change.
func (t *target) burst(ctx context.Context, req *loadRequest) (reply loadReply, err error) {
	method, path, message := t.writeRequest(req)
	if !t.floor && t.subject == nil && len(t.published) < burstPosts {
		return reply, fmt.Errorf("a burst changes %d posts; there are %d", burstPosts, len(t.published))
	}
	change := func(writer int) error {
		if t.floor || t.subject != nil {
			return t.send(ctx, method, path, "", message, nil)
		}
		body := fmt.Appendf(nil, `{"body":"%s %d %d"}`, strings.Repeat("y", 80), time.Now().UnixNano(), writer)
		return t.send(ctx, http.MethodPatch, "/posts/"+t.published[len(t.published)-1-writer%burstPosts], t.writer, body, nil)
	}
	for range req.Times {
		took, err := t.await(ctx, t.clients, req.Writers, func() error { return parallel(req.Writers, req.Writers, change) })
		if err != nil {
			return reply, err
		}
		reply.Seconds = append(reply.Seconds, took.Seconds())
	}
	return reply, nil
}

// receiveTimeout is how long a benchmark waits for a message.
const receiveTimeout = 30 * time.Second

// await makes commits and waits until each of the listeners has them all. It
// returns how long that took.
func (t *target) await(ctx context.Context, listeners []*client, commits int, make func() error) (time.Duration, error) {
	before := map[*client]int64{}
	for _, l := range listeners {
		before[l] = l.received.Load()
	}
	total := t.received.Load() + int64(commits*len(listeners))
	t.wanted.Store(total)
	began := time.Now()
	if err := make(); err != nil {
		return 0, err
	}
	select {
	case last := <-t.allReceived:
		for l, had := range before {
			if got := l.received.Load() - had; got != int64(commits) {
				return 0, fmt.Errorf("a client was sent %d of %d commits", got, commits)
			}
		}
		return last.Sub(began), nil
	case <-time.After(receiveTimeout):
		if t.subject != nil && t.received.Load() == total-int64(commits*len(listeners)) {
			return 0, fmt.Errorf("what %s makes has not come to those who hold %s within %s: do visitors see it? --call takes another action, or input", t.subject.Call, t.subject.Cursor, receiveTimeout)
		}
		return 0, fmt.Errorf("%d messages of %d were lost: they have not come within %s", total-t.received.Load(), commits*len(listeners), receiveTimeout)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// writeRequest is what is posted, and where.
func (t *target) writeRequest(req *loadRequest) (method, path string, body []byte) {
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
	method, path, body := t.writeRequest(&loadRequest{})
	if t.floor {
		path, body = "/records", bytes.Repeat([]byte{'x'}, req.Size)
	}
	var written atomic.Int64
	began := time.Now()
	end := began.Add(req.For)
	err := parallel(req.Writers, req.Writers, func(int) error {
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
