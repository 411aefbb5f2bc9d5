package tower

import (
	"html/template"

	"github.com/towerkit/tower/internal/server/view"
)

// A View is what the template of a page sees as ".". Its methods render cursors and
// forms:
//
//	{{define "main"}}
//	  {{with .Cursor "published" "posts/_post.html"}}<ul {{.Attrs}}>{{.Items}}</ul>{{end}}
//	  <form {{.Form "POST /posts"}}>{{.Input "title" .Data.Post}}{{.Problem ""}}</form>
//	{{end}}
//
// An error of a method fails the page.
type View struct {
	Data    any    // what the page's action returned; nil for a [ViewOnly] page
	Session any    // what the router's connect function returned
	Path    string // of the request: "/posts"

	page *view.Page
}

func newView(p *view.Page) any {
	return &View{Data: p.Data, Session: p.Viewer.Session(), Path: p.Path, page: p}
}

// A List is a cursor in a page. It is complete when the page loads, and the browser
// keeps it current from then on.
type List struct {
	Attrs template.HTMLAttr // of the element whose children are the items
	Items template.HTML     // the records, each rendered by the partial
	Len   int               // how many records there were when the page was rendered
}

// A LiveValue is the value of a cursor in a page. It is complete when the page loads,
// and the browser keeps it current from then on.
type LiveValue struct {
	Attrs template.HTMLAttr // of the element whose text is the value
	Text  string            // "" if there is no value

	live *view.LiveValue
}

// Number returns the value with a fixed number of digits after the decimal point, or with as
// many as it needs, at most three. It stays so in the browser.
//
//	{{with (.LiveValue "posts.rating").Number 1}}<b {{.Attrs}}>{{.Text}}</b>{{end}}
func (v *LiveValue) Number(digits ...int) (*LiveValue, error) {
	return liveValue(v.live.Number(digits...))
}

// Percent returns the value, a ratio, as a percentage: 0.5 is 50%.
func (v *LiveValue) Percent(digits ...int) (*LiveValue, error) {
	return liveValue(v.live.Percent(digits...))
}

// Currency returns the value as an amount of a currency, which its ISO 4217 code names.
func (v *LiveValue) Currency(code string, digits ...int) (*LiveValue, error) {
	return liveValue(v.live.Currency(code, digits...))
}

// Time returns the value, a time, by a layout as for time.Format.
func (v *LiveValue) Time(layout ...string) (*LiveValue, error) {
	return liveValue(v.live.Time(layout...))
}

func liveValue(v *view.LiveValue, err error) (*LiveValue, error) {
	if err != nil {
		return nil, err
	}
	return &LiveValue{Attrs: v.Attrs, Text: v.Text, live: v}, nil
}

// Cursor reads a declared cursor, "published" of the page's own controller or
// "posts.published", and renders each of its records with a partial, such as
// "posts/_post.html". Pairs of name and value are the cursor's input.
func (v *View) Cursor(name, partial string, pairs ...any) (*List, error) {
	list, err := v.page.Cursor(name, partial, pairs...)
	return (*List)(list), err
}

// LiveValue reads a declared value, "drafts" of the page's own controller or
// "posts.drafts". Pairs of name and value are its input.
func (v *View) LiveValue(name string, pairs ...any) (*LiveValue, error) {
	return liveValue(v.page.LiveValue(name, pairs...))
}

// Region renders a partial with one element that stays current, for this viewer: it is
// rendered anew in each commit that changes the session, which is what connect follows,
// or the record. Without a record it shows the session alone. In the partial, .Session is
// the viewer's session, .Record the record, and .Can asks what the viewer may do.
//
//	{{.Region "users/_account.html"}}
//	{{.Region "posts/_heading.html" .Data.Post}}
//
// When the record is deleted, or its reader may not see it any more, the page says so, and
// loads again.
func (v *View) Region(partial string, record ...any) (template.HTML, error) {
	return v.page.Region(partial, record...)
}

// Can reports whether the viewer may call an action on a record: the controller's Allow
// and Can permit it, and its Match shows the record. The action is "Update" of the page's
// own controller or "posts.Update".
//
//	{{if .Can "Update" .Data.Post}}<a href="/posts/{{.Data.Post.ID}}/edit">Edit</a>{{end}}
func (v *View) Can(action string, record any) (bool, error) {
	return v.page.Viewer.Can(action, record)
}

// Form returns the attributes of a <form> that calls an action: "POST /posts", or
// "PATCH /posts/{id}" with the record whose fields fill the braces.
func (v *View) Form(pattern string, record ...any) (template.HTMLAttr, error) {
	return v.page.FormAttrs(pattern, record...)
}

// Input returns a field of a form: a label, an <input> for the field of that name in
// the record, and its problem. The type of the record's field decides the type of the
// input: a checkbox for a bool, number for numbers, datetime-local for a time, else
// text. The rules required and max of its validate tag become attributes, and a number
// that is no pointer is required. A form that was refused keeps what the user entered.
// Without a record, nil, the input is an empty text.
//
//	{{.Input "title" .Data.Post}}
//	{{.Input "stars" .Data.Post "label" "Number of stars" "min" 0}}
//
// Pairs of name and value are attributes of the input, or its label, "label". Without
// a label, the field's name makes one: "startsAt" becomes Starts at, and "authorId"
// Author.
func (v *View) Input(name string, record any, pairs ...any) (template.HTML, error) {
	return v.page.Form.Input(name, record, pairs...)
}

// TextArea is [View.Input] for a text of several lines.
//
//	{{.TextArea "body" .Data.Post "rows" 10}}
func (v *View) TextArea(name string, record any, pairs ...any) (template.HTML, error) {
	return v.page.Form.TextArea(name, record, pairs...)
}

// File is [View.Input] for a [File]: an input that takes the types that the field accepts, and
// the name of the file that the record has. A form that was refused keeps the file that it sent.
//
//	{{.File "cover" .Data.Post}}
func (v *View) File(name string, record any, pairs ...any) (template.HTML, error) {
	return v.page.Form.File(name, record, pairs...)
}

// Select is [View.Input] for a reference: a choice of records, each shown by its
// field label. A reference to a record that is not among the choices is kept.
//
//	{{.Select "authorId" .Data.Post .Data.Authors "name"}}
func (v *View) Select(name string, record, choices any, label string, pairs ...any) (template.HTML, error) {
	return v.page.Form.Select(name, record, choices, label, pairs...)
}

// Value returns what the user entered for a field, if the form was refused, or else
// value, as an <input> shows it.
func (v *View) Value(field string, value any) string { return v.page.Form.Value(field, value) }

// Problem returns the element for the problems of a field; "" is the form as a whole. It
// is hidden while there are none.
func (v *View) Problem(field string) template.HTML { return v.page.Form.Problem(field) }

// Asset returns the address of a file. With a slash it is one of public/, "/app.css": outside
// of development its address then holds a hash of its contents, and browsers keep it for a
// year. Without one it is the bundle of a script in app/, "board.tsx", or of the styles that
// the script imports, "board.css".
func (v *View) Asset(name string) (string, error) { return v.page.Asset(name) }

// Nonce returns the nonce of this answer, with which the Content-Security-Policy allows an
// inline script or style:
//
//	<script nonce="{{.Nonce}}">…</script>
func (v *View) Nonce() (string, error) { return v.page.Nonce() }
