// Package netcut puts a proxy between a program and a server, which fails as networks do: it
// breaks connections, refuses new ones, lets nothing through in one direction, or is slow, at
// once or at a chosen byte.
package netcut

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// A Direction is one in which bytes pass.
type Direction int

// The directions.
const (
	ToServer Direction = iota
	ToClient
)

// A Proxy passes connections on to a server. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	server   string
	pumps    sync.WaitGroup

	mu    sync.Mutex
	flows *sync.Cond // changes of what is below
	down  bool
	ended bool
	halt  [2]bool
	delay time.Duration
	conns map[*conn]bool
	traps map[*trap]bool
}

// New returns a proxy to the server at an address, which ends with the test.
func New(t testing.TB, server string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, server: server, conns: map[*conn]bool{}, traps: map[*trap]bool{}}
	p.flows = sync.NewCond(&p.mu)
	p.pumps.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Address returns where the proxy listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Cut breaks all connections, as a peer does that has restarted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

// Down breaks all connections and refuses new ones until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	p.cut()
}

// Up ends Down.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// Halt holds back what is sent in these directions, of new connections too, until Flow. The
// sender does not notice. Both is a cable that was pulled.
func (p *Proxy) Halt(directions ...Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range directions {
		p.halt[d] = true
	}
}

// Flow ends Halt: what was held back passes.
func (p *Proxy) Flow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt = [2]bool{}
	p.flows.Broadcast()
}

// Delay holds all bytes back for a time in each direction; 0 does not.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Connections returns how many connections there are.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// A trap waits for a byte.
type trap struct {
	toward Direction
	text   []byte
	after  int
	spring func()
	sprung chan struct{}
}

// Trap calls spring once, when some connection is about to pass the byte that comes so many
// bytes after the beginning of a text. An empty text begins now. The bytes before it have
// passed, and of a text that comes in pieces, all but its last piece. What spring does, such as Cut or Halt, holds for that byte already. The channel is
// closed when spring has returned.
func (p *Proxy) Trap(toward Direction, text string, after int, spring func()) <-chan struct{} {
	t := &trap{toward: toward, text: []byte(text), after: after, spring: spring, sprung: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traps[t] = true
	return t.sprung
}

// Disarm removes all traps.
func (p *Proxy) Disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.traps)
}

// A conn is a connection and its continuation to the server.
type conn struct {
	ends  [2]*net.TCPConn // toward the server, toward the client
	ended int             // of its directions
}

func (c *conn) cut() {
	for _, end := range c.ends {
		_ = end.SetLinger(0) // it may be closed
		_ = end.Close()
	}
}

func (p *Proxy) cut() {
	for c := range p.conns {
		c.cut()
		delete(p.conns, c)
	}
	p.flows.Broadcast()
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.ended = true
	p.cut()
	p.mu.Unlock()
	_ = p.listener.Close()
	p.pumps.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.pumps.Go(func() { p.connect(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) connect(client *net.TCPConn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	c := &conn{ends: [2]*net.TCPConn{ToServer: server.(*net.TCPConn), ToClient: client}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || p.ended {
		c.cut()
		return
	}
	p.conns[c] = true
	p.pumps.Go(func() { p.pump(c, ToServer) })
	p.pumps.Go(func() { p.pump(c, ToClient) })
}

// pump passes what comes in one direction.
func (p *Proxy) pump(c *conn, toward Direction) {
	defer p.forget(c)
	from, to := c.ends[1-toward], c.ends[toward]
	s := &scan{toward: toward, left: map[*trap]int{}}
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		for rest := buffer[:n]; len(rest) > 0; {
			pass, t := p.next(s, rest)
			if pass > 0 {
				if !p.wait(c, toward) {
					return
				}
				if _, err := to.Write(rest[:pass]); err != nil {
					return
				}
			}
			rest = rest[pass:]
			if t != nil {
				t.spring()
				close(t.sprung)
			}
		}
		if err != nil {
			_ = to.CloseWrite() // it may be cut
			return
		}
	}
}

// A scan is how far the traps have come in one direction of a connection.
type scan struct {
	toward Direction
	before []byte        // what passed last, as much as a text may have begun in
	left   map[*trap]int // bytes until it is sprung, where its text has begun
}

// next returns how many bytes pass before a trap springs, and that trap; all and nil if none
// does.
func (p *Proxy) next(s *scan, data []byte) (pass int, sprung *trap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pass = len(data)
	for t := range p.traps {
		if t.toward != s.toward {
			continue
		}
		left, begun := s.left[t]
		if !begun {
			before := s.before[max(len(s.before)-max(len(t.text)-1, 0), 0):] // too short for the whole text
			at := bytes.Index(slices.Concat(before, data), t.text)
			if at < 0 {
				continue
			}
			left = max(at-len(before)+t.after, 0)
			s.left[t] = left
		}
		if left < pass {
			pass, sprung = left, t
		}
	}
	for t := range s.left {
		s.left[t] -= pass
	}
	if sprung != nil {
		delete(p.traps, sprung)
	}
	s.before = append(s.before, data[:pass]...)
	s.before = s.before[max(len(s.before)-maxText, 0):]
	return pass, sprung
}

// maxText is the length of the longest text that a trap may have.
const maxText = 128

// forget removes a connection one of whose directions has ended, once it is of no more use.
func (p *Proxy) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.ended++
	if c.ended == len(c.ends) {
		for _, end := range c.ends {
			_ = end.Close() // it may be cut
		}
		delete(p.conns, c)
	}
}

// wait returns when bytes may pass; false if the connection has been cut.
func (p *Proxy) wait(c *conn, toward Direction) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if delay := p.delay; delay > 0 {
		p.mu.Unlock()
		time.Sleep(delay)
		p.mu.Lock()
	}
	for p.halt[toward] && p.conns[c] {
		p.flows.Wait()
	}
	return p.conns[c]
}
