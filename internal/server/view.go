package server

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// A View is a page that is being rendered. Its template sees what [Config].View makes
// of it.
type View struct {
	Data    any    // what the page's action returned
	Session any    // the application's session
	Path    string // the path of the request

	ctx       context.Context
	owner     *Session
	route     *route.Route
	submitted *submission

	pinned *Session // the user's session as of the commit seq; nil before the first cursor
	seq    uint64
}

// A submission is a form that was refused.
type submission struct {
	values   url.Values
	problems map[string][]string
}

// A List is a cursor in a page. It is complete when the page is loaded, and the browser
// keeps it current.
type List struct {
	Attrs template.HTMLAttr // of the element that contains the items
	Items template.HTML
	Len   int
}

// A LiveValue is a cursor's value in a page. It is complete when the page is loaded, and the
// browser keeps it current.
type LiveValue struct {
	Attrs template.HTMLAttr // of the element that contains the value
	Text  string            // "" if there is no value
}

// Asset returns the address of the bundle of a script in app/, "board.tsx", or of the
// styles that it imports, "board.css".
func (v *View) Asset(name string) (string, error) { return v.owner.Conn.app.assets.url(name) }

// Cursor reads a declared cursor, "published" of the page's own controller or
// "posts.published", and renders each of its records with a partial, such as
// "posts/_post.html". Pairs of name and value are the cursor's input.
func (v *View) Cursor(name, partial string, pairs ...any) (*List, error) {
	cr, in, spec, err := v.resolve(name, partial, pairs)
	if err != nil {
		return nil, err
	}
	images, with, err := v.owner.Conn.app.engine.Read(v.ctx, v.seq, spec)
	if err != nil {
		return nil, fmt.Errorf("cursor %s: %w", name, err)
	}
	return v.list(cr, in, images, with)
}

// LiveValue reads a declared value, "drafts" of the page's own controller or
// "posts.drafts". Pairs of name and value are its input.
func (v *View) LiveValue(name string, pairs ...any) (*LiveValue, error) {
	cr, in, spec, err := v.resolve(name, "", pairs)
	if err != nil {
		return nil, err
	}
	value, err := v.owner.Conn.app.engine.ReadValue(v.ctx, v.seq, spec)
	if err != nil {
		return nil, fmt.Errorf("value %s: %w", name, err)
	}
	attrs, err := v.attrs(cr, in)
	if err != nil {
		return nil, err
	}
	text := string(ValueJSON(&value))
	switch value.Kind() {
	case record.Null:
		text = ""
	case record.String:
		text = value.Text()
	case record.Time:
		text = strings.Trim(text, `"`)
	}
	return &LiveValue{Attrs: attrs + ` data-value`, Text: text}, nil
}

// resolve returns a cursor of the page as its user sees it.
func (v *View) resolve(name, partial string, pairs []any) (cr *CursorRequest, in json.RawMessage, spec cursor.Spec, err error) {
	if !strings.Contains(name, ".") {
		name = v.route.Controller.Name + "." + name
	}
	app := v.owner.Conn.app
	cr = &CursorRequest{Route: app.router.Cursors[name], partial: partial}
	if cr.Route == nil {
		return nil, nil, spec, fmt.Errorf("there is no cursor %q", name)
	}
	if cr.Route.Value != (partial == "") {
		return nil, nil, spec, fmt.Errorf("cursor %s: .Cursor shows records with a partial, and .LiveValue shows a value", name)
	}
	if in, err = pairsJSON(pairs); err == nil {
		cr.In, err = cr.Route.Inputs.Decode(nil, in, nil)
	}
	if err == nil {
		err = v.pin()
	}
	if err == nil {
		spec, _, err = v.pinned.spec(atSeq(v.ctx, v.seq), &follower{}, cr)
	}
	if err != nil {
		return nil, nil, spec, fmt.Errorf("cursor %s: %w", name, err)
	}
	return cr, in, spec, nil
}

// pin selects the commit that all of the page's cursors are read at, and the session as of
// that commit. Clients receive the changes since.
func (v *View) pin() error {
	if v.pinned == nil {
		v.seq = v.owner.Conn.app.store.Seq()
		v.pinned = v.owner.Conn.connect(atSeq(v.ctx, v.seq), &follower{})
	}
	return v.pinned.err
}

func (v *View) list(cr *CursorRequest, in json.RawMessage, images []*record.Image, all [][]*record.Image) (*List, error) {
	app := v.owner.Conn.app
	templates, err := app.views.current()
	if err != nil {
		return nil, err
	}
	var items strings.Builder
	for i, image := range images {
		html, err := templates.partial(cr.partial, image, with(all, i), v.pinned.value)
		if err != nil {
			return nil, err
		}
		items.WriteString(html)
	}
	attrs, err := v.attrs(cr, in)
	if err != nil {
		return nil, err
	}
	attrs += template.HTMLAttr(fmt.Sprintf(` data-count="%d"`, len(images)))
	return &List{Attrs: attrs, Items: template.HTML(items.String()), Len: len(images)}, nil
}

// attrs returns the attributes of the element that shows a cursor.
func (v *View) attrs(cr *CursorRequest, in json.RawMessage) (template.HTMLAttr, error) {
	app := v.owner.Conn.app
	sealed, err := app.cookies.seal(sealedList{Cursor: cr.Route.Name, In: in, Partial: cr.partial,
		User: v.owner.Conn.user, Build: app.config.Build})
	return template.HTMLAttr(fmt.Sprintf(`data-cursor="%s" data-live="%s" data-since="%s"`,
		template.HTMLEscapeString(cr.Route.Name), sealed, wire.Position(app.store.Epoch(), v.seq))), err
}

func pairsJSON(pairs []any) (json.RawMessage, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("its input is pairs of name and value; one is missing")
	}
	in := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("%v is not a name", pairs[i])
		}
		in[name] = pairs[i+1]
	}
	return json.Marshal(in)
}

// Form returns the attributes of a <form> that calls an action: "POST /posts", or
// "PATCH /posts/{id}" with the record whose fields replace the braces.
func (v *View) Form(pattern string, rec ...any) (template.HTMLAttr, error) {
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		return "", fmt.Errorf("form %q: use METHOD /path", pattern)
	}
	var fields json.RawMessage
	if len(rec) > 0 {
		var err error
		if fields, err = json.Marshal(rec[0]); err != nil {
			return "", fmt.Errorf("form %q: %w", pattern, err)
		}
	}
	path, err := fill(path, fields, nil)
	if err != nil {
		return "", fmt.Errorf("form %w", err)
	}
	if _, _, err := v.owner.Conn.app.router.Find(method, path); err != nil {
		return "", fmt.Errorf("form %q: %w", pattern, err)
	}
	if method != http.MethodPost {
		path += "?_method=" + method
	}
	return template.HTMLAttr(fmt.Sprintf(`action="%s" method="post" data-tower-form`, template.HTMLEscapeString(path))), nil
}

// Value returns the value of a field as an <input> shows it: the value that was sent, if the
// form was refused, or else the given value.
func (v *View) Value(field string, value any) string {
	if v.submitted != nil {
		if values := v.submitted.values[field]; len(values) > 0 {
			return values[len(values)-1]
		}
	}
	if at, ok := value.(time.Time); ok {
		if at.IsZero() {
			return ""
		}
		return at.UTC().Format("2006-01-02T15:04:05")
	}
	if r := reflect.ValueOf(value); r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return ""
		}
		return v.Value("", r.Elem().Interface())
	}
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// Problem returns the element that shows the problem of a field, hidden while there is none.
// The field "" is the form as a whole.
func (v *View) Problem(field string) template.HTML { return v.problem(field, "") }

// problem is Problem with more attributes.
func (v *View) problem(field, attrs string) template.HTML {
	text, hidden := "", " hidden"
	if v.submitted != nil && len(v.submitted.problems[field]) > 0 {
		text, hidden = strings.Join(v.submitted.problems[field], ", "), ""
	}
	return template.HTML(fmt.Sprintf(`<p class="problem" data-problem="%s" role="alert"%s%s>%s</p>`,
		template.HTMLEscapeString(field), attrs, hidden, template.HTMLEscapeString(text)))
}
