package tower

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/route"
)

// A Router holds an application's routes. S is its session: what the controllers
// of one connection share. It is filled as the program starts; mistakes are
// reported together when the application does.
type Router[S any] struct{ router *route.Router }

// Routes is a [Router] of any session, for [Config].
type Routes interface{ erased() *route.Router }

func (r *Router[S]) erased() *route.Router { return r.router }

// NewRouter returns a router without routes. connect says who a client is: it is
// asked once for each connection, and again when something that it followed (see
// [Model.Follow] and [Scope.Follow]) changes; and once for a request over HTTP, a
// second time for a page with cursors. It must not keep what it reads elsewhere
// than in the session it returns, nor depend on records that it does not follow.
//
// When it fails as it is asked again, the user may see and do nothing any more:
// all cursors are closed, and the connection is ended, so that its client asks
// anew.
func NewRouter[S any](connect func(context.Context, *Connection) (S, error)) *Router[S] {
	r := route.NewRouter()
	r.Connect = func(ctx context.Context, c any) (any, error) { 
		return connect(ctx, connectionOf(c.(*server.Connection)))
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
// A controller may have a method Allow(action string) bool, which is asked with the
// Go name of an action, page or cursor before it is used, and a method
// Match(*T) bool, the rule that every record of its cursors of T must meet besides
// their scopes. Rules may be asked at the same time as an action runs; they must
// be quick, and depend on nothing but the record and the session. What they need
// of other records, such as memberships, belongs in the session, where connect
// follows it: create is not given a context, and may be called late.
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

// An ActionOption says more about an action.
type ActionOption func(*route.Route)

// FormPage names the page, "GET /posts/new", that holds the action's form. It is shown
// again, with the problems beside the fields, to a browser without JavaScript that
// sent invalid input.
func FormPage(page string) ActionOption { return func(rt *route.Route) { rt.Form = page } }

// RedirectTo is where the sender of the action's form goes next: "/posts/{id}", with the
// fields of the action's output, or else of its path, in the braces. Without it,
// the sender goes back to the page it came from.
func RedirectTo(path string) ActionOption { return func(rt *route.Route) { rt.Then = path } }

// Action adds an action under "METHOD /path/{field}": a typed call, reached over a
// socket and over HTTP, as JSON and as an HTML form. Values in the path are fields
// of the input.
func Action[C, In, Out any](m *Mounted[C], pattern string, action func(C, context.Context, In) (Out, error), options ...ActionOption) {
	rt := call(m, route.KindAction, action)
	for _, option := range options {
		option(rt)
	}
	m.router.Add(rt, pattern)
}

// Page adds a page under "GET /path/{field}". It shows
// views/CONTROLLER/ACTION.html, in lower case, with what the action returns as
// .Data. The action of a page that needs no data is [ViewOnly].
func Page[C, In, Out any](m *Mounted[C], pattern string, action func(C, context.Context, In) (Out, error)) {
	rt := call(m, route.KindPage, action)
	if rt.Out == reflect.TypeFor[noData]() {
		rt.Action, rt.Out = viewAction(m.controller.Name, pattern), reflect.TypeFor[None]()
		rt.Call = func(context.Context, any, any) (any, error) { return nil, nil }
	}
	m.router.Add(rt, pattern)
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

// Cursor adds a cursor under a name within its controller. Clients open it by
// that name, "posts.published", with the input, and hold the records of the scope
// that open returns for their user.
//
// open is asked again when the session is another, and when a scope changes that
// it followed itself: see [Scope.Follow]. That may be while an action runs. When
// it fails then, the cursor is closed.
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
		option(rt)
	}
	m.router.Add(rt, name)
}

// Value adds a cursor that carries a value instead of records:
// [Scope.AsCount] or one of its like, of those records of the scope that the
// user may see. Clients open it by its name, and are told when the value is
// another. Of the options, Narrow lets them add conditions, but no order.
//
//	tower.Value(posts, "drafts", (*Posts).Drafts)
//
//	func (c *Posts) Drafts(ctx context.Context, in struct{}) (tower.ValueScope[Post], error) {
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
		option(rt)
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

// A CursorOption says more about a cursor of T.
type CursorOption[T any] func(*route.Route)

// Narrow lets clients add conditions and an order on these fields, pointers into
// the Fields of the cursor's model.
func Narrow[T any](model *Model[T], fields ...any) CursorOption[T] {
	return func(rt *route.Route) {
		for _, pointer := range fields {
			field, err := model.model.FieldAt(pointer)
			if err != nil {
				panic(fmt.Sprintf("tower: narrow %s.%s: %v", rt.Controller.Name, rt.Action, err))
			}
			rt.Narrow = append(rt.Narrow, field)
		}
	}
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
