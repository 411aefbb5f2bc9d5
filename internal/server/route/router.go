package route

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/wire"
)

// A Kind is the kind of a route.
type Kind string

// The kinds of routes.
const (
	KindAction Kind = "action" // called over a socket or HTTP; answers with JSON, or redirects a form
	KindPage   Kind = "page"   // requested with GET; answers with HTML
	KindCursor Kind = "cursor" // opened by name

	KindHandler Kind = "handler" // requested with any method; writes its answer itself
	KindMount   Kind = "mount"   // a handler without a controller; answers all methods
)

// A Controller is mounted under a name. Make returns a new one for a session.
type Controller struct {
	Name string // "posts"
	Type string // "Posts"
	Zero any    // the zero value of its Go type
	Make func(session any) any
}

// A Rule returns a controller's rule for the records of one model, nil if it has none.
// The rule reports whether the controller's user may see a record.
type Rule func(controller any) func(rec any) bool

// A Permit returns a controller's rule for calls on the records of one model, nil if it
// has none.
type Permit func(controller any) func(action string, rec any) bool

// A Route is one action, page, cursor or handler of a controller. Call, Spec and Serve
// call the application's typed methods.
type Route struct {
	Kind       Kind
	Method     string // "" for a cursor, and for a handler of all methods
	Path       string // "/posts/{id}"
	Name       string // "posts.create"
	Action     string // the Go method, "Create"
	Controller *Controller
	In, Out    reflect.Type

	Call func(ctx context.Context, controller, in any) (any, error)         // of an action or a page
	Spec func(ctx context.Context, controller, in any) (cursor.Spec, error) // of a cursor: its scope, and its value

	Serve func(controller any, w http.ResponseWriter, r *http.Request) error // of a handler

	Form    string          // the page that shows the form of an action again: "GET /posts/new"
	Then    string          // the path that a form redirects to: "/posts/{id}"
	Value   bool            // the cursor carries a value
	Answers bool            // the page needs no view: what its action returns is always a whole answer
	Narrow  []*record.Field // the fields that a client may narrow a cursor by

	MaxBody int64         // of a request; 0: that of the application
	Timeout time.Duration // of a request or call; 0: that of the application
	Rates   []limit.Rate  // how often clients may use the route; nil: as often as they like

	InSandbox bool // it also runs for a client in a sandbox

	Only []Grant // one of them must permit; none: all may use the route, see CheckGrants

	Inputs *Inputs
}

// Pattern returns the method and path of a route, "POST /posts", or the name of a
// cursor.
func (r *Route) Pattern() string {
	if r.Kind == KindCursor {
		return r.Name
	}
	return strings.TrimPrefix(r.Method+" "+r.Path, " ")
}

// IsAnnounced reports whether clients receive the right to use the route: it is an action
// or a cursor.
func (r *Route) IsAnnounced() bool { return r.Kind == KindAction || r.Kind == KindCursor }

// View returns the name of the view of a page, "posts/show.html".
func (r *Route) View() string {
	return r.Controller.Name + "/" + strings.ToLower(r.Action) + ".html"
}

// Describe returns the route as a console lists it, without the number of its holders.
func (r *Route) Describe() wire.Route {
	out := wire.Route{Kind: string(r.Kind), Method: r.Method, Path: r.Path, Name: r.Name, Action: r.Action, Inputs: r.Inputs.describe()}
	if r.Controller != nil {
		out.Controller = r.Controller.Type
	}
	if r.Out != nil && r.IsAnnounced() {
		out.Output = strings.TrimPrefix(r.Out.String(), "*")
	}
	return out
}

// A Router holds an application's routes. It is filled before the application starts
// and does not change afterwards.
type Router struct {
	// Connect returns the application's session for a connection. It must be set.
	Connect func(ctx context.Context, connection any) (session any, err error)
	// HasRole reports whether the user of a session has a role; nil: sessions know no roles.
	HasRole func(session any, role string) bool

	Routes      []*Route      // in the order of their declaration
	Mounted     []*Controller // in the order of their declaration
	Mounts      []*Route      // in the order of their paths
	controllers map[string]*Controller
	Cursors     map[string]*Route // by name: "posts.published"
	mux         *http.ServeMux
	problems    []string
}

// NewRouter returns a router without routes.
func NewRouter() *Router {
	return &Router{controllers: map[string]*Controller{}, Cursors: map[string]*Route{}, mux: http.NewServeMux()}
}

// Mount adds a controller. [Router.Check] reports what is wrong with it.
func (r *Router) Mount(c *Controller) {
	if c.Name == "" || strings.ContainsAny(c.Name, " ./") {
		r.Refuse("controller name %q: use letters, digits and _", c.Name)
	}
	if r.controllers[c.Name] != nil {
		r.Refuse("controller %q is mounted twice", c.Name)
	}
	r.controllers[c.Name] = c
	r.Mounted = append(r.Mounted, c)
}

// Add adds a route. The pattern is "METHOD /path", or the name of a cursor within its
// controller. [Router.Check] reports what is wrong with it.
func (r *Router) Add(route *Route, pattern string) {
	var err error
	if route.Inputs, err = newInputs(route.In); err != nil {
		r.Refuse("%s: %v", pattern, err)
		return
	}
	if route.Kind == KindCursor {
		route.Name = route.Controller.Name + "." + pattern
		if r.Cursors[route.Name] != nil {
			r.Refuse("cursor %q is declared twice", route.Name)
		}
		r.Cursors[route.Name] = route
	} else {
		if problem := route.setPattern(pattern); problem != "" {
			r.Refuse("%s %q is not of the form %s", route.Kind, pattern, problem)
			return
		}
		if route.Kind == KindPage && route.Method != http.MethodGet {
			r.Refuse("page %q: the method of a page is GET", pattern)
		}
		route.Name = route.Controller.Name + "." + lowerFirst(route.Action)
		route.Inputs.writes = route.Kind == KindAction && route.Method != http.MethodGet
		r.register(route)
	}
	r.Routes = append(r.Routes, route)
}

// setPattern sets the method and the path of a route, or returns the form that its
// pattern must have.
func (r *Route) setPattern(pattern string) (want string) {
	var found bool
	if r.Method, r.Path, found = strings.Cut(pattern, " "); !found && r.Kind == KindHandler {
		r.Method, r.Path = "", pattern
	}
	switch hasPath := strings.HasPrefix(r.Path, "/"); {
	case r.Kind == KindHandler && (!hasPath || r.Method != strings.ToUpper(r.Method) || found && r.Method == ""):
		return "METHOD /path, or /path for all methods"
	case r.Kind != KindHandler && (!hasPath || !slices.Contains(methods, r.Method)):
		return "METHOD /path, with one of " + strings.Join(methods, ", ")
	}
	return ""
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// register adds the route to the mux. ServeMux decides precedence and finds conflicts,
// which it reports with a panic.
func (r *Router) register(route *Route) {
	defer func() {
		if problem := recover(); problem != nil {
			r.Refuse("%s %q: %v", route.Kind, route.Pattern(), problem)
		}
	}()
	path := route.Path
	if strings.HasSuffix(path, "/") && route.Kind != KindMount {
		path += "{$}"
	}
	names := route.valueNames()
	r.mux.HandleFunc(strings.TrimPrefix(route.Method+" "+path, " "), func(w http.ResponseWriter, req *http.Request) {
		found := w.(*routeMatch)
		found.route = route
		for _, name := range names {
			if value := req.PathValue(name); value != "" {
				if found.values == nil {
					found.values = url.Values{}
				}
				found.values.Set(name, value)
			}
		}
	})
}

var braces = regexp.MustCompile(`\{([^{}.$]+)(\.\.\.)?\}`)

// valueNames returns the names of the values in the path: the fields of the input, or what
// the path of a handler names.
func (r *Route) valueNames() (names []string) {
	if r.Kind != KindAction && r.Kind != KindPage {
		for _, found := range braces.FindAllStringSubmatch(r.Path, -1) {
			names = append(names, found[1])
		}
		return names
	}
	for _, in := range r.Inputs.fields {
		names = append(names, in.JSONName)
	}
	return names
}

// A routeMatch is the request and the response with which the mux finds a route.
type routeMatch struct {
	route   *Route
	values  url.Values // nil: none
	status  int
	header  http.Header
	request http.Request
}

func (f *routeMatch) Header() http.Header {
	if f.header == nil {
		f.header = http.Header{}
	}
	return f.header
}
func (f *routeMatch) Write(p []byte) (int, error) { return len(p), nil }
func (f *routeMatch) WriteHeader(status int)      { f.status = status }

var matches = sync.Pool{New: func() any { return new(routeMatch) }}

// Find returns the route for a method and a path as it stands in a URL, and the values in
// the path. The error is a [fault.Error].
func (r *Router) Find(method, path string) (*Route, url.Values, error) {
	target, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, nil, fault.Errorf(fault.BadRequest, "%q is not a path", path)
	}
	return r.FindURL(method, target)
}

// FindURL returns the route for a method and the path of a URL, as Find does.
func (r *Router) FindURL(method string, target *url.URL) (*Route, url.Values, error) {
	found := matches.Get().(*routeMatch)
	defer func() {
		*found = routeMatch{}
		matches.Put(found)
	}()
	found.request = http.Request{Method: method, URL: target, Host: "tower"}
	r.mux.ServeHTTP(found, &found.request)
	switch {
	case found.route != nil:
		return found.route, found.values, nil
	case found.status == http.StatusMethodNotAllowed:
		refused := fault.Errorf(fault.Method, "%s accepts %s, not %s", target.Path, found.header.Get("Allow"), method)
		refused.Allow = found.header.Get("Allow")
		return nil, nil, refused
	default:
		return nil, nil, fault.Errorf(fault.NotFound, "there is no %s %s", method, target.Path)
	}
}

// HasName reports whether a name is that of a route, "posts.create", or stands for all of a
// controller, "posts.*", or for all, "*".
func (r *Router) HasName(name string) bool {
	if controller, all := strings.CutSuffix(name, ".*"); all {
		return r.controllers[controller] != nil
	}
	return name == "*" || slices.ContainsFunc(r.Routes, func(rt *Route) bool { return rt.Name == name })
}

// Check returns an error that lists everything that is wrong with the routes, one
// problem on each line.
func (r *Router) Check() error {
	for _, route := range r.Routes {
		if route.Form == "" {
			continue
		}
		page := slices.ContainsFunc(r.Routes, func(p *Route) bool { return p.Kind == KindPage && p.Pattern() == route.Form })
		if !page {
			r.Refuse("%s: its form %q is not a page", route.Pattern(), route.Form)
		}
	}
	r.checkMounts()
	if len(r.problems) == 0 {
		return nil
	}
	return fmt.Errorf("routes: %s", strings.Join(r.problems, "\n        "))
}

// Refuse adds a problem that [Router.Check] reports.
func (r *Router) Refuse(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func lowerFirst(name string) string {
	if name == "" {
		return name
	}
	return strings.ToLower(name[:1]) + name[1:]
}
