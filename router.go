package tower

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/route"
)

// A Router holds an application's routes. S is its session: what the controllers of
// one connection share. It is filled as the program starts. [New] reports all mistakes
// in it together.
type Router[S any] struct{ router *route.Router }

// Routes is a [Router] of any session, for [Config].
type Routes interface{ erased() *route.Router }

func (r *Router[S]) erased() *route.Router { return r.router }

// NewRouter returns a router without routes. connect decides who a client is, and
// returns its session. tower calls it once for each connection, and again when
// something changes that it followed: see [Model.Follow] and [Scope.Follow]. For a
// request over HTTP, tower calls it once, and a second time for a page with cursors.
// connect must keep what it reads in the session that it returns and nowhere else, and
// must not depend on records that it does not follow.
//
// If connect fails, the client is refused with its error. If it fails when it is called
// again, the user may see and do nothing more: tower closes all cursors and ends the
// connection, and the client connects again.
func NewRouter[S any](connect func(context.Context, *Connection) (S, error)) *Router[S] {
	r := route.NewRouter()
	r.Connect = func(ctx context.Context, c any) (any, error) {
		return connect(ctx, connectionOf(c.(*server.Connection)))
	}
	if reflect.TypeFor[S]().Implements(reflect.TypeFor[RoleHolder]()) {
		r.HasRole = func(session any, role string) bool { return session.(RoleHolder).HasRole(role) }
	}
	return &Router[S]{r}
}

// A Mounted is a controller under its name in a router. C is a pointer to the
// controller's struct.
type Mounted[C any] struct {
	router     *route.Router
	controller *route.Controller
}

// Mount puts a controller under a name. create makes one from a session; each
// connection makes its own when it first uses it, and keeps it.
//
// A controller may have the method of an [Allower], which decides what its user may
// use, and the method of a [Matcher] for each model T: the rule that every record of its
// cursors of T must meet besides their scopes. Rules run while actions run. They must be
// quick and depend on nothing but the record and the session. Other records that a rule
// needs, such as memberships, belong in the session, where connect follows them: create
// has no context, and may be called late.
func Mount[S, C any](r *Router[S], name string, create func(S) C) *Mounted[C] {
	controller := &route.Controller{
		Name: name,
		Type: strings.TrimPrefix(typeName[C](), "*"),
		Zero: *new(C),
		Make: func(session any) any { return create(session.(S)) },
	}
	r.router.Mount(controller)
	return &Mounted[C]{r.router, controller}
}

// Action adds an action under "METHOD /path/{field}": a typed call that clients reach
// over a socket and over HTTP, as JSON and as an HTML form. Values in the path are
// fields of the input. The input is validated as a record is: see [Problems].
//
// The calls that a client sends over one connection run one after another. The context
// of a call ends after the Timeout of [Limits], or of the route: see [Timeout]. A call that commits is answered after
// the client was sent what the commits changed in its cursors. If an action panics, the
// answer is [CodeInternal].
//
// # A call sent twice takes effect once
//
// A client may send a call with a key, a ULID that it makes for this call alone; the
// browser library always does. Within a day, the call then takes effect once, however
// often it is sent, over whichever connection, even if the server was killed meanwhile:
//
//   - The call's first transaction commits the key together with its effects. A call
//     that has committed something does not run again. A client that sends it again
//     receives the same answer, even if that was an error.
//   - A call that makes one transaction takes effect exactly once. If a call makes
//     several, a crash between them leaves what it has committed by then, and nothing
//     completes the rest. So put what belongs together into one transaction. Effects
//     outside of the store, and transactions with another context than the action's,
//     are not covered.
//   - A call that has committed nothing, because it was refused or invalid or only reads,
//     is not remembered. It runs again under the same key, also with another input.
//   - Calls with one key that arrive at the same time run one after another. On several
//     nodes they may run at the same time: one of them commits, the transaction of the
//     others has no effect, and all are answered as the one that committed.
//   - The answer is stored shortly after the commit. If the server was killed between
//     the two, if the answer is longer than 64 KiB, or if an effect was committed after
//     the server had stopped waiting for the action, the repeated call is answered with
//     status 200 and "out":null. Every answer to a repeated call holds "repeated":true.
//   - Keys belong to a user; all visitors share theirs. The client must send the call
//     with the same route and input again. The user's rights are not checked again,
//     because the answer was meant for this sender. If the call signed the client in, the
//     repeated call does too.
func Action[C, In, Out any](m *Mounted[C], pattern string, action func(C, context.Context, In) (Out, error), options ...RouteOption) {
	add(m.router, call(m, route.KindAction, action), pattern, options)
}

// add adds a route with its options.
func add(r *route.Router, rt *route.Route, pattern string, options []RouteOption) {
	for _, option := range options {
		if err := option.set(rt); err != nil {
			r.Refuse("%s: %v", pattern, err)
		}
	}
	r.Add(rt, pattern)
}

// Handle adds a handler under "METHOD /path/{name}", or under "/path" for all methods: a
// method that receives the HTTP request and writes the answer. It is for what an action
// cannot be: a webhook whose signature covers the raw body, a callback of another site, a
// download, a stream.
//
//	tower.Handle(posts, "POST /stripe", (*Posts).Stripe)
//
// Allow, the session and the author of commits are those of an action. r.Context is the
// context of the call: what the handler commits with it is sent to the connections it
// touches before the first byte of the answer. r.PathValue returns the values in the path;
// a last part {name...} is the rest of the path. The body is as it was sent, at most
// MaxBody of [Limits] of it, or of the route: see [MaxBody]. w can be flushed, and hijacked, as [http.ResponseController]
// describes.
//
// If the handler returns an error, or panics, and has sent nothing, the answer is that
// error, as an action's. Otherwise the connection breaks off, so that nobody takes the
// answer for a whole one. Connection.SignIn must be called before anything is sent.
//
// A browser's request from another site that may change something is refused before the
// handler runs. A request that names no origin, as programs send it, is not.
func Handle[C any](m *Mounted[C], pattern string, handler func(C, http.ResponseWriter, *http.Request) error, options ...RouteOption) {
	add(m.router, &route.Route{
		Kind: route.KindHandler, Action: methodName(handler), Controller: m.controller, In: reflect.TypeFor[None](),
		Serve: func(controller any, w http.ResponseWriter, r *http.Request) error {
			return handler(controller.(C), w, r)
		},
	}, pattern, options)
}

// Page adds a page under "GET /path/{field}". It renders
// views/CONTROLLER/ACTION.html, in lower case, with a [View] that holds what the action
// returned. Values in the path and the query are fields of the input. The action of a
// page that needs no data is [ViewOnly]. A page whose method returns an [*Answer] needs no
// view.
func Page[C, In, Out any](m *Mounted[C], pattern string, action func(C, context.Context, In) (Out, error), options ...RouteOption) {
	rt := call(m, route.KindPage, action)
	if rt.Out == reflect.TypeFor[noData]() {
		rt.Action, rt.Out = viewAction(m.controller.Name, pattern), reflect.TypeFor[None]()
		rt.Call = func(context.Context, any, any) (any, error) { return nil, nil }
	}
	rt.Answers = rt.Out == reflect.TypeFor[*Answer]()
	add(m.router, rt, pattern, options)
}

func call[C, In, Out any](m *Mounted[C], kind route.Kind, action func(C, context.Context, In) (Out, error)) *route.Route {
	return &route.Route{
		Kind: kind, Action: methodName(action), Controller: m.controller,
		In: reflect.TypeFor[In](), Out: reflect.TypeFor[Out](),
		Call: func(ctx context.Context, controller, in any) (any, error) {
			return action(controller.(C), ctx, *in.(*In))
		},
	}
}

// Cursor adds a cursor under a name within its controller. Clients open it by that
// name, "posts.published", with the input, and receive the records of the scope that
// open returns for their user, and every change of them.
//
// tower calls open again when the connection gets another session, and when a scope
// changes that open followed: see [Scope.Follow]. That may happen while an action runs.
// If open fails then, tower closes the cursor.
func Cursor[C, In, T any](m *Mounted[C], name string, open func(C, context.Context, In) (Scope[T], error), options ...CursorOption[T]) {
	rt := follow[C, In, T](m, open, func(c C, ctx context.Context, in In) (cursor.Spec, error) {
		scope, err := open(c, ctx, in)
		if err != nil {
			return cursor.Spec{}, err
		}
		resolved, err := scope.resolve()
		if err != nil {
			return cursor.Spec{}, err
		}
		included, err := scope.included()
		return cursor.Spec{Scope: resolved, Include: included}, err
	})
	rt.Out = reflect.TypeFor[T]()
	for _, option := range options {
		option.set(rt)
	}
	m.router.Add(rt, name)
}

// Value adds a cursor that carries a value instead of records, such as
// [Scope.AsCount]. It counts only records that the user may see. Clients open it by its
// name, and receive the value when it changes. Of the options, Narrow lets them add
// conditions, but no order.
//
//	tower.Value(posts, "drafts", (*Posts).Drafts)
//
//	func (c *Posts) Drafts(ctx context.Context, in tower.None) (tower.ValueScope[Post], error) {
//		post := models.Posts.Fields
//		return models.Posts.Where(tower.Is(&post.Published, false)).AsCount(), nil
//	}
func Value[C, In, T any](m *Mounted[C], name string, open func(C, context.Context, In) (ValueScope[T], error), options ...CursorOption[T]) {
	rt := follow[C, In, T](m, open, func(c C, ctx context.Context, in In) (cursor.Spec, error) {
		value, err := open(c, ctx, in)
		if err != nil {
			return cursor.Spec{}, err
		}
		return value.resolve()
	})
	rt.Value = true
	for _, option := range options {
		option.set(rt)
	}
	m.router.Add(rt, name)
}

// follow returns the route of a cursor on records of T.
func follow[C, In, T any](m *Mounted[C], open any, spec func(C, context.Context, In) (cursor.Spec, error)) *route.Route {
	return &route.Route{
		Kind: route.KindCursor, Action: methodName(open), Controller: m.controller, In: reflect.TypeFor[In](),
		Spec: func(ctx context.Context, controller, in any) (cursor.Spec, error) {
			return spec(controller.(C), ctx, *in.(*In))
		},
	}
}

// A CursorOption configures a cursor of T.
type CursorOption[T any] struct{ set func(*route.Route) }

// Narrow lets clients add conditions and an order on these fields, pointers into the
// Fields of the cursor's model. It panics, as the program starts, if one is not.
func Narrow[T any](model *Model[T], fields ...any) CursorOption[T] {
	return CursorOption[T]{func(rt *route.Route) {
		for _, pointer := range fields {
			field, err := model.model.FieldAt(pointer)
			if err != nil {
				panic(fmt.Sprintf("tower: narrow %s.%s: %v", rt.Controller.Name, rt.Action, err))
			}
			rt.Narrow = append(rt.Narrow, field)
		}
	}}
}

func typeName[C any]() string {
	name := reflect.TypeFor[C]().String()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// methodName returns the name of the method behind a method expression such as
// (*Posts).Create.
func methodName(method any) string {
	name := runtime.FuncForPC(reflect.ValueOf(method).Pointer()).Name()
	name = strings.TrimSuffix(name, "-fm")
	return name[strings.LastIndexByte(name, '.')+1:]
}

// None is the input or the output of an action that takes or returns nothing.
type None = struct{}

// ViewOnly is the action of a page without data:
//
//	tower.Page(posts, "GET /posts", tower.ViewOnly)          // views/posts/index.html
//	tower.Page(pages, "GET /pages/about_us", tower.ViewOnly) // views/pages/aboutus.html
//
// The page has the name of the last part of its path, here Index and AboutUs. The name
// is Index if that part is empty or the name of the controller, and Show if it is a
// field in braces. Allow receives this name. A method with this name takes the place of
// ViewOnly when the page needs data. In the view, .Data is nil.
func ViewOnly[C any](C, context.Context, None) (noData, error) { return noData{}, nil }

// noData is the output of ViewOnly. Page recognizes ViewOnly by it.
type noData struct{}

// viewAction returns the name of a page without data.
func viewAction(controller, pattern string) string {
	end := pattern[strings.LastIndexByte(pattern, '/')+1:]
	switch {
	case end == "" || end == controller:
		return "Index"
	case strings.HasPrefix(end, "{"):
		return "Show"
	}
	var name strings.Builder
	for _, word := range strings.FieldsFunc(end, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		first, size := utf8.DecodeRuneInString(word)
		name.WriteString(string(unicode.ToUpper(first)) + word[size:])
	}
	return name.String()
}
