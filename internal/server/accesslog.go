package server

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/server/chain"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// noteOf returns what the access log is to know about an HTTP request, nil if there is no
// access log.
func noteOf(ctx context.Context) *chain.Note {
	if x := chain.From(ctx); x != nil {
		return x.Note()
	}
	return nil
}

// maxLoggedChanges is how many changes of a call the access log names.
const maxLoggedChanges = 3

// describe adds to a note what a call has committed.
func (c *call) describe(note *chain.Note) {
	if note == nil || c.Seq == 0 {
		return
	}
	names := make([]string, len(c.changes))
	for i, change := range c.changes {
		names[i] = fmt.Sprintf("%s %s/%s", change.Op, change.Model.Name, change.ID)
	}
	note.Commit, note.Changed = c.Seq, strings.Join(names, ", ")
	if more := c.changed - len(names); more > 0 {
		note.Changed += fmt.Sprintf(" and %d more", more)
	}
}

// secretNames are the names of values in a path that the access log leaves out.
var secretNames = []string{"token", "secret", "password", "code", "key", "ticket", "signature"}

// loggedPath returns a path without the secrets in it.
func loggedPath(path string, rt *route.Route, values url.Values) string {
	for name := range values {
		for _, secret := range secretNames {
			if strings.Contains(strings.ToLower(name), secret) {
				return rt.Path
			}
		}
	}
	return path
}

// logCall writes a line about a call over a connection.
func (c *Connection) logCall(began time.Time, req *wire.Request, note *chain.Note, answer *wire.Answer) {
	method, path, _ := strings.Cut(req.Call, " ")
	path, _, _ = strings.Cut(path, "?")
	entry := chain.Entry{Method: method, Path: cmp.Or(note.Path, path), Status: answer.Status, Took: time.Since(began), Remote: c.remote, Via: c.outbox.Transport.Name(), Note: *note}
	entry.Who = c.Label()
	c.app.access.Write(c.app.ctx, &entry)
}
