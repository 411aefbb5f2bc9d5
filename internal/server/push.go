package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// push runs an action for this connection and sends the result to its client.
func (c *Connection) push(ctx context.Context, s *Session, rt *route.Route, path url.Values, body json.RawMessage) {
	ctx, cancel := context.WithTimeout(ctx, c.app.config.Timeout)
	defer cancel()
	push := wire.Push{Push: rt.Pattern(), Status: http.StatusOK}
	result, err := c.app.Serve(ctx, s, &CallRequest{Route: rt, Path: path, Body: body})
	if err != nil {
		c.app.Report("request", err)
		coded := fault.As(err)
		push.Status, push.Error = coded.Status(), coded.Wire()
	} else {
		push.Status, push.Out = result.Status, result.Out
	}
	c.send(push)
}
