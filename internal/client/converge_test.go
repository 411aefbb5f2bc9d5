package client_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/wire"
)

// TestClientsConverge runs clients in Chromium and, if it is installed, in Node. They
// write at random during a storm of network faults, over different transports. Pages
// are reloaded and crash, connections fail, and the server is killed. After the storm,
// each client holds the result of a fresh query by its user, each write took effect
// once or was reported as refused, and no write is left over. TOWER_TEST_SEED repeats
// a storm. TOWER_TEST_STORM sets its length.
func TestClientsConverge(t *testing.T) {
	seed, length := stormOf(t)
	h := newHarness(t, seed, serverProcess{Data: filepath.Join(t.TempDir(), "chores.db"), Folder: t.TempDir(), Addr: freeAddr(t)})
	h.startPages(2)
	h.startNode(3)
	h.rage(length)
	h.calm()
	h.compare()
}

// stormOf returns the seed and the length of a storm.
func stormOf(t *testing.T) (seed uint64, length time.Duration) {
	t.Helper()
	seed, length = uint64(time.Now().UnixNano())%1e9, 4*time.Second
	scan(t, "TOWER_TEST_SEED", &seed)
	if text := os.Getenv("TOWER_TEST_STORM"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d; a storm of %s", seed, length)
	t.Setenv("TOWER_AUDIT", "50ms")
	return seed, length
}

func scan(t *testing.T, variable string, into any) {
	t.Helper()
	if text := os.Getenv(variable); text != "" {
		if _, err := fmt.Sscan(text, into); err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
	}
}

// maxIdle is the longest time without progress at the end of a storm.
const maxIdle = 2 * time.Minute

// A harness runs the server, or several that are nodes of one application, the clients and
// the storms between them. Clients report the results of their writes to it.
type harness struct {
	t       *testing.T
	random  *rand.Rand
	servers []*serverProcess
	cookies map[tower.ID]string
	storms  []*storm
	pages   []*botPage

	mu      sync.Mutex
	changed chan struct{}
	phase   string
	clients map[string]*botClient
	made    map[string]bool   // tokens of writes that must survive
	done    map[string]bool   // tokens of acknowledged writes
	refused map[string]string // codes of refused writes, by token
}

// A botClient is a client that reports its contents at the end.
type botClient struct {
	user    tower.ID
	drained bool
	holds   map[string]contents
}

// contents are the records and pending ids of a cursor.
type contents struct {
	Records []map[string]any `json:"records"`
	Pending []string         `json:"pending"`
}

func newHarness(t *testing.T, seed uint64, servers ...serverProcess) *harness {
	h := &harness{t: t, random: rand.New(rand.NewPCG(seed, 1)), changed: make(chan struct{}), phase: "storm",
		clients: map[string]*botClient{}, made: map[string]bool{}, done: map[string]bool{}, refused: map[string]string{}}
	for i := range servers {
		s := &servers[i]
		h.servers = append(h.servers, s)
		h.serve(s)
		t.Cleanup(s.kill)
	}
	return h
}

func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// serve starts a server process and waits until it serves.
func (h *harness) serve(s *serverProcess) {
	h.t.Helper()
	orders, err := json.Marshal(s)
	if err != nil {
		h.t.Fatal(err)
	}
	s.process = exec.Command(os.Args[0])
	s.process.Env = append(os.Environ(), serveVariable+"="+string(orders), "TOWER_FOLDER="+s.Folder)
	s.process.Stderr = os.Stderr
	out, err := s.process.StdoutPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil && h.cookies == nil { // later processes accept the same cookies
		err = json.Unmarshal([]byte(line), &h.cookies)
	}
	if err != nil {
		h.t.Fatalf("the server does not start: %s %v", line, err)
	}
}

// kill kills the server process.
func (s *serverProcess) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// storm starts a server for one client: with a page, the storm in front of the real
// server, and the endpoint for its reports.
func (h *harness) storm(user tower.ID, script []byte) (name, url string) {
	var addrs []string
	for _, server := range h.servers {
		addrs = append(addrs, server.Addr)
	}
	s := newStorm(addrs, h.random.Uint64())
	mux := http.NewServeMux()
	mux.Handle("GET /_tower/socket", s)
	mux.Handle("/_tower/{what}", s.requests())
	mux.HandleFunc("GET /{client}/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", h.cookies[user]+"; Path=/")
		_, _ = io.WriteString(w, `<!doctype html><title>bot</title><script type="module" src="/bot.js"></script>`)
	})
	mux.HandleFunc("GET /bot.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(script)
	})
	name = fmt.Sprintf("bot%d.localhost", len(h.storms)) // cookies ignore the port, so each client needs a host of its own
	mux.HandleFunc("POST /{client}/harness/{what}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, _ = io.WriteString(w, h.report(name+"/"+r.PathValue("client"), r.PathValue("what"), body))
		}
	})
	server := httptest.NewServer(mux)
	h.storms = append(h.storms, s)
	h.t.Cleanup(func() {
		server.CloseClientConnections()
		s.close()
		server.Close()
	})
	return name, server.URL
}

func (h *harness) expect(client string, user tower.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[client] = &botClient{user: user}
}

// report stores a report of a client and returns the answer.
func (h *harness) report(from, what string, body []byte) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.clients[from]
	var report struct{ Token, Code string }
	err := json.Unmarshal(body, &report)
	switch {
	case c == nil:
		h.t.Errorf("unknown client %s reports %s", from, what)
	case what == "phase":
		return h.phase
	case what == "drained":
		c.drained = true
	case what == "holds":
		err = json.Unmarshal(body, &c.holds)
	case what == "made":
		h.made[report.Token] = true
	case what == "done":
		h.done[report.Token] = true
	case what == "refused":
		h.refused[report.Token] = report.Code
	}
	if err != nil {
		h.t.Errorf("%s reports %s: %v", from, what, err)
	}
	close(h.changed)
	h.changed = make(chan struct{})
	return ""
}

// await waits until a condition holds for all clients. It fails the test if no client
// makes progress.
func (h *harness) await(what string, is func(*botClient) bool) {
	h.t.Helper()
	for {
		h.mu.Lock()
		changed, waiting := h.changed, []string{}
		for name, c := range h.clients {
			if !is(c) {
				waiting = append(waiting, name)
			}
		}
		h.mu.Unlock()
		if len(waiting) == 0 {
			return
		}
		select {
		case <-changed:
		case <-time.After(maxIdle):
			for _, p := range h.pages {
				h.t.Logf("%s: %s", p.url, p.state())
			}
			h.t.Fatalf("%v have not %s, and made no progress for %s", waiting, what, maxIdle)
		}
	}
}

// startNode starts clients in one Node process.
func (h *harness) startNode(count int) {
	path, err := exec.LookPath("node")
	if err != nil {
		h.t.Log("Node is not installed; the test runs without its clients")
		return
	}
	script := filepath.Join(h.t.TempDir(), "bots.mjs")
	if err := os.WriteFile(script, client.Bundle(h.t, "test/bot.node.ts"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	type order struct {
		URL    string `json:"url"`
		Cookie string `json:"cookie"`
		Seed   uint32 `json:"seed"`
	}
	var orders []order
	for i := range count {
		user := choreUsers[i%len(choreUsers)]
		name, url := h.storm(user, nil)
		h.expect(name+"/node", user)
		orders = append(orders, order{url, h.cookies[user], h.random.Uint32()})
	}
	text, err := json.Marshal(orders)
	if err != nil {
		h.t.Fatal(err)
	}
	process := exec.Command(path, "--experimental-websocket", script) // the default since Node 22
	process.Env = append(os.Environ(), "TOWER_TEST_BOTS="+string(text), "NODE_NO_WARNINGS=1")
	output := &bytes.Buffer{}
	process.Stdout, process.Stderr = output, output
	if err := process.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		if output.Len() > 0 {
			h.t.Logf("output of Node:\n%s", output)
		}
	})
}

// A botPage is a client in a tab of Chromium.
type botPage struct {
	url string
	tab context.Context
}

// startPages starts clients in Chromium: the first two in tabs of one origin, which
// share the database, the others alone.
func (h *harness) startPages(count int) {
	browser := client.StartBrowser(h.t)
	script := client.Bundle(h.t, "test/bot.page.ts")
	for i := range count {
		user := choreUsers[i%len(choreUsers)]
		name, url := h.storm(user, script)
		for tab := range 2 - min(i, 1) {
			ctx, cancel := chromedp.NewContext(browser)
			h.t.Cleanup(cancel)
			if err := chromedp.Do(ctx); err != nil {
				h.t.Fatalf("open a tab: %v", err)
			}
			p := &botPage{url: fmt.Sprintf("%s/tab%d", strings.Replace(url, "127.0.0.1", name, 1), tab), tab: ctx}
			h.expect(fmt.Sprintf("%s/tab%d", name, tab), user)
			h.pages = append(h.pages, p)
			h.load(p)
		}
	}
}

// load loads or reloads a page. It retries if the page crashes.
func (h *harness) load(p *botPage) {
	h.t.Helper()
	url := fmt.Sprintf("%s/?seed=%d", p.url, h.random.Uint32())
	var err error
	for range 10 {
		ctx, cancel := context.WithTimeout(p.tab, maxIdle/10)
		err = chromedp.Do(ctx, chromedp.Navigate(url))
		cancel()
		if err == nil {
			return
		}
	}
	h.t.Fatalf("load %s: %v", p.url, err)
}

// crash crashes the process of the page. The navigation gets no answer.
func (p *botPage) crash() {
	ctx, cancel := context.WithTimeout(p.tab, 200*time.Millisecond)
	defer cancel()
	_ = chromedp.Do(ctx, chromedp.Navigate("chrome://crash"))
}

func (p *botPage) state() string {
	ctx, cancel := context.WithTimeout(p.tab, time.Minute)
	defer cancel()
	state, err := chromedp.Run(ctx, chromedp.Evaluate[string]("diagnostics()", chromedp.EvalAwaitPromise))
	return fmt.Sprint(state, err)
}

// rage causes faults at random for some time.
func (h *harness) rage(length time.Duration) {
	end := time.Now().Add(length)
	for time.Now().Before(end) {
		time.Sleep(time.Duration(50+h.random.IntN(400)) * time.Millisecond)
		switch h.random.IntN(4) {
		case 0:
			s := h.storms[h.random.IntN(len(h.storms))]
			s.set(false, true)
			time.AfterFunc(time.Duration(100+h.random.IntN(1500))*time.Millisecond, func() { s.set(false, false) })
		case 1:
			p := h.pages[h.random.IntN(len(h.pages))]
			if h.random.IntN(2) == 0 {
				p.crash()
			}
			h.load(p)
		case 2:
			server := h.servers[h.random.IntN(len(h.servers))]
			server.kill()
			for _, s := range h.storms {
				s.move()
			}
			h.serve(server)
		}
	}
}

// calm ends the storm, waits until all writes are answered, and then creates the record
// that marks the end for every client.
func (h *harness) calm() {
	h.t.Helper()
	for _, s := range h.storms {
		s.set(true, false)
		time.AfterFunc(1600*time.Millisecond, func() { s.set(true, false) }) // after the last failure has ended
	}
	h.mu.Lock()
	h.phase = "calm"
	h.mu.Unlock()
	h.await("sent what they wrote", func(c *botClient) bool { return c.drained })
	answer := h.ask(choreUsers[0], wire.Request{Call: "POST /chores", In: json.RawMessage(`{"title":"the end","shared":true}`)})
	if answer.Status != http.StatusCreated {
		h.t.Fatalf("the last call was answered by %+v", answer)
	}
	h.await("reported their contents", func(c *botClient) bool { return c.holds != nil })
}

// ask sends a request directly to the server.
func (h *harness) ask(user tower.ID, request wire.Request) *wire.Answer {
	h.t.Helper()
	socket, _, err := websocket.DefaultDialer.Dial("ws://"+h.servers[0].Addr+"/_tower/socket", http.Header{"Cookie": {h.cookies[user]}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer socket.Close()
	request.ID = 1
	if err := socket.WriteJSON([]wire.Request{{Hello: wire.Version}, request}); err != nil {
		h.t.Fatal(err)
	}
	for {
		_, message, err := socket.ReadMessage()
		if err != nil {
			h.t.Fatal(err)
		}
		frames, err := wire.Frames(message)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, frame := range frames {
			answer := &wire.Answer{}
			if err := json.Unmarshal(frame, answer); err != nil {
				h.t.Fatal(err)
			}
			if answer.ID == 1 {
				return answer
			}
		}
	}
}

// compare compares the contents of each client with a fresh query of its user, and
// each write with its marks.
func (h *harness) compare() {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	records := 0
	for name, c := range h.clients {
		for cursor, got := range c.holds {
			fresh := h.fresh(c.user, cursor, "chores")
			records += len(fresh)
			if len(got.Pending) > 0 || !reflect.DeepEqual(got.Records, fresh) {
				h.t.Errorf("%s, of user %s, has for %s, with %v pending\n%v\nwant\n%v", name, c.user, cursor, got.Pending, got.Records, fresh)
			}
		}
	}
	for _, s := range h.servers {
		if found, err := filepath.Glob(filepath.Join(s.divergences(), "*")); err != nil || len(found) > 0 {
			h.t.Errorf("a server found that clients hold something else than they should: %v, %v", found, err)
		}
	}
	marks := map[string]int{}
	for _, mark := range h.fresh(choreUsers[0], "plain.marks", "marks") {
		marks[mark["token"].(string)]++
	}
	for token, times := range marks {
		if times != 1 && token != "" {
			h.t.Errorf("write %s took effect %d times", token, times)
		}
		if code, refused := h.refused[token]; refused {
			h.t.Errorf("write %s took effect, and was reported as refused: %s", token, code)
		}
	}
	for token := range h.done {
		if marks[token] != 1 {
			h.t.Errorf("write %s was acknowledged and took effect %d times", token, marks[token])
		}
	}
	for token := range h.made {
		if _, refused := h.refused[token]; !refused && marks[token] == 0 {
			h.t.Errorf("write %s is lost: it neither took effect nor was reported as refused", token)
		}
	}
	if len(marks) < 20 || len(h.refused) == 0 || records == 0 {
		h.t.Errorf("the storm did too little: %d writes took effect, %d were acknowledged, %d refused; clients hold %d records", len(marks), len(h.done), len(h.refused), records)
	}
	h.t.Logf("%d writes are known, %d took effect, %d were refused; %d clients hold %d records", len(h.made), len(marks), len(h.refused), len(h.clients), records)
}

// fresh returns the current result of a query for a user.
func (h *harness) fresh(user tower.ID, cursor, model string) []map[string]any {
	h.t.Helper()
	request := wire.Request{Open: cursor}
	if cursor == "plain.ranked" {
		request.In = json.RawMessage(`{"below":3}`)
	}
	answer := h.ask(user, request)
	out := []map[string]any{}
	for _, record := range answer.Records[model] {
		var fields map[string]any
		if err := json.Unmarshal(record, &fields); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, fields)
	}
	return out
}
