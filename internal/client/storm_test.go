package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A storm is a faulty network between one client and the server. Until it is calm, it
// delays messages, delivers them twice or in part, drops connections, leaves them
// half open, and blocks them for some time. It does the same to requests.
type storm struct {
	addrs []string // of the servers

	mu     sync.Mutex
	addr   string // of the server that the client is led to
	random *rand.Rand
	calm   bool
	away   bool // no connection passes
	links  map[*link]bool
	uptime context.Context // requests last until it ends
	end    func()          // ends uptime
	pumps  sync.WaitGroup
}

// A link is a pair of sockets, to the client and to the server.
type link struct {
	storm          *storm
	client, server *websocket.Conn

	mu     sync.Mutex
	random *rand.Rand
	mute   bool // half open: messages are lost
}

var stormUpgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func newStorm(addrs []string, seed uint64) *storm {
	s := &storm{addrs: addrs, random: rand.New(rand.NewPCG(seed, 2)), links: map[*link]bool{}}
	s.uptime, s.end = context.WithCancel(context.Background())
	s.move()
	return s
}

// move leads the client to a server at random from now on, as a load balancer does.
func (s *storm) move() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = s.addrs[s.random.IntN(len(s.addrs))]
}

func (s *storm) server() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// ServeHTTP connects a socket or refuses it.
func (s *storm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	blocked := s.away || !s.calm && s.random.IntN(6) == 0
	random := rand.New(rand.NewPCG(s.random.Uint64(), 3))
	s.mu.Unlock()
	if blocked {
		http.Error(w, "upgrades are blocked here", http.StatusForbidden)
		return
	}
	server, _, err := websocket.DefaultDialer.DialContext(r.Context(), "ws://"+s.server()+"/_tower/socket", http.Header{"Cookie": r.Header["Cookie"]})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, err := stormUpgrader.Upgrade(w, r, nil)
	if err != nil {
		_ = server.Close()
		return
	}
	l := &link{storm: s, client: client, server: server, random: random}
	s.mu.Lock()
	s.links[l] = true
	s.mu.Unlock()
	s.pumps.Go(func() { l.pump(client, server, true) })
	s.pumps.Go(func() { l.pump(server, client, false) })
}

// set sets the state of the network. If it is away, all connections break.
func (s *storm) set(calm, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm, s.away = calm, away
	if away {
		s.end()
		s.uptime, s.end = context.WithCancel(context.Background())
	}
	for l := range s.links {
		if away {
			l.cut()
		}
	}
}

func (s *storm) close() {
	s.set(true, true)
	s.end()
	s.pumps.Wait()
}

// requests returns a proxy for the HTTP transports.
func (s *storm) requests() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: s.server()})
			r.Out.Host = r.In.Host
		},
		Transport:     s,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, errBlocked) {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			panic(http.ErrAbortHandler)
		},
	}
}

var (
	errBlocked = errors.New("requests are blocked here")
	errLost    = errors.New("the response was lost")
)

// RoundTrip sends a request. During the storm it may drop, delay or repeat the request,
// or lose, cut off or delay the response.
func (s *storm) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	calm, away, n, most, uptime := s.calm, s.away, s.random.IntN(100), s.random.IntN(20_000), s.uptime
	delay, silence := time.Duration(s.random.IntN(30))*time.Millisecond, time.Duration(200+s.random.IntN(1500))*time.Millisecond
	s.mu.Unlock()
	if away || !calm && n < 4 {
		return nil, errBlocked
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	send := func() (*http.Response, error) {
		ctx, cancel := context.WithCancel(r.Context())
		context.AfterFunc(uptime, cancel)
		again := r.Clone(ctx)
		again.Body = io.NopCloser(bytes.NewReader(body))
		return http.DefaultTransport.RoundTrip(again)
	}
	isStream := strings.HasSuffix(r.URL.Path, "/stream")
	if !calm && n >= 70 {
		time.Sleep(delay)
	}
	if !calm && !isStream && n < 14 {
		response, err := send()
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		if n < 6 {
			time.Sleep(silence)
		}
		if n < 10 {
			return nil, errLost
		}
	}
	response, err := send()
	if err == nil && !calm && isStream && n < 50 {
		response.Body = &cutBody{response.Body, most, silence * time.Duration(n%2)}
	}
	return response, err
}

// A cutBody ends with an error, after a silence.
type cutBody struct {
	io.ReadCloser
	left    int
	silence time.Duration
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		time.Sleep(b.silence)
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// pump forwards messages from one socket to the other until one of them breaks.
func (l *link) pump(from, to *websocket.Conn, up bool) {
	defer func() {
		l.cut()
		l.storm.mu.Lock()
		delete(l.storm.links, l)
		l.storm.mu.Unlock()
	}()
	for first := true; ; first = false {
		_, message, err := from.ReadMessage()
		if closed, ok := err.(*websocket.CloseError); ok && closed.Code != websocket.CloseNoStatusReceived && closed.Code != websocket.CloseAbnormalClosure {
			_ = to.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(closed.Code, closed.Text), time.Now().Add(time.Second))
		}
		if err != nil || !l.forward(to, message, up, first) {
			return
		}
	}
}

// forward forwards a message, with faults during the storm. It reports whether the link
// still works. It never repeats the hello, the first message of a client.
func (l *link) forward(to *websocket.Conn, message []byte, up, first bool) bool {
	l.storm.mu.Lock()
	calm := l.storm.calm
	l.storm.mu.Unlock()
	if calm {
		return !l.isMute() && to.WriteMessage(websocket.TextMessage, message) == nil
	}
	switch n := l.roll(200); {
	case l.isMute():
		return true
	case n < 1:
		return false
	case n < 2:
		_, _ = to.NetConn().Write(half(message, up))
		return false
	case n < 3:
		l.fallSilent()
		return true
	case n < 12 && !(up && first):
		if to.WriteMessage(websocket.TextMessage, message) != nil {
			return false
		}
	case n < 60:
		time.Sleep(time.Duration(l.roll(30)) * time.Millisecond)
	}
	return to.WriteMessage(websocket.TextMessage, message) == nil
}

// fallSilent leaves the link half open for some time.
func (l *link) fallSilent() {
	l.mu.Lock()
	l.mute = true
	l.mu.Unlock()
	time.AfterFunc(time.Duration(200+l.roll(1500))*time.Millisecond, l.cut)
}

func (l *link) isMute() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mute
}

func (l *link) roll(below int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.random.IntN(below)
}

// cut closes both sockets without a close frame.
func (l *link) cut() {
	_ = l.client.NetConn().Close()
	_ = l.server.NetConn().Close()
}

// half returns the first half of the WebSocket frame of a message.
func half(message []byte, masked bool) []byte {
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	frame := binary.BigEndian.AppendUint64([]byte{0x81, bit | 127}, uint64(len(message)))
	if masked {
		frame = append(frame, 0, 0, 0, 0) // a mask that changes nothing
	}
	return append(frame, message[:len(message)/2]...)
}
