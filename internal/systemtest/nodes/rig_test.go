package nodes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/transport"
	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/line"
	"github.com/towerkit/tower/internal/wire/replica"
	"github.com/towerkit/tower/towertest"
)

const patience = time.Minute

// A node is one of the servers of an application. Its end of the log can be cut off.
type node struct {
	*towertest.App
	log   *storetest.Node // nil: it is in PostgreSQL
	close func()
}

// patient is the pace of nodes that wait for each other as long as a test does.
var patient = server.Pace{Reach: patience, LogWait: patience}

// serve opens nodes of one application.
func serve(t *testing.T, n int) []*node {
	t.Helper()
	return serveAt(t, n, patient)
}

func serveAt(t *testing.T, n int, pace server.Pace) []*node {
	t.Helper()
	log := storetest.NewLog()
	var all []*node
	for i := range n {
		all = append(all, join(t, log, i, pace))
	}
	return all
}

// join adds a node to those that share a log.
func join(t *testing.T, log *storetest.Log, number int, pace server.Pace) *node {
	t.Helper()
	end := log.Node()
	n := &node{log: end}
	n.open(t, end, number, pace, func() { end.Away(nil) })
	return n
}

// open opens the application at an end of the log. calm is called before it is closed.
func (n *node) open(t *testing.T, end driver.Log, number int, pace server.Pace, calm func()) {
	t.Helper()
	c := config()
	c.Env, c.Data = "test", filepath.Join(t.TempDir(), "replica.db")
	c.Log = slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", number)
	c.Limits.MaxAddress, c.Limits.MaxVisitors = 10_000, 10_000
	app, err := tower.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server.ShareLog(server.AppOf(app), end)
	server.SetPace(server.AppOf(app), pace)
	if err := app.Open(); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(app.Handler())
	web.Config.ConnContext = transport.ConnContext
	web.Start()
	n.close = sync.OnceFunc(func() {
		calm()
		if err := app.Close(); err != nil {
			t.Errorf("close node %d: %v", number, err)
		}
		web.CloseClientConnections()
		web.Close()
	})
	t.Cleanup(n.close)
	n.App = &towertest.App{App: app, URL: web.URL, Transport: towertest.Socket}
}

// make makes a user.
func (n *node) make(t *testing.T, name string) *User {
	t.Helper()
	user := &User{Name: name}
	if err := users.Create(t.Context(), n, user); err != nil {
		t.Fatal(err)
	}
	return user
}

// write makes a note.
func (n *node) write(t *testing.T, text string) *Note {
	t.Helper()
	note := &Note{Text: text}
	if err := notes.Create(t.Context(), n, note); err != nil {
		t.Fatal(err)
	}
	return note
}

// level waits until a node has what another has, and its connections too.
func (n *node) level(t *testing.T, other *node) {
	t.Helper()
	await(t, "the newest commits", func() bool { return n.Seq() >= other.Seq() })
	if err := n.Wait(t.Context(), other.Seq()); err != nil {
		t.Fatal(err)
	}
}

// await waits until done returns true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); <-time.After(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("no %s within %s", what, patience)
		}
	}
}

// A browser sends requests to any node, with the cookies that all of them have given.
type browser struct {
	t   *testing.T
	jar http.CookieJar
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, jar}
}

// site is the address that a browser knows all nodes by.
var site = &url.URL{Scheme: "http", Host: "site.test", Path: "/"}

// A response is the whole answer to a request.
type response struct {
	*http.Response
	text string
}

// send sends a request to a node. A body that is a string is a form, another is JSON.
func (b *browser) send(n *node, method, path string, body any, header ...string) response {
	b.t.Helper()
	var reader io.Reader
	kind := ""
	switch body := body.(type) {
	case nil:
	case string:
		reader, kind = strings.NewReader(body), "application/x-www-form-urlencoded"
	default:
		data, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		reader, kind = bytes.NewReader(data), "application/json"
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, n.URL+path, reader)
	if err != nil {
		b.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for _, cookie := range b.jar.Cookies(site) {
		r.AddCookie(cookie)
	}
	client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.jar.SetCookies(site, answer.Cookies())
	return response{answer, string(text)}
}

// cookie returns the value of a cookie, "" if there is none.
func (b *browser) cookie(name string) string {
	for _, c := range b.jar.Cookies(site) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// signIn makes the browser a user's.
func (b *browser) signIn(n *node, user tower.ID) {
	b.t.Helper()
	cookie, err := n.Cookie(user)
	if err != nil {
		b.t.Fatal(err)
	}
	b.jar.SetCookies(site, []*http.Cookie{cookie})
}

// A peer is a client that has only the protocol. It holds what the cursor notes.all holds,
// and takes that along from node to node.
type peer struct {
	t         *testing.T
	transport string
	browser   *browser
	line      line.Line
	state     *replica.Replica
	cursor    uint64
	lastID    uint64
	hello     wire.Hello
	resyncs   []string
	pushes    []string // their outputs
}

func newPeer(t *testing.T, transport string) *peer {
	return &peer{t: t, transport: transport, browser: newBrowser(t), state: &replica.Replica{}}
}

// connect connects to a node and resumes there. It leaves the node that it was connected to.
func (p *peer) connect(n *node) {
	p.t.Helper()
	answer, err := p.tryConnect(n)
	if err == nil && answer.Error != nil {
		err = errors.New(answer.Error.Message)
	}
	if err != nil {
		p.t.Fatalf("connect over a %s: %v", p.transport, err)
	}
}

func (p *peer) tryConnect(n *node) (*wire.Answer, error) {
	p.t.Helper()
	p.leave()
	header := http.Header{}
	for _, cookie := range p.browser.jar.Cookies(site) {
		header.Add("Cookie", cookie.String())
	}
	var err error
	if p.line, err = line.Dial(p.t.Context(), p.transport, n.URL, header); err != nil {
		p.line = nil
		return nil, err
	}
	p.t.Cleanup(p.leave)
	if err := p.send(wire.Request{Hello: wire.Version}); err != nil {
		return nil, err
	}
	p.hello = wire.Hello{}
	for p.hello.Hello == 0 {
		if _, err := p.receive(); err != nil {
			return nil, err
		}
	}
	return p.ask(wire.Request{Open: "notes.all", Since: p.state.At})
}

func (p *peer) leave() {
	if p.line != nil {
		p.line.Close()
		p.line = nil
	}
}

func (p *peer) send(req wire.Request) error {
	frame, err := wire.Encode(req)
	if err != nil {
		return err
	}
	return p.line.Send(frame)
}

// call calls an action. It returns an error if the connection is lost.
func (p *peer) call(route string, in any, key string) (*wire.Answer, error) {
	p.t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.ask(wire.Request{Call: route, In: data, Key: key})
}

// ask sends a request, and applies all frames up to its answer.
func (p *peer) ask(req wire.Request) (*wire.Answer, error) {
	p.t.Helper()
	p.lastID++
	req.ID = p.lastID
	if err := p.send(req); err != nil {
		return nil, err
	}
	for {
		answers, err := p.receive()
		if err != nil {
			return nil, err
		}
		for _, answer := range answers {
			if answer.ID == req.ID {
				return answer, nil
			}
		}
	}
}

// receive receives a message and applies its frames. It returns the answers in it.
func (p *peer) receive() (answers []*wire.Answer, err error) {
	p.t.Helper()
	message, err := p.line.Receive()
	if err != nil {
		return nil, err
	}
	frames, err := wire.Frames(message)
	if err != nil {
		return nil, err
	}
	for _, frame := range frames {
		answer, err := p.apply(frame)
		if err != nil {
			p.t.Fatalf("%v in %s", err, frame)
		}
		if answer != nil {
			answers = append(answers, answer)
		}
	}
	return answers, nil
}

func (p *peer) apply(frame []byte) (*wire.Answer, error) {
	var kind struct {
		Hello, Status int
		Push          string
		Out           json.RawMessage
	}
	if err := json.Unmarshal(frame, &kind); err != nil {
		return nil, err
	}
	switch {
	case kind.Hello != 0:
		return nil, json.Unmarshal(frame, &p.hello)
	case kind.Push != "":
		p.pushes = append(p.pushes, string(kind.Out))
		return nil, nil
	case kind.Status != 0:
		answer := &wire.Answer{}
		err := json.Unmarshal(frame, answer)
		if err == nil && answer.Cursor != 0 {
			p.cursor = answer.Cursor
			_, err = p.state.Answer(answer)
			if answer.Resync != "" {
				p.resyncs = append(p.resyncs, answer.Resync)
			}
		}
		return answer, err
	}
	var commit wire.Commit
	if err := json.Unmarshal(frame, &commit); err != nil {
		return nil, err
	}
	records, err := replica.ByID(commit.Records)
	if err != nil {
		return nil, err
	}
	if delta := commit.Cursors[p.cursor]; delta != nil {
		_, err = p.state.Apply(commit.Seq, delta, records)
	}
	return nil, err
}

// texts returns the texts of the notes that the peer holds, by id.
func (p *peer) texts() map[string]string {
	all := map[string]string{}
	for _, record := range p.state.Records() {
		var note Note
		if err := json.Unmarshal(record, &note); err != nil {
			p.t.Fatal(err)
		}
		all[string(note.ID)] = note.Text
	}
	return all
}

// list returns what a node has.
func (n *node) list(t *testing.T) map[string]string {
	t.Helper()
	found, err := notes.All().Records(context.Background(), n)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, note := range found {
		all[string(note.ID)] = note.Text
	}
	return all
}

// health returns whether a node is ready, and the whole report.
func (n *node) health(t *testing.T) (status int, report string) {
	t.Helper()
	answer := newBrowser(t).send(n, "GET", "/_tower/health", nil)
	return answer.StatusCode, fmt.Sprintf("%+v", server.AppOf(n.App.App).Health())
}

// wireOut decodes the output of a call.
func wireOut(answer *wire.Answer, into any) error { return json.Unmarshal(answer.Out, into) }
