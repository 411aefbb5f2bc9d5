package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/transport"
)

// An application is the host of its transports, which carry its connections.
var (
	_ transport.Host       = (*App)(nil)
	_ transport.Connection = (*Connection)(nil)
)

// Accept returns a connection for the client that sent a request.
func (a *App) Accept(r *http.Request) transport.Connection { return a.newConnection(r) }

// Joined returns the transports of the connections that have joined.
func (a *App) Joined() []outbox.Transport {
	all := a.hub.all()
	transports := make([]outbox.Transport, len(all))
	for i, c := range all {
		transports[i] = c.outbox.Transport
	}
	return transports
}

// Owns reports whether a request's token or cookie names the session of a connection. That of a
// cookie may have ended, so that a client can fetch the reason why its connection did. A connection that was
// opened with such a cookie is a visitor's.
func (a *App) Owns(r *http.Request, c transport.Connection) bool {
	named, own := a.sessions.Named(r, a.secure(r)).ID, c.(*Connection).login.ID
	return named == own || own == "" && a.sessions.Of(r, a.secure(r)).ID == ""
}

// ReadJSON decodes the body of a request that must be a JSON object, and not a form.
func (a *App) ReadJSON(w http.ResponseWriter, r *http.Request, into any) error {
	body, form, err := a.readBody(w, r, nil, a.config.Limits.MaxBody)
	if err != nil {
		return err
	}
	if form != nil || len(body) == 0 {
		return fault.Errorf(fault.BadRequest, "the request must be a JSON object, as application/json")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.Errorf(fault.BadRequest, "the request cannot be read: %v", err)
	}
	return nil
}

// Join adds the connection to the application, with its transport. The connection ends if
// its client does not say hello.
func (c *Connection) Join(t outbox.Transport) error {
	c.outbox.Transport = t
	within := c.app.config.Limits.Patience
	c.greeting = time.AfterFunc(within, func() {
		c.disconnect(outbox.ClosePolicy, fmt.Sprintf("no hello came within %s; connect again", within))
	})
	err := c.app.Join(c)
	if err != nil {
		c.greeting.Stop()
	}
	return err
}

// Count counts a message that is no frame.
func (c *Connection) Count() error { return c.admit(c.meter.Frame()) }

// Throttle returns when the client may send so many further bytes.
func (c *Connection) Throttle(bytes int) { c.meter.Wait(c.app.ctx, bytes) }

// Leave removes the connection, closes its cursors, and reports that to consoles.
func (c *Connection) Leave() {
	if c.greeting != nil {
		c.greeting.Stop()
	}
	c.app.hub.leave(c)
	c.app.inspector.left(c)
}

// Outbox returns the queue of messages to the client.
func (c *Connection) Outbox() *outbox.Outbox { return &c.outbox }

// UserKey returns the id of the signed-in user, "" for a visitor.
func (c *Connection) UserKey() string { return string(c.user) }

// Remote returns the client's address.
func (c *Connection) Remote() string { return c.remote }
