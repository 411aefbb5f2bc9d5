package client

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A relay is the server of a test page. The page opens /script and plays the
// server over it: what clients send on /_tower/socket is passed on to it, and
// what it answers is passed back. So the clients under test cross a real
// network, and the script stands beside the assertions.
type relay struct {
	mux   *http.ServeMux
	links sync.WaitGroup

	mu      sync.Mutex
	script  *websocket.Conn
	clients map[int]*websocket.Conn
	last    int
	refuse  bool
	pages   map[string]string
}

// order is what the script tells the relay to do.
type order struct {
	Link   int     `json:"link"`
	Send   *string `json:"send"`
	Close  int     `json:"close"`
	Reason string  `json:"reason"`
	Drop   bool    `json:"drop"`
	Refuse *bool   `json:"refuse"`
}

// event is what the relay tells the script.
type event struct {
	Link    int    `json:"link"`
	Event   string `json:"event"`   // ready, open, message, close, refused, session
	Message string `json:"message"` // of open: the cookies
}

var upgrader = websocket.Upgrader{}

func newRelay(suite []byte) *relay {
	r := &relay{mux: http.NewServeMux(), clients: map[int]*websocket.Conn{}, pages: map[string]string{}}
	r.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		page(w, `<!doctype html><title>tests</title><body><script type="module" src="/suite.js"></script>`)
	})
	r.mux.HandleFunc("GET /suite.js", script(suite))
	r.mux.HandleFunc("GET /_tower/tower.js", script(Script))
	r.mux.HandleFunc("GET /_tower/socket", r.serveClient)
	r.mux.HandleFunc("POST /_tower/session", func(w http.ResponseWriter, req *http.Request) {
		ticket, _ := io.ReadAll(req.Body)
		r.tell(event{Event: "session", Message: req.Header.Get("Content-Type") + " " + string(ticket)})
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

func page(w io.Writer, html string) { _, _ = io.WriteString(w, html) }

// servePage keeps what is PUT and serves it; a POST, which only the browser's
// own way of sending a form makes, is shown.
func (r *relay) servePage(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch req.Method {
	case http.MethodPut:
		r.pages[req.URL.Path] = string(body)
	case http.MethodPost:
		page(w, fmt.Sprintf("<!doctype html><p id=posted>%s %s</p>", req.URL.RequestURI(), strings.TrimSpace(string(body))))
	default:
		page(w, r.pages[req.URL.Path])
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
	r.tell(event{Event: "ready"})
	for {
		var order order
		if conn.ReadJSON(&order) != nil {
			return
		}
		r.obey(order)
	}
}

func (r *relay) obey(order order) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if order.Refuse != nil {
		r.refuse = *order.Refuse
		return
	}
	client := r.clients[order.Link]
	if client == nil {
		return
	}
	switch {
	case order.Send != nil:
		_ = client.WriteMessage(websocket.TextMessage, []byte(*order.Send))
	case order.Close != 0:
		reason := websocket.FormatCloseMessage(order.Close, order.Reason)
		_ = client.WriteControl(websocket.CloseMessage, reason, time.Now().Add(time.Second))
	case order.Drop:
		_ = client.UnderlyingConn().Close()
	}
}

func (r *relay) serveClient(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	refuse := r.refuse
	r.mu.Unlock()
	if refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		r.tell(event{Event: "refused"})
		return
	}
	conn, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	r.links.Add(1)
	defer r.links.Done()
	r.mu.Lock()
	r.last++
	link := r.last
	r.clients[link] = conn
	r.mu.Unlock()

	r.tell(event{Link: link, Event: "open", Message: req.Header.Get("Cookie")})
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			break
		}
		r.tell(event{Link: link, Event: "message", Message: string(message)})
	}
	r.mu.Lock()
	delete(r.clients, link)
	r.mu.Unlock()
	r.tell(event{Link: link, Event: "close"})
}

func (r *relay) tell(event event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.script != nil {
		_ = r.script.WriteJSON(event)
	}
}

// close ends the script and every link, and waits for them.
func (r *relay) close() {
	r.mu.Lock()
	if r.script != nil {
		_ = r.script.Close()
	}
	for _, client := range r.clients {
		_ = client.Close()
	}
	r.mu.Unlock()
	r.links.Wait()
}
