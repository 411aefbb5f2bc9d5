// Package transport carries connections: over WebSockets, by way of melody, and
// for clients that have none, over event streams or polls with frames sent beside
// them. It moves messages between a client and the outbox of its connection, and
// knows nothing of what they say.
package transport

import (
	"log/slog"
	"net/http"

	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
)

// A Host is the server whose connections are carried.
type Host interface {
	// Accept returns a connection for the client that sent a request. It has not
	// joined yet.
	Accept(r *http.Request) Connection
	// Joined returns the transports of the connections that have joined.
	Joined() []outbox.Transport
	// User returns the id of the user that sent a request, "" for a visitor.
	User(r *http.Request) string
	// ReadJSON decodes the body of a request into a value, within the host's limits.
	ReadJSON(w http.ResponseWriter, r *http.Request, into any) error
	// Fail answers a request with an error.
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// A Connection is one client, as its transport knows it.
type Connection interface {
	// Join adds the connection to the host's, with what carries it.
	Join(t outbox.Transport) error
	// Leave removes it, and closes what it holds. It may be called more than once.
	Leave()
	// Receive handles the frames of one message, in order. Only one call at a time.
	Receive(message []byte)
	// Handle handles frames, in order. Only one call at a time.
	Handle(requests []wire.Request)
	// Outbox returns what waits to be sent to the client.
	Outbox() *outbox.Outbox
	// UserKey returns the id of its user, "" for a visitor.
	UserKey() string
	// Remote returns the client's address.
	Remote() string
}

// Limits bound what clients may do.
type Limits struct {
	MaxFrame    int64 // bytes of one message from a client
	MaxVisitors int   // connections of visitors without a socket
	Log         *slog.Logger
}
