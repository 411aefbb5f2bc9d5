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
	floor     bool // the server is the floor
	url       string
	http      *http.Client
	writer    string   // cookie of the user that writes
	subject   *Subject // nil for the sample application
	published []string // ids of the posts that the writer published
	since     string   // position of the last commit before the clients left
	clients   []*client
	readers   sync.WaitGroup

	received, wanted atomic.Int64          // commits, summed over all clients
	allReceived      chan time.Time        // when received reached wanted
	ended            atomic.Pointer[error] // of a client that the server has disconnected; nil: none
}

func newTarget(floor bool, url string) *target {
	return &target{floor: floor, url: url, allReceived: make(chan time.Time, 1),
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
}

func (t *target) close() {
	for _, c := range t.clients {
		_ = c.socket.Close()
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
	case "resume":
		return t.resume(ctx, req)
	}
	return loadReply{}, fmt.Errorf("unknown load request %q", req.Do)
}

// join connects more clients.
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
		if joined[i], err = t.connect(ctx, req.Users[i], addressOf(len(t.clients)+i)); err != nil {
			return fmt.Errorf("connect client %d: %w", len(t.clients)+i+1, err)
		}
		return nil
	})
	for _, c := range joined {
		if c != nil {
			t.clients = append(t.clients, c)
			t.readers.Go(func() { t.countCommits(c) })
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

func (t *target) connect(ctx context.Context, user, address string) (c *client, err error) {
	c = &client{address: address}
	if !t.floor && t.subject == nil {
		if c.cookie, err = t.signIn(ctx, user); err != nil {
			return nil, err
		}
	}
	if err := t.dial(ctx, c); err != nil || t.floor {
		return c, err
	}
	if err := c.open(t.cursorRequests()); err != nil {
		_ = c.socket.Close()
		return nil, refused(err)
	}
	return c, nil
}

// cursorRequests returns the requests that open the cursors of a client.
func (t *target) cursorRequests() []wire.Request {
	if t.subject != nil {
		return []wire.Request{{Open: t.subject.Cursor, In: t.subject.With}}
	}
	return []wire.Request{{Open: "posts.published"}, {Open: "posts.mine"}}
}

// reach creates posts one after another, and measures for each the time until every
// client that may see it has received it.
func (t *target) reach(ctx context.Context, req *loadRequest) (reply loadReply, err error) {
	method, path, body := t.writeRequest(req)
	for i := range req.Times {
		matching, cookie := t.clients, t.writer
		if !req.Published && !t.floor {
			chosen := t.clients[i*7%len(t.clients)]
			matching, cookie = []*client{chosen}, chosen.cookie
		}
		var created createdRecord
		took, err := t.await(ctx, matching, 1, func() error { return t.send(ctx, method, path, cookie, body, &created) })
		if err != nil {
			return reply, err
		}
		if req.Published && t.subject == nil {
			t.published = append(t.published, created.ID)
		}
		reply.Seconds = append(reply.Seconds, took.Seconds())
	}
	reply.Size = int(t.clients[0].size.Load())
	return reply, nil
}

// burst lets req.Writers writers change one of the newest posts each, all at once, and
// measures the time until every client has received every change.
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

// receiveTimeout is how long await waits for another message before it reports the rest lost.
const receiveTimeout = 30 * time.Second

// await calls commit, which makes a number of commits, and waits until each of the
// receivers has all of them. It returns the time from the call to the last receipt. A
// commit that does not arrive, or arrives at another client, is an error.
func (t *target) await(ctx context.Context, receivers []*client, commits int, commit func() error) (time.Duration, error) {
	before := map[*client]int64{}
	for _, c := range receivers {
		before[c] = c.received.Load()
	}
	total := t.received.Load() + int64(commits*len(receivers))
	t.wanted.Store(total)
	began := time.Now()
	if err := commit(); err != nil {
		return 0, err
	}
	for {
		had, silence := t.received.Load(), time.After(receiveTimeout)
		select {
		case last := <-t.allReceived:
			return last.Sub(began), eachReceived(before, commits)
		case <-silence:
			if now := t.received.Load(); now == had {
				return 0, t.lost(total-now, commits*len(receivers))
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// eachReceived returns an error if a client has not received exactly so many commits more than
// before.
func eachReceived(before map[*client]int64, commits int) error {
	for c, had := range before {
		if got := c.received.Load() - had; got != int64(commits) {
			return fmt.Errorf("a client received %d of %d commits", got, commits)
		}
	}
	return nil
}

// lost returns the error for messages that did not arrive.
func (t *target) lost(lost int64, of int) error {
	if t.subject != nil && lost == int64(of) {
		return fmt.Errorf("the records that %s creates did not reach the clients with %s open within %s: may visitors see them? use --call for another action or input", t.subject.Call, t.subject.Cursor, receiveTimeout)
	}
	if err := t.ended.Load(); err != nil {
		return fmt.Errorf("%d of %d messages did not arrive, because the server disconnected a client: %w", lost, of, *err)
	}
	return fmt.Errorf("%d of %d messages were lost: none has arrived for %s", lost, of, receiveTimeout)
}

// writeRequest returns the request that creates one record, or broadcasts one message
// on the floor.
func (t *target) writeRequest(req *loadRequest) (method, path string, body []byte) {
	if t.subject != nil {
		method, path, _ = strings.Cut(t.subject.Call, " ")
		return method, path, t.subject.In
	}
	if t.floor {
		pad := max(0, req.Size-len(commitMark)-len(`1,"pad":""}`))
		return http.MethodPost, "/broadcast", fmt.Appendf(nil, `%s1,"pad":"%s"}`, commitMark, strings.Repeat("x", pad))
	}
	body, _ = json.Marshal(map[string]any{"title": "A note on the board", "body": strings.Repeat("x", 80), "published": req.Published}) // strings and a bool cannot fail
	return http.MethodPost, "/posts", body
}

// write lets req.Writers writers create one record after another for the time req.For,
// and returns the rate. No client receives the records.
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

// send makes a request and decodes the body of the answer into out, unless out is nil
// or the target is the floor, whose answers are empty.
func (t *target) send(ctx context.Context, method, path, cookie string, body []byte, out any) error {
	_, text, err := t.request(ctx, method, path, cookie, body)
	if err == nil && out != nil && !t.floor {
		err = json.Unmarshal(text, out)
	}
	return err
}

// request makes a request. A status of 300 or more is an error with the message and the
// problems of the answer.
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
		_ = json.Unmarshal(text, &refused) // if it is not JSON, the status must do
		err = fmt.Errorf("%s %s: %s %s", method, path, response.Status, refused.Error.Message)
		for field, problems := range refused.Error.Problems {
			err = fmt.Errorf("%w; %s %s", err, field, strings.Join(problems, ", "))
		}
	}
	return response.Header, text, err
}
