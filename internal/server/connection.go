package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/store"
)

// A Connection is one client: a browser tab, a program, a test, or, for its
// duration, one HTTP request. It knows its current user, makes each controller
// when it is first used and keeps it, and holds the client's open cursors. Its
// methods are safe for concurrent use.
type Connection struct {
	app    *App
	number uint64
	user   store.ID
	remote string
	via    string // how it reaches the server, "" over a WebSocket
	since  time.Time

	// A connection that serves one HTTP request has none of these.
	outbox  outbox
	limiter *rate.Limiter

	label   atomic.Pointer[string]
	seq     atomic.Uint64 // of the last commit handed over
	applied atomic.Uint64 // the last commit that the client said it has applied,
	lag     atomic.Int64  // and how many microseconds after the commit that was

	mu    sync.Mutex
	visit *visit
	open  []*opened
	ended bool

	// The hub's own.
	touched []int // effects of the commit being delivered
	held    bool  // its outbox holds commits that are yet to be flushed
}

// UserID returns the id of the signed-in user, "" for a visitor.
func (c *Connection) UserID() store.ID { return c.user }

// SetLabel says how the console names this connection's user. Without a label
// it is the user's id.
func (c *Connection) SetLabel(label string) { c.label.Store(&label) }

// Label returns what SetLabel set, else the user's id, else "visitor".
func (c *Connection) Label() string {
	if label := c.label.Load(); label != nil && *label != "" {
		return *label
	}
	if c.user != "" {
		return string(c.user)
	}
	return "visitor"
}

// SignIn makes id the user of this client from its next request on. Over HTTP
// the answer carries the cookie; over a socket the client fetches it and
// connects again. It does nothing outside of an action.
func (c *Connection) SignIn(ctx context.Context, id store.ID) {
	if call := callOf(ctx); call != nil {
		call.signIn = &id
	}
}

// SignOut makes the client a visitor.
func (c *Connection) SignOut(ctx context.Context) { c.SignIn(ctx, "") }

// A visit is what [Router.Connect] answered for a connection: its session, and
// the controllers made from it. When a record that it followed changes, the
// connection gets another one.
type visit struct {
	conn    *Connection
	session any
	stale   atomic.Bool // a followed record changed before the visit was in use

	mu        sync.Mutex
	instances []instance
	follows   []follow
}

// An instance is a visit's own of a controller.
type instance struct {
	of    *Controller
	value any
}

// A follow names a record whose change makes a connection be asked anew.
type follow struct {
	model *store.Model
	id    store.ID
}

// Follow reads a record for Connect and has the connection evaluated again in
// the commit that changes it. Without such a record it returns nil.
func (c *Connection) Follow(ctx context.Context, m *store.Model, id store.ID) (image *store.Image, err error) {
	v, _ := ctx.Value(visitKey{}).(*visit)
	if v == nil {
		return nil, fmt.Errorf("follow %s/%s: only Connect can follow a record", m.Name, id)
	}
	if id == "" {
		return nil, nil
	}
	c.app.hub.follow(v, follow{m, id})
	err = c.View(ctx, func(snap *store.Snapshot) error {
		if image, err = snap.Get(m, id); errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return image, err
}

// arrive asks the application who the client is, as of ctx, and again where that
// changed meanwhile.
func (c *Connection) arrive(ctx context.Context) (*visit, error) {
	for range 100 {
		v := &visit{conn: c}
		err := guard("Connect", func() (err error) {
			v.session, err = c.app.router.Connect(context.WithValue(ctx, visitKey{}, v), c)
			return err
		})
		if err == nil && !v.stale.Load() {
			return v, nil
		}
		c.app.hub.unfollow(v)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
	}
	return nil, Errorf(CodeUnavailable, "the user's record changes too fast; try again")
}

// leave ends the connection, with a code and a reason. It does not wait.
func (c *Connection) leave(code int, reason string) { c.outbox.transport.end(code, reason) }

// controller returns the visit's instance of a controller, made on first use.
func (v *visit) controller(controller *Controller) (made any, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, known := range v.instances {
		if known.of == controller {
			return known.value, nil
		}
	}
	err = guard(controller.Type, func() error {
		made = controller.Make(v.session)
		return nil
	})
	if err == nil {
		v.instances = append(v.instances, instance{controller, made})
	}
	return made, err
}

// allows reports whether the visit's user may use a route: its controller's
// Allow says so, or there is none.
func (v *visit) allows(route *Route) bool {
	controller, err := v.controller(route.Controller)
	if err != nil {
		return false
	}
	asked, ok := controller.(interface{ Allow(action string) bool })
	if !ok {
		return true
	}
	allowed := false
	err = guard(route.Controller.Type+".Allow", func() error {
		allowed = asked.Allow(route.Action)
		return nil
	})
	return err == nil && allowed
}

// run passes an input through an action or a page.
func (v *visit) run(ctx context.Context, route *Route, in any) (out any, err error) {
	if !v.allows(route) {
		return nil, Errorf(CodeForbidden, "you may not use %s", route.Pattern())
	}
	controller, err := v.controller(route.Controller)
	if err != nil {
		return nil, err
	}
	err = guard(route.Controller.Type+"."+route.Action, func() error {
		out, err = route.Call(ctx, controller, in)
		return err
	})
	return out, err
}

// spec asks the controller for the scope of a cursor, as this user sees it.
func (v *visit) spec(ctx context.Context, want *want) (spec cursor.Spec, err error) {
	route := want.route
	if !v.allows(route) {
		return spec, Errorf(CodeForbidden, "you may not open %s", route.Name)
	}
	controller, err := v.controller(route.Controller)
	if err != nil {
		return spec, err
	}
	err = guard(route.Controller.Type+"."+route.Action, func() error {
		spec, err = route.Spec(ctx, controller, want.in)
		return err
	})
	if err != nil {
		return spec, err
	}
	if spec.Scope, err = want.narrow(spec.Scope); err != nil {
		return spec, err
	}
	if spec.Allow = v.conn.app.rule(spec.Scope.Model, controller); spec.Allow != nil {
		spec.Tag = "by " + route.Controller.Name
	}
	if want.partial != "" {
		spec.Include = nil // a partial sees the record
	}
	for i := range spec.Include {
		if err := v.admit(&spec.Include[i]); err != nil {
			return spec, fmt.Errorf("%s: %w", route.Name, err)
		}
	}
	if want.partial != "" {
		spec.Ordered, spec.Tag = true, want.partial+" "+spec.Tag
		if want.perViewer() {
			spec.Tag += fmt.Sprintf(" for %d", v.conn.number)
		}
	}
	return spec, nil
}

// admit completes what a scope includes with its model and the rule of that.
func (v *visit) admit(in *cursor.Include) error {
	a := v.conn.app
	in.Model = a.store.Model(in.Fields[0].Ref)
	guard, err := a.guard(in.Model)
	if guard == nil || err != nil {
		return err
	}
	controller, err := v.controller(guard)
	if err != nil {
		return err
	}
	in.Allow = a.rule(in.Model, controller)
	return nil
}

type visitKey struct{}
type atKey struct{}
type callKey struct{}

// A call is what is known of the request that is being served.
type call struct {
	by      string    // for the log of commits
	seq     uint64    // of the last commit that it made
	created bool      // it created a record
	signIn  *store.ID // who the client shall be

	once    *store.Once    // the run of a call with a key, or nil
	applied *store.Applied // another run of it came first
}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

func asOf(ctx context.Context, seq uint64) context.Context {
	return context.WithValue(ctx, atKey{}, seq)
}

// View reads the store: its newest state, or, while rules are evaluated for a
// commit, its state at that commit.
func (c *Connection) View(ctx context.Context, fn func(*store.Snapshot) error) error {
	return c.app.View(ctx, fn)
}

// Transaction runs fn and commits what it wrote, all or nothing. It runs fn
// again when somebody else changed what it had read.
func (c *Connection) Transaction(ctx context.Context, fn func(*Tx) error) error {
	return c.app.Transaction(ctx, fn)
}
