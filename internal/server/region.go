package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"html/template"
	"net/http"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/server/slow"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A region is a part of a page that a connection keeps open: a partial, rendered for this
// connection's user, and rendered anew in each commit that changes the session or the
// record. On the wire it is a cursor whose value is HTML.
//
// Its follower watches the record from before the first rendering on, so no commit can
// fall in between.
type region struct {
	conn       *Connection
	partial    string
	model      *record.Model // nil: it shows no record
	id         record.ID
	controller *route.Controller
	follower   *follower

	// The connection's lock guards these.
	number   uint64 // 0: it is being opened
	rendered bool   // a commit has rendered it since it was registered
	html     string // what that commit rendered, until the region is open
	err      error  // why that commit ended it
	sum      uint64 // of the HTML that the client has; 0: unknown
}

// A regionDelta is what a commit does to a region.
type regionDelta struct {
	number uint64
	html   string
	err    error // why the region has ended; nil: it goes on
}

var regionSeed = maphash.MakeSeed()

// render renders the region for a session, with the state of the store that ctx selects.
func (r *region) render(ctx context.Context, s *Session) (string, error) {
	if s.err != nil {
		return "", s.err
	}
	defer r.conn.app.slow.End(ctx, slow.Region, r.partial, r.conn.app.slow.Begin())
	var rec any
	if r.model != nil {
		var err error
		if rec, err = s.visibleRecord(ctx, r.controller, r.model, r.id); err != nil {
			return "", err
		}
	}
	return r.conn.app.views.Region(r.partial, rec, viewer{s, r.controller}, "")
}

// visibleRecord returns a record that the session's user may see.
func (s *Session) visibleRecord(ctx context.Context, owner *route.Controller, m *record.Model, id record.ID) (any, error) {
	var image *record.Image
	err := s.Conn.View(ctx, func(snap *store.Snapshot) (err error) {
		image, err = snap.Get(m, id)
		return err
	})
	gone := fault.Errorf(fault.NotFound, "this is no longer here")
	if errors.Is(err, store.ErrNotFound) {
		return nil, gone
	}
	if err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", m.Name, id, err)
	}
	matcher, err := s.matcher(owner, m)
	if err != nil {
		return nil, err
	}
	if matcher != nil {
		if rule := s.Conn.app.Denying(s.Conn.app.rule(m, matcher)); rule != nil && !rule(image) {
			return nil, gone
		}
	}
	return image.Record()
}

// sealedRegion returns the region that a page has sealed.
func (c *Connection) sealedRegion(list session.List) (*region, error) {
	r := &region{conn: c, partial: list.Partial, id: list.Record, follower: &follower{conn: c}}
	if list.Model != "" {
		if r.model = c.app.store.Model(list.Model); r.model == nil {
			return nil, fault.Errorf(fault.NotFound, "this page is of another version of the application; reload it")
		}
	}
	i := slices.IndexFunc(c.app.router.Mounted, func(controller *route.Controller) bool { return controller.Name == list.Controller })
	if i >= 0 {
		r.controller = c.app.router.Mounted[i]
	}
	return r, nil
}

// openRegion opens a region of a page and sends the answer. If nothing has changed since
// the client's position, the answer says so and has no HTML.
func (c *Connection) openRegion(ctx context.Context, req *wire.Request, list session.List) error {
	if !c.login.Permits(list.Controller + ".") { // it has no name, so only a token for all of the controller permits it
		return fault.Errorf(fault.Forbidden, "you may not open regions of %s", list.Controller)
	}
	r, err := c.sealedRegion(list)
	if err != nil {
		return err
	}
	since, err := c.app.ResumeFrom(ctx, c, req.Since)
	if err != nil {
		return err
	}
	read, ctx, err := c.beginRead(ctx)
	if err != nil {
		return err
	}
	defer read.end()
	s := c.addRegion(r)
	html, resumed, err := r.first(ctx, s, since, list.User == c.user && list.Build == c.app.config.Build)
	if err != nil {
		c.dropRegion(r)
		return err
	}
	answer := &wire.Answer{ID: req.ID, Status: http.StatusOK}
	var slot *outbox.Slot
	c.app.engine.Between(func(seq, number uint64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if r.rendered {
			html, resumed, err = r.html, false, r.err
		}
		if err != nil {
			return
		}
		r.number, r.html = number, ""
		answer.Cursor, answer.At = number, wire.Position(c.app.store.Epoch(), seq)
		slot = c.outbox.Reserve()
	})
	if err != nil {
		c.dropRegion(r)
		return err
	}
	if resumed {
		answer.Since, answer.Body = req.Since, wire.Body(&wire.Delta{}, nil)
	} else {
		answer.Value = jsonText(html)
	}
	data, err := wire.Encode(answer)
	read.answered(len(data))
	c.outbox.Fill(slot, data)
	return err
}

// first renders the region for the first time, or finds that nothing has changed since the
// client's position.
func (r *region) first(ctx context.Context, s *Session, since *ResumeFrom, same bool) (html string, resumed bool, err error) {
	c := r.conn
	if s == nil || s.err != nil {
		return "", false, fault.Errorf(fault.Forbidden, "you may not see this")
	}
	followed := s.followed()
	scopes := followed.scopes()
	if r.model != nil {
		scope := query.Scope{Model: r.model, Where: query.Is(r.model.Field("id"), record.StringValue(string(r.id)))}
		if err := r.follower.watch(scope); err != nil {
			return "", false, err
		}
		scopes = append(scopes, scope)
	}
	if since != nil && since.resync == "" && same && !followed.isEnded() {
		if untouched, err := c.app.engine.Untouched(ctx, since.seq, scopes...); err == nil && untouched {
			return "", true, nil
		}
	}
	seq := c.app.store.Seq()
	if html, err = r.render(atSeq(ctx, seq), s); err == nil {
		err = c.app.engine.Wait(ctx, seq)
	}
	return html, false, err
}

// addRegion makes a region known to Rescope before it is rendered, and returns the
// session to render it for; nil if the connection has ended.
func (c *Connection) addRegion(r *region) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	c.regions = append(c.regions, r)
	return c.session
}

// dropRegion forgets a region.
func (c *Connection) dropRegion(r *region) {
	c.mu.Lock()
	c.regions = slices.DeleteFunc(c.regions, func(other *region) bool { return other == r })
	c.mu.Unlock()
	r.follower.end()
}

// closeRegions forgets the regions that matches reports true for, and returns how many.
func (c *Connection) closeRegions(matches func(*region) bool) (n int) {
	c.mu.Lock()
	all := slices.Clone(c.regions)
	c.mu.Unlock()
	for _, r := range all {
		c.mu.Lock()
		found := matches(r)
		c.mu.Unlock()
		if found {
			c.dropRegion(r)
			n++
		}
	}
	return n
}

// renewRegions renders regions of a connection as of a commit, for Rescope.
func (h *hub) renewRegions(ctx context.Context, c *Connection, s *Session, which func(*region) bool) {
	c.mu.Lock()
	regions := slices.DeleteFunc(slices.Clone(c.regions), func(r *region) bool { return !which(r) })
	c.mu.Unlock()
	for _, r := range regions {
		html, err := r.render(ctx, s)
		if err != nil {
			h.app.Report(ctx, "region", err)
		}
		sum := maphash.String(regionSeed, html)
		c.mu.Lock()
		known := slices.Contains(c.regions, r)
		open, changed := r.number != 0, err != nil || sum != r.sum
		r.rendered, r.err, r.sum = true, err, sum
		if !open {
			r.html = html
		}
		c.mu.Unlock()
		if known && open && changed {
			h.regions[c] = append(slices.DeleteFunc(h.regions[c], func(d regionDelta) bool { return d.number == r.number }), regionDelta{r.number, html, err})
		}
		if err != nil && open {
			c.dropRegion(r)
		}
	}
}

// delta returns what a frame says of a region.
func (d *regionDelta) delta() outbox.CursorDelta {
	if d.err != nil {
		return outbox.CursorDelta{Number: d.number, Closed: fault.As(d.err).Wire()}
	}
	return outbox.CursorDelta{Number: d.number, Value: jsonText(d.html)}
}

// region returns the region that a follower belongs to, nil if there is none.
func (f *follower) region() *region {
	f.conn.mu.Lock()
	defer f.conn.mu.Unlock()
	for _, r := range f.conn.regions {
		if r.follower == f {
			return r
		}
	}
	return nil
}

func jsonText(text string) json.RawMessage {
	data, _ := json.Marshal(text) // a string always has a JSON form
	return data
}

// regionAttrs returns the attributes of the element of a region.
func (p *pageSource) regionAttrs(list session.List) (template.HTMLAttr, error) {
	app := p.owner.Conn.app
	sealed, err := app.sessions.SealList(list)
	return template.HTMLAttr(fmt.Sprintf(`data-region data-live="%s" data-since="%s"`, sealed, wire.Position(app.store.Epoch(), p.seq))), err
}
