package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Connection is one client: a browser tab, a program, a test, or, for its
// duration, one HTTP request. It knows its current user, makes each controller
// when it is first used and keeps it, and holds the client's open cursors. Its
// methods are safe for concurrent use.
type Connection struct {
	app    *App
	number uint64
	user   record.ID
	remote string
	since  time.Time

	// A connection that a console acts through has these.
	by string // who acts: "console:ada"
	db DB     // what it reads and writes in place of the store, or nil

	// A connection that serves one HTTP request has none of these.
	outbox  outbox
	limiter *rate.Limiter

	label   atomic.Pointer[string]
	seq     atomic.Uint64 // of the last commit handed over
	applied atomic.Uint64 // the last commit that the client said it has applied,
	lag     atomic.Int64  // and how many microseconds after the commit that was

	mu      sync.Mutex
	session *session
	pending *session // the one to come, while the client's hello is being answered
	rights  string   // those that the client was told of, see visit.rights
	open    []*openCursor
	opening []*openCursor
	ended   bool

	// The hub's own.
	touched   []int // effects of the commit being delivered
	unflushed bool  // its outbox holds commits that are yet to be flushed
}

// newConnection returns a connection for who sent a request. It has no transport
// yet.
func (a *App) newConnection(r *http.Request) *Connection {
	c := &Connection{app: a, user: a.cookies.user(r), remote: remoteAddr(r), since: time.Now(),
		limiter: rate.NewLimiter(rate.Limit(a.config.MaxRate), 4*a.config.MaxRate)}
	c.outbox.limit = a.config.MaxQueue
	return c
}

// UserID returns the id of the signed-in user, "" for a visitor.
func (c *Connection) UserID() record.ID { return c.user }

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
func (c *Connection) SignIn(ctx context.Context, id record.ID) {
	if call := callOf(ctx); call != nil {
		call.signIn = &id
	}
}

// SignOut makes the client a visitor.
func (c *Connection) SignOut(ctx context.Context) { c.SignIn(ctx, "") }

// A session is what [Router.Connect] answered for a connection: its session, and
// the controllers made from it. When something that it followed changes, the
// connection gets another one.
type session struct {
	conn     *Connection
	value    any
	follower *follower // nil: it depends on nothing
	err      error     // why there is no session; all is denied

	mu        sync.Mutex
	instances []instance
}

// An instance is a visit's own of a controller.
type instance struct {
	of    *Controller
	value any
}

// connect asks the application who the client is, as ctx sees the store; the
// follower is for what the answer depends on.
func (c *Connection) connect(ctx context.Context, f *follower) *session {
	v := &session{conn: c}
	v.follower, v.err = f.evaluate(ctx, func(ctx context.Context) error {
		return recoverPanic("Connect", func() (err error) {
			v.value, err = c.app.router.Connect(ctx, c)
			return err
		})
	})
	if v.err != nil {
		v.err = fmt.Errorf("connect: %w", v.err)
	}
	return v
}

// disconnect ends the connection, with a code and a reason. It does not wait.
func (c *Connection) disconnect(code int, reason string) { c.outbox.transport.end(code, reason) }

// controller returns the visit's instance of a controller, made on first use.
func (v *session) controller(controller *Controller) (made any, err error) {
	if v.err != nil {
		return nil, v.err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, known := range v.instances {
		if known.of == controller {
			return known.value, nil
		}
	}
	err = recoverPanic(controller.Type, func() error {
		made = controller.Make(v.value)
		return nil
	})
	if err == nil {
		v.instances = append(v.instances, instance{controller, made})
	}
	return made, err
}

// allows reports whether the visit's user may use a route: its controller's
// Allow says so, or there is none.
func (v *session) allows(route *Route) bool {
	controller, err := v.controller(route.Controller)
	if err != nil {
		return false
	}
	asked, ok := controller.(interface{ Allow(action string) bool })
	if !ok {
		return true
	}
	allowed := false
	err = recoverPanic(route.Controller.Type+".Allow", func() error {
		allowed = asked.Allow(route.Action)
		return nil
	})
	return err == nil && allowed
}

// rights says what the visit's user may use, a byte for each route. Pages are not
// told of.
func (v *session) rights() string {
	routes := v.conn.app.router.routes
	rights := make([]byte, len(routes))
	for i, route := range routes {
		if route.Kind != KindPage && v.allows(route) {
			rights[i] = 1
		}
	}
	return string(rights)
}

// run passes an input through an action or a page.
func (v *session) run(ctx context.Context, route *Route, in any) (out any, err error) {
	if !v.allows(route) {
		return nil, Errorf(CodeForbidden, "you may not use %s", route.Pattern())
	}
	controller, err := v.controller(route.Controller)
	if err != nil {
		return nil, err
	}
	err = recoverPanic(route.Controller.Type+"."+route.Action, func() error {
		out, err = route.Call(ctx, controller, in)
		return err
	})
	return out, err
}

// spec asks the controller for the scope of a cursor, as this user sees it; the
// follower, which it returns if it is needed, is for what the scope depends on.
func (v *session) spec(ctx context.Context, f *follower, want *cursorRequest) (spec cursor.Spec, _ *follower, err error) {
	f, err = f.evaluate(ctx, func(ctx context.Context) error {
		spec, err = v.buildSpec(ctx, want)
		return err
	})
	return spec, f, err
}

func (v *session) buildSpec(ctx context.Context, want *cursorRequest) (spec cursor.Spec, err error) {
	route := want.route
	if !v.allows(route) {
		return spec, Errorf(CodeForbidden, "you may not open %s", route.Name)
	}
	controller, err := v.controller(route.Controller)
	if err != nil {
		return spec, err
	}
	err = recoverPanic(route.Controller.Type+"."+route.Action, func() error {
		spec, err = route.Spec(ctx, controller, want.in)
		return err
	})
	if err != nil {
		return spec, err
	}
	if spec.Scope, err = want.narrow(spec.Scope); err != nil {
		return spec, err
	}
	spec.Allow = v.conn.app.rule(spec.Scope.Model, controller)
	for i := range spec.Include {
		if err := v.resolveInclude(&spec.Include[i]); err != nil {
			return spec, fmt.Errorf("%s: %w", route.Name, err)
		}
	}
	spec.Ordered, spec.Inline = want.partial != "", want.partial != ""
	spec.Tag, err = want.tag(v.conn)
	return spec, err
}

// resolveInclude completes what a scope includes with its model and the rule of that.
func (v *session) resolveInclude(in *cursor.Include) error {
	a := v.conn.app
	in.Model = a.store.Model(in.Fields[0].Ref)
	guard, err := a.ruleController(in.Model)
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

type atKey struct{}
type callKey struct{}

// A call is what is known of the request that is being served.
type call struct {
	by      string     // for the log of commits
	seq     uint64     // of the last commit that it made
	created bool       // it created a record
	signIn  *record.ID // who the client shall be

	attempt *store.Attempt // the run of a call with a key, or nil
	applied *store.Applied // another run of it came first
}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

func atSeq(ctx context.Context, seq uint64) context.Context {
	return context.WithValue(ctx, atKey{}, seq)
}

// View reads the store: its newest state, or, while rules are evaluated for a
// commit, its state at that commit.
func (c *Connection) View(ctx context.Context, fn func(*store.Snapshot) error) error {
	return c.app.View(c.withDB(ctx), fn)
}

// withDB returns the context with which the connection reads and writes.
func (c *Connection) withDB(ctx context.Context) context.Context {
	if c.db == nil {
		return ctx
	}
	return withDB(ctx, c.db)
}

// Transaction runs fn and commits what it wrote, all or nothing. It runs fn
// again when somebody else changed what it had read.
func (c *Connection) Transaction(ctx context.Context, fn func(*Tx) error) error {
	return c.app.Transaction(c.withDB(ctx), fn)
}
