package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A relay is the server of a test page. The page connects to /script and acts as the
// server: the relay forwards frames between the clients on /_tower/socket and this
// script. So the clients use a real network, and the script of the server is in the
// test, beside the assertions.
type relay struct {
	mux  *http.ServeMux
	open sync.WaitGroup // carriers

	mu      sync.Mutex
	script  *websocket.Conn
	clients map[int]carrier
	links   map[string]*link
	last    int
	refuse  bool
	user    string
	pages   map[string]string
	stored  *sync.Cond // a page
}

// A carrier sends messages to one client, over one of the transports.
type carrier interface {
	send(message string)
	end(code int, reason string)
	drop()
}

// order is a command of the script to the relay.
type order struct {
	Link   int     `json:"link"`
	Send   *string `json:"send"`
	Close  int     `json:"close"`
	Reason string  `json:"reason"`
	Drop   bool    `json:"drop"`
	Refuse *bool   `json:"refuse"`
	User   *string `json:"user"` // the user of the pages' cookie
}

// event is a message from the relay to the script.
type event struct {
	Link    int    `json:"link"`
	Event   string `json:"event"`   // ready, set, open, message, close, refused, session
	Message string `json:"message"` // for open: the cookies
}

var upgrader = websocket.Upgrader{}

func newRelay(suite []byte) *relay {
	r := &relay{mux: http.NewServeMux(), clients: map[int]carrier{}, links: map[string]*link{}, pages: map[string]string{}}
	r.stored = sync.NewCond(&r.mu)
	r.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		writePage(w, `<!doctype html><title>tests</title><body><script type="module" src="/suite.js"></script>`)
	})
	r.mux.HandleFunc("GET /suite.js", script(suite))
	r.mux.HandleFunc("GET /_tower/tower.js", script(Script))
	r.mux.HandleFunc("GET /_tower/worker.js", script(Worker))
	r.mux.HandleFunc("GET /_tower/socket", r.serveSocket)
	r.mux.HandleFunc("POST /_tower/stream", r.serveStream)
	r.mux.HandleFunc("POST /_tower/poll", r.servePoll)
	r.mux.HandleFunc("POST /_tower/send", r.serveBatch)
	r.mux.HandleFunc("GET /_tower/session", func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]string{"user": r.user})
	})
	r.mux.HandleFunc("POST /_tower/session", func(w http.ResponseWriter, req *http.Request) {
		ticket, _ := io.ReadAll(req.Body)
		r.emit(event{Event: "session", Message: req.Header.Get("Content-Type") + " " + string(ticket)})
		if string(ticket) == "refused" {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	r.mux.HandleFunc("GET /script", r.serveScript)
	r.mux.HandleFunc("/pages/", r.servePage)
	return r
}

func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

func script(source []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(source)
	}
}

func writePage(w io.Writer, html string) { _, _ = io.WriteString(w, html) }

// servePage stores a page on PUT and serves it on GET, which waits until it is stored. A POST shows the submitted form:
// only a native submit of the browser sends one.
func (r *relay) servePage(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch req.Method {
	case http.MethodPut:
		r.pages[req.URL.Path] = string(body)
		r.stored.Broadcast()
	case http.MethodPost:
		writePage(w, fmt.Sprintf("<!doctype html><p id=posted>%s %s</p>", req.URL.RequestURI(), strings.TrimSpace(string(body))))
	default:
		defer context.AfterFunc(req.Context(), r.stored.Broadcast)()
		for r.pages[req.URL.Path] == "" && req.Context().Err() == nil {
			r.stored.Wait()
		}
		writePage(w, r.pages[req.URL.Path])
	}
}

func (r *relay) serveScript(w http.ResponseWriter, req *http.Request) {
	conn, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.script = conn
	r.mu.Unlock()
	r.emit(event{Event: "ready"})
	for {
		var order order
		if conn.ReadJSON(&order) != nil {
			return
		}
		r.execute(order)
	}
}

func (r *relay) execute(order order) {
	if order.Refuse != nil || order.User != nil {
		r.set(order)
		r.emit(event{Event: "set"})
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	to := r.clients[order.Link]
	if to == nil {
		return
	}
	switch {
	case order.Send != nil:
		to.send(*order.Send)
	case order.Close != 0:
		to.end(order.Close, order.Reason)
	case order.Drop:
		to.drop()
	}
}

func (r *relay) set(order order) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if order.Refuse != nil {
		r.refuse = *order.Refuse
	}
	if order.User != nil {
		r.user = *order.User
	}
}

// refuses answers a client with an error, as a foreign server would, if the script has
// asked for it.
func (r *relay) refuses(w http.ResponseWriter) bool {
	r.mu.Lock()
	refuse := r.refuse
	r.mu.Unlock()
	if refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		r.emit(event{Event: "refused"})
	}
	return refuse
}

// join registers a client and reports it to the script. leave removes it again.
func (r *relay) join(client carrier, req *http.Request) (number int) {
	r.mu.Lock()
	r.last++
	number = r.last
	r.clients[number] = client
	r.mu.Unlock()
	r.emit(event{Link: number, Event: "open", Message: req.Header.Get("Cookie")})
	return number
}

func (r *relay) leave(number int) {
	r.mu.Lock()
	_, known := r.clients[number]
	delete(r.clients, number)
	r.mu.Unlock()
	if known {
		r.emit(event{Link: number, Event: "close"})
	}
}

type socket struct{ *websocket.Conn }

func (s socket) send(message string) { _ = s.WriteMessage(websocket.TextMessage, []byte(message)) }
func (s socket) drop()               { _ = s.UnderlyingConn().Close() }
func (s socket) end(code int, reason string) {
	_ = s.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}

func (r *relay) serveSocket(w http.ResponseWriter, req *http.Request) {
	if r.refuses(w) {
		return
	}
	conn, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	r.open.Add(1)
	defer r.open.Done()
	number := r.join(socket{conn}, req)
	defer r.leave(number)
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		r.emit(event{Link: number, Event: "message", Message: string(message)})
	}
}

func (r *relay) emit(event event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.script != nil {
		_ = r.script.WriteJSON(event)
	}
}

// close closes the script and every link, and waits for them.
func (r *relay) close() {
	r.mu.Lock()
	if r.script != nil {
		_ = r.script.Close()
	}
	for _, client := range r.clients {
		client.drop()
	}
	r.mu.Unlock()
	r.open.Wait()
}
