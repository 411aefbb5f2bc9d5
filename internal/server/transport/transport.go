// Package transport carries connections: over WebSockets, with melody, and for clients
// without a WebSocket over event streams or long polls, with separate requests for the
// client's frames. It moves messages between a client and the outbox of its connection
// and does not read them.
//
// [Sockets] and [Links] serve HTTP and are safe for concurrent use. ServeStream returns
// when the stream ends, ServePoll after at most 25 seconds, and ServeBatch when the frames
// have been handled. Sending to a client and ending its connection do not block. Close
// starts to end all connections and refuses new ones; Wait returns when they have ended.
package transport

import (
	"log/slog"
	"net/http"

	"github.com/towerkit/tower/internal/deadline"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
)

// A Host is the server that owns the connections. Its methods must be safe for
// concurrent use.
type Host interface {
	// Accept returns a new connection for the client that sent a request. It has not
	// joined yet.
	Accept(r *http.Request) Connection
	// Joined returns the transports of the connections that have joined.
	Joined() []outbox.Transport
	// Owns reports whether a request comes from the user of a connection, whose session
	// may have ended meanwhile.
	Owns(r *http.Request, c Connection) bool
	// ReadJSON decodes the body of a request into a value, within the host's limits.
	ReadJSON(w http.ResponseWriter, r *http.Request, into any) error
	// Fail answers a request with an error.
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// A Connection is one client, as its transport sees it.
type Connection interface {
	// Join adds the connection to the host, with its transport.
	Join(t outbox.Transport) error
	// Leave removes the connection from the host and closes its cursors. It may be
	// called more than once.
	Leave()
	// Receive handles the frames of one message, in order. Calls must not overlap.
	Receive(message []byte)
	// Handle handles frames, in order. Calls must not overlap.
	Handle(requests []wire.Request)
	// Count counts a message that is no frame. An error refuses it; the connection may
	// have ended then.
	Count() error
	// Throttle returns when the client may send so many further bytes.
	Throttle(bytes int)
	// Outbox returns the queue of messages to the client.
	Outbox() *outbox.Outbox
	// UserKey returns the id of the connection's user, "" for a visitor.
	UserKey() string
	// Remote returns the client's address.
	Remote() string
}

// Limits bound what clients may use.
type Limits struct {
	MaxFrame int64         // bytes of one message from a client
	Pace     deadline.Pace // of a client that receives messages
	Log      *slog.Logger
}
