package transport

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
)

// writeWait is how long a client may take to accept what is written to it.
const writeWait = 10 * time.Second

const restartReason = "the server restarts; connect again"

// Sockets carries connections over WebSockets, by way of melody. Melody drops
// what does not fit into its buffer and says so too late, so each connection has
// an outbox of its own and keeps at most one message inside melody.
//
// A socket is idle for most of its life, so it keeps nothing of the request that
// it began as: no goroutine and no buffers of net/http, no headers.
type Sockets struct {
	host   Host
	log    *slog.Logger
	melody *melody.Melody

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // what reads a socket, or ends it
}

// NewSockets returns the sockets of a host's connections.
func NewSockets(host Host, limits Limits) *Sockets {
	s := &Sockets{host: host, log: limits.Log, melody: melody.New()}
	s.melody.Upgrader = &websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   256,
		WriteBufferSize:  4096,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      sameOrigin,
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			http.Error(w, "socket: "+reason.Error(), status)
		},
	}
	s.melody.Config.MaxMessageSize = limits.MaxFrame
	s.melody.Config.MessageBufferSize = 1
	s.melody.Config.WriteWait = writeWait
	s.melody.Config.PongWait = 75 * time.Second
	s.melody.Config.PingPeriod = 30 * time.Second
	s.melody.HandleConnect(s.connect)
	s.melody.HandleMessage(func(session *melody.Session, message []byte) {
		// An action needs more of a stack than an idle socket shall keep.
		var handled sync.WaitGroup
		handled.Go(func() { connectionOf(session).Receive(message) })
		handled.Wait()
	})
	s.melody.HandleMessageBinary(func(session *melody.Session, _ []byte) {
		connectionOf(session).Outbox().Transport.End(websocket.CloseUnsupportedData, "frames are text")
	})
	s.melody.HandleSentMessage(func(session *melody.Session, _ []byte) { connectionOf(session).Outbox().Sent() })
	s.melody.HandleDisconnect(s.disconnect)
	return s
}

// sameOrigin lets in pages of this host, and programs, which send no Origin.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	from, err := url.Parse(origin)
	return err == nil && strings.EqualFold(from.Host, r.Host)
}

// ServeHTTP returns when the socket is open, or refused. Melody reads a socket on
// the goroutine that it is given a request on, and keeps the request; so it is
// given another goroutine, and a request that holds no more than it needs.
func (s *Sockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.host.Accept(r)
	opened := make(chan struct{})
	slim := (&http.Request{Method: r.Method, Host: r.Host, Header: r.Header}).
		WithContext(&socketContext{Context: context.Background(), conn: c, opened: opened})
	begun := s.begin(func() {
		if err := s.melody.HandleRequest(w, slim); err != nil {
			s.log.Debug("socket refused", "remote", c.Remote(), "error", err)
			close(opened)
		}
	})
	if !begun {
		s.host.Fail(w, r, fault.Errorf(fault.Unavailable, "the server is closing"))
		return
	}
	<-opened
}

// A socketContext is how melody's session knows its connection: by the context of
// the request that it keeps.
type socketContext struct {
	context.Context
	conn   Connection
	opened chan struct{} // closed when melody has taken over
}

func connectionOf(session *melody.Session) Connection {
	return session.Request.Context().(*socketContext).conn
}

// connect is called by melody before it reads from a socket or writes to it.
func (s *Sockets) connect(session *melody.Session) {
	session.Request.Header = nil
	ctx := session.Request.Context().(*socketContext)
	close(ctx.opened)
	ctx.opened = nil
	c := ctx.conn
	socket := &socket{s, session}
	if tcp, ok := session.WebsocketConnection().NetConn().(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(outbox.MaxMessage) // what the system holds can not be merged any more
	}
	if err := c.Join(socket); err != nil {
		socket.End(outbox.ClosePolicy, fault.As(err).Message)
	}
	if s.closing() { // it may have joined too late to be seen
		socket.close(outbox.CloseRestart, restartReason)
	}
}

func (s *Sockets) disconnect(session *melody.Session) {
	connectionOf(session).Leave()
}

// begin runs fn on a goroutine of its own, unless the sockets are closed.
func (s *Sockets) begin(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Go(fn)
	}
	return !s.closed
}

func (s *Sockets) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close ends every socket with a word to come back, and takes no more. It does
// not wait for them.
func (s *Sockets) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, t := range s.host.Joined() {
		if socket, ok := t.(*socket); ok {
			s.running.Go(func() { socket.close(outbox.CloseRestart, restartReason) })
		}
	}
}

// Wait returns when every socket has ended.
func (s *Sockets) Wait() { s.running.Wait() }

// A socket is a connection's transport.
type socket struct {
	sockets *Sockets
	session *melody.Session
}

func (s *socket) Name() string { return "socket" }

func (s *socket) Send(message []byte) {
	if err := s.session.Write(message); err != nil {
		s.sockets.log.Debug("socket write", "remote", connectionOf(s.session).Remote(), "error", err)
	}
}

// end closes the socket without waiting for a client that does not read.
func (s *socket) End(code int, reason string) {
	s.sockets.begin(func() { s.close(code, reason) })
}

// close closes the socket with a code and a reason, past whatever waits in melody.
func (s *socket) close(code int, reason string) {
	conn := s.session.WebsocketConnection()
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	_ = conn.Close()
}
