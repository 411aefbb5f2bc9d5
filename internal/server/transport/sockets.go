package transport

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
)

// restartReason is the reason to end connections when the server closes.
const restartReason = "the server restarts; connect again"

// Sockets carries connections over WebSockets, with melody. Melody drops messages that
// do not fit into its buffer and reports that too late, so each connection has its own
// outbox and keeps at most one message inside melody.
//
// A socket is idle for most of its life, so it keeps nothing of its HTTP request: no
// goroutine and no buffers of net/http, and no headers.
type Sockets struct {
	host   Host
	log    *slog.Logger
	melody *melody.Melody

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // goroutines that read or end a socket
}

// NewSockets returns the sockets of a host's connections.
func NewSockets(host Host, limits Limits) *Sockets {
	s := &Sockets{host: host, log: limits.Log, melody: melody.New()}
	s.melody.Upgrader = &websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   256,
		WriteBufferSize:  4096,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      func(*http.Request) bool { return true }, // checked before any route, see package chain
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			http.Error(w, "socket: "+reason.Error(), status)
		},
	}
	s.melody.Config.MaxMessageSize = limits.MaxFrame
	s.melody.Config.MessageBufferSize = 1
	s.melody.Config.WriteWait = limits.Pace.Within(outbox.MaxMessage)
	s.melody.Config.PongWait = 75 * time.Second
	s.melody.Config.PingPeriod = 30 * time.Second
	s.melody.HandleConnect(s.connect)
	s.melody.HandleMessage(func(session *melody.Session, message []byte) {
		if session.Request.Context().(*socketContext).ending.Load() {
			return
		}
		// An action needs a larger stack than an idle socket should keep.
		var handled sync.WaitGroup
		handled.Go(func() {
			growStack(0)
			connectionOf(session).Receive(message)
		})
		handled.Wait()
	})
	s.melody.HandleMessageBinary(func(session *melody.Session, _ []byte) {
		connectionOf(session).Outbox().Transport.End(websocket.CloseUnsupportedData, "frames are text")
	})
	s.melody.HandleSentMessage(func(session *melody.Session, _ []byte) { connectionOf(session).Outbox().Sent() })
	s.melody.HandleDisconnect(s.disconnect)
	return s
}

// growStack makes the goroutine's stack as large as most actions need, while there is little on it to
// copy: otherwise it grows several times in the midst of each action.
//
//go:noinline
func growStack(at int) byte {
	var room [12 << 10]byte
	return room[at]
}

// ServeHTTP returns when the socket is open or refused. Melody reads a socket in the
// goroutine that passes it the request, and keeps the request. So it gets a new
// goroutine, and a request that holds only what it needs.
func (s *Sockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.host.Accept(r)
	opened := make(chan struct{})
	slim := (&http.Request{Method: r.Method, Host: r.Host, Header: r.Header}).
		WithContext(&socketContext{Context: context.Background(), conn: c, opened: opened})
	begun := s.begin(func() {
		if err := s.melody.HandleRequest(hijacker{w, c}, slim); err != nil {
			s.log.Debug("socket refused", "remote", c.Remote(), "error", err)
			close(opened)
		}
	})
	if !begun {
		s.turnAway(hijacker{w, c}, r)
		return
	}
	<-opened
}

// turnAway answers a client that comes after Close like those that were there before.
func (s *Sockets) turnAway(w http.ResponseWriter, r *http.Request) {
	conn, err := s.melody.Upgrader.Upgrade(w, r, nil)
	if err != nil {
		s.log.Debug("socket refused", "error", err)
		return
	}
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(outbox.CloseRestart, restartReason), time.Now().Add(time.Second))
	_ = conn.Close() // the client connects again, whatever it has received
}

// A socketContext is the context of the request that a melody session keeps. It holds
// the session's connection.
type socketContext struct {
	context.Context
	conn   Connection
	opened chan struct{} // closed when melody has taken over
	ending atomic.Bool   // what the client sends is ignored
}

func connectionOf(session *melody.Session) Connection {
	return session.Request.Context().(*socketContext).conn
}

// connect joins the connection of a socket. Melody calls it before it reads from the
// socket or writes to it.
func (s *Sockets) connect(session *melody.Session) {
	session.Request.Header = nil
	ctx := session.Request.Context().(*socketContext)
	close(ctx.opened)
	ctx.opened = nil
	c := ctx.conn
	socket := &socket{s, session}
	conn := session.WebsocketConnection()
	if tcp, ok := conn.NetConn().(*throttledConn).Conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(outbox.MaxMessage) // data in the kernel cannot be merged any more
	}
	conn.SetPingHandler(func(text string) error {
		if c.Count() == nil {
			_ = conn.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(time.Second))
		}
		return nil
	})
	if err := c.Join(socket); err != nil {
		refuse(conn, err)
		coded := fault.As(err)
		socket.End(outbox.CloseRefused(coded.Status()), coded.Message)
	}
	if s.closing() { // it may have joined after Close looked
		socket.close(outbox.CloseRestart, restartReason)
	}
}

// refuse sends the reason why a client cannot connect. Nothing else writes to the socket yet.
func refuse(conn *websocket.Conn, err error) {
	coded := fault.As(err)
	message, err := wire.Encode(&wire.Answer{Status: coded.Status(), Error: coded.Wire()})
	if err != nil {
		return // the close has the reason, too
	}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = conn.WriteMessage(websocket.TextMessage, message) // the client may be gone
}

func (s *Sockets) disconnect(session *melody.Session) {
	connectionOf(session).Leave()
}

// begin runs fn in a new goroutine and reports true, unless the sockets are closed.
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

// Close ends every socket with the advice to connect again, and those that come from now on.
// It does not wait until they have ended.
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

// Wait returns when every socket has ended. Call it after Close.
func (s *Sockets) Wait() { s.running.Wait() }

// A socket is the transport of a connection over a WebSocket.
type socket struct {
	sockets *Sockets
	session *melody.Session
}

// Name returns "socket".
func (s *socket) Name() string { return "socket" }

// Send passes a message to melody.
func (s *socket) Send(message []byte) {
	if err := s.session.Write(message); err != nil {
		s.sockets.log.Debug("socket write", "remote", connectionOf(s.session).Remote(), "error", err)
	}
}

// End closes the socket in the background: a client that does not read takes a while.
func (s *socket) End(code int, reason string) {
	s.session.Request.Context().(*socketContext).ending.Store(true) // frames that are on their way count no more
	s.sockets.begin(func() { s.close(code, reason) })
}

// maxReason is how many bytes of a reason fit into a close.
const maxReason = 123

// shorten returns as much of a reason as fits into a close.
func shorten(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	end := maxReason - len("…")
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end] + "…"
}

// close closes the socket with a code and a reason. It does not wait for messages inside
// melody.
func (s *socket) close(code int, reason string) {
	s.session.Request.Context().(*socketContext).ending.Store(true)
	conn := s.session.WebsocketConnection()
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, shorten(reason)), time.Now().Add(time.Second))
	_ = conn.Close()
}
