package client_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A storm stands between one client and the server. It delays messages, delivers
// them twice or in part, drops connections, leaves them half open, and lets none
// through for a while; until it is calm.
type storm struct {
	addr string // of the server

	mu     sync.Mutex
	random *rand.Rand
	calm   bool
	away   bool // no connection comes through
	links  map[*link]bool
	pumps  sync.WaitGroup
}

// A link is a client's socket and the server's, with what happens between.
type link struct {
	storm          *storm
	client, server *websocket.Conn

	mu     sync.Mutex
	random *rand.Rand
	mute   bool // half open: what comes is lost
}

var stormUpgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func newStorm(addr string, seed uint64) *storm {
	return &storm{addr: addr, random: rand.New(rand.NewPCG(seed, 2)), links: map[*link]bool{}}
}

// ServeHTTP lets a socket through, or not.
func (s *storm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	blocked := s.away || !s.calm && s.random.IntN(6) == 0
	random := rand.New(rand.NewPCG(s.random.Uint64(), 3))
	s.mu.Unlock()
	if blocked {
		http.Error(w, "upgrades are blocked here", http.StatusForbidden)
		return
	}
	server, _, err := websocket.DefaultDialer.DialContext(r.Context(), "ws://"+s.addr+"/_tower/socket", http.Header{"Cookie": r.Header["Cookie"]})
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

// turn sets the weather. Who is away loses what connections there are.
func (s *storm) turn(calm, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm, s.away = calm, away
	for l := range s.links {
		if away {
			l.cut()
		}
	}
}

func (s *storm) close() {
	s.turn(true, true)
	s.pumps.Wait()
}

// pump carries messages from one end to the other, until one of them breaks.
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
		if err != nil || !l.carry(to, message, up, first) {
			return
		}
	}
}

// carry passes a message on as the weather wants it, and reports whether the link
// holds. The first of a client, its hello, comes once.
func (l *link) carry(to *websocket.Conn, message []byte, up, first bool) bool {
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

// fallSilent leaves the link half open for a while.
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

// cut ends both sockets without a word.
func (l *link) cut() {
	_ = l.client.NetConn().Close()
	_ = l.server.NetConn().Close()
}

// half is the first half of a message's frame.
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
