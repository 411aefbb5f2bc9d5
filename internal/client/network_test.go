package client_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/towertest"
)

// A network is between browsers and an application. It imitates the faults of proxies
// and firewalls. Tests in pages set the faults.
type network struct {
	http.Handler
	app    *towertest.App
	server *httptest.Server
	proxy  *httputil.ReverseProxy
	ctx    context.Context

	mu      sync.Mutex
	faults  faults
	cables  map[*cable]bool
	opened  map[string]int // by transport
	carried *sync.Cond     // signaled when cables change
}

type faults struct {
	Upgrade string // effect on WebSocket upgrades: "" none, "strip", "hang", or a status
	Buffer  bool   // streams are buffered until they end
	Idle    int    // ms of silence before a connection is cut
	Stall   bool   // nothing passes on the current connections
	Absent  string // "" the server is reachable, "gone" nothing answers, "502" a proxy answers
}

// A cable is a connection from a browser.
type cable struct {
	net.Conn
	network *network
	carries atomic.Bool // whether it carries a stream, a poll or a socket
	stalled atomic.Bool
	passed  atomic.Int64 // time of the last data, in ms
}

func newNetwork(t *testing.T, pages map[string][]byte) *network {
	ctx, cancel := context.WithCancel(t.Context())
	n := &network{app: towertest.Open(t, notes()), ctx: ctx, cables: map[*cable]bool{}, opened: map[string]int{}}
	n.carried = sync.NewCond(&n.mu)
	target, err := url.Parse(n.app.URL)
	if err != nil {
		t.Fatal(err)
	}
	n.proxy = &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}, ErrorLog: log.New(io.Discard, "", 0), ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }}

	mux := http.NewServeMux()
	for path, source := range pages {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `<!doctype html><title>tests</title><body><script type="module">`+string(source)+`</script>`)
		})
	}
	mux.HandleFunc("PUT /faults", n.setFaults)
	mux.HandleFunc("PUT /notes/{text}", n.write)
	mux.HandleFunc("GET /notes", n.truth)
	mux.HandleFunc("GET /_tower/socket", n.forward("socket"))
	mux.HandleFunc("POST /_tower/stream", n.forward("stream"))
	mux.HandleFunc("POST /_tower/poll", n.forward("poll"))
	mux.Handle("/", n.proxy)
	n.server = httptest.NewUnstartedServer(n.unlessAbsent(mux))
	n.server.Listener = n.listen(n.server.Listener)
	n.server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, cableKey{}, conn)
	}
	n.server.Start()
	var reaper sync.WaitGroup
	reaper.Go(n.reap)
	t.Cleanup(func() {
		cancel()
		n.carried.Broadcast()
		n.cut(func(*cable) bool { return true })
		n.server.Close()
		reaper.Wait()
	})
	return n
}

// unlessAbsent forwards requests unless the server is absent.
func (n *network) unlessAbsent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.current().Absent {
		case "":
			next.ServeHTTP(w, r)
		case "502":
			http.Error(w, "the server behind this proxy does not answer", http.StatusBadGateway)
		default:
			panic(http.ErrAbortHandler)
		}
	})
}

// disappear makes the server unreachable.
func (n *network) disappear(how string) {
	n.set(faults{Absent: how})
	n.cut(func(*cable) bool { return true })
}

type cableKey struct{}

func (n *network) listen(from net.Listener) net.Listener { return &cableListener{from, n} }

// A cableListener wraps accepted connections in cables.
type cableListener struct {
	net.Listener
	network *network
}

func (j *cableListener) Accept() (net.Conn, error) {
	conn, err := j.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &cable{Conn: conn, network: j.network}
	c.passes()
	j.network.mu.Lock()
	defer j.network.mu.Unlock()
	j.network.cables[c] = true
	return c, nil
}

func (c *cable) passes() { c.passed.Store(time.Now().UnixMilli()) }

func (c *cable) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.stalled.Load() {
			c.passes()
			return n, err
		}
	}
}

func (c *cable) Write(p []byte) (int, error) {
	if c.stalled.Load() {
		return len(p), nil
	}
	c.passes()
	return c.Conn.Write(p)
}

func (c *cable) Close() error {
	c.network.mu.Lock()
	delete(c.network.cables, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}

// reap cuts connections that are idle for too long.
func (n *network) reap() {
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-tick.C:
		case <-n.ctx.Done():
			tick.Stop()
			return
		}
		if idle := n.current().Idle; idle > 0 {
			before := time.Now().UnixMilli() - int64(idle)
			n.cut(func(c *cable) bool { return c.carries.Load() && c.passed.Load() < before })
		}
	}
}

func (n *network) cut(which func(*cable) bool) {
	for _, c := range n.all() {
		if which(c) {
			_ = c.Close()
		}
	}
}

func (n *network) all() (cables []*cable) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.cables {
		cables = append(cables, c)
	}
	return cables
}

func (n *network) current() faults {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.faults
}

func (n *network) count(transport string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.opened[transport]
}

func (n *network) setFaults(w http.ResponseWriter, r *http.Request) {
	var set faults
	if err := json.NewDecoder(r.Body).Decode(&set); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.set(set)
}

func (n *network) set(f faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
	if f.Stall {
		n.stall()
	}
}

// stall stalls the current connections. It waits if there are none, as between two polls.
func (n *network) stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for stalled := false; !stalled && n.ctx.Err() == nil; {
		for c := range n.cables {
			if c.carries.Load() && !c.stalled.Load() {
				c.stalled.Store(true)
				stalled = true
			}
		}
		if !stalled {
			n.carried.Wait()
		}
	}
}

func (n *network) setCarries(c *cable, now bool) {
	n.mu.Lock()
	c.carries.Store(now)
	n.mu.Unlock()
	n.carried.Broadcast()
}

// forward returns a handler that forwards the requests of a transport, with the faults of
// the network.
func (n *network) forward(transport string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(cableKey{}).(*cable)
		n.mu.Lock()
		n.opened[transport]++
		n.mu.Unlock()
		lasts := time.AfterFunc(50*time.Millisecond, func() { n.setCarries(c, true) }) // a shorter request is an answer, not a poll
		defer n.setCarries(c, false)
		defer lasts.Stop()
		switch f := n.current(); {
		case transport == "socket" && f.Upgrade == "strip":
			r.Header.Del("Upgrade")
			r.Header.Del("Connection")
		case transport == "socket" && f.Upgrade == "hang":
			<-r.Context().Done()
			return
		case transport == "socket" && f.Upgrade != "":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(map[string]int{"200": 200, "400": 400, "502": 502}[f.Upgrade])
			_, _ = io.WriteString(w, "<p>This is a page of the network.")
			return
		case transport == "stream" && f.Buffer:
			buffered := httptest.NewRecorder()
			n.proxy.ServeHTTP(buffered, r)
			_, _ = w.Write(buffered.Body.Bytes())
			return
		}
		n.proxy.ServeHTTP(w, r)
	}
}

func (n *network) write(w http.ResponseWriter, r *http.Request) {
	if err := Notes.Create(r.Context(), n.app, &Note{Text: r.PathValue("text")}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (n *network) truth(w http.ResponseWriter, r *http.Request) {
	notes, err := Notes.All().Records(r.Context(), n.app)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(notes)
}

// The application has notes. All users see and write them. The cursor mine has only
// those of the current user.

type Note struct {
	tower.Record
	Text  string `json:"text"`
	Owner string `json:"owner"`
}

var Notes = tower.NewModel[Note]("notes")

type Session struct{ *tower.Connection }

type NotesController struct{ *Session }

func (c *NotesController) All(context.Context, struct{}) (tower.Scope[Note], error) {
	return Notes.All(), nil
}

func (c *NotesController) Mine(context.Context, struct{}) (tower.Scope[Note], error) {
	return Notes.Where(tower.Is(&Notes.Fields.Owner, string(c.UserID()))), nil
}

func (c *NotesController) Create(ctx context.Context, in struct {
	Text string `json:"text"`
}) (*Note, error) {
	note := &Note{Text: in.Text, Owner: string(c.UserID())}
	return note, Notes.Create(ctx, c, note)
}

func (c *NotesController) Page(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }

func (c *NotesController) Greet(_ context.Context, in struct{}) (string, error) { return "hello", nil }

func (c *NotesController) SignIn(ctx context.Context, in struct {
	User tower.ID `json:"user"`
}) (struct{}, error) {
	c.Connection.SignIn(ctx, in.User)
	return struct{}{}, nil
}

func notes() tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*Session, error) { return &Session{c}, nil })
	notes := tower.Mount(r, "notes", func(s *Session) *NotesController { return &NotesController{s} })
	tower.Cursor(notes, "all", (*NotesController).All)
	tower.Cursor(notes, "mine", (*NotesController).Mine)
	tower.Action(notes, "POST /notes", (*NotesController).Create)
	tower.Action(notes, "GET /greeting", (*NotesController).Greet)
	tower.Action(notes, "POST /session", (*NotesController).SignIn)
	tower.Page(notes, "GET /mine", (*NotesController).Page)
	tower.Page(notes, "GET /also", (*NotesController).Page)
	page := []byte(`{{define "main"}}<h1>Of {{or .Session.UserID "visitors"}}</h1>
		{{$list := .Cursor "mine" "notes/_note.html"}}<ul {{$list.Attrs}}>{{$list.Items}}</ul>{{end}}`)
	return tower.Config{Name: "notes", Models: []tower.AnyModel{Notes}, Routes: r, Files: fstest.MapFS{
		"views/layout.html": {Data: []byte(`<!doctype html><meta name="tower" content='{"offline": true}'><link rel="stylesheet" href="/notes.css">
			<script type="module" src="/_tower/tower.js"></script>{{template "main" .}}`)},
		"views/notes/page.html":  {Data: page},
		"views/notes/_note.html": {Data: []byte(`<li>{{.Text}}</li>`)},
		"public/notes.css":       {Data: []byte(`h1 { color: rgb(1, 2, 3) }`)},
		"public/report.txt":      {Data: []byte(`A file that is not a page.`)},
	}}
}

// TestOnBadNetworks runs the tests of a page with a real application, on a network
// whose faults the page sets.
func TestOnBadNetworks(t *testing.T) {
	n := newNetwork(t, map[string][]byte{"/{$}": client.Bundle(t, "test/network/faults.ts")})
	client.RunPage(t, client.NewTab(t, client.StartBrowser(t)), n.server.URL+"/?network", 3*time.Minute)
}
