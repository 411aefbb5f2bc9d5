package view

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/form"
	"github.com/towerkit/tower/internal/server/route"
)

// A Page is a page that is being rendered, for one viewer.
type Page struct {
	Data   any    // what the page's action returned
	Viewer Viewer // whose request it is
	Path   string // the path of the request
	Route  *route.Route
	Form   *form.State // a form that was refused; nil: none
	Source Source
	Return string // the path that the forms of a page to sign in at lead back to; "": none

	templates *Templates
	set       *templateSet
}

// A Source reads for a page what its viewer may see. All that it reads is as of one commit.
type Source interface {
	// List reads the records of a declared cursor, and those that each refers to.
	List(cursor, partial string, in json.RawMessage) (*Listing, error)
	// Value reads a declared value.
	Value(cursor string, in json.RawMessage) (value record.Value, attrs template.HTMLAttr, err error)
	// Region reads what a region shows: a record of the page, or none, nil.
	Region(partial string, rec any) (*Region, error)
	// Asset returns the address of a file.
	Asset(name string) (string, error)
	// Nonce returns the nonce of the answer.
	Nonce() (string, error)
}

// A Listing is what a cursor holds.
type Listing struct {
	Images []*record.Image
	With   [][]*record.Image // the references of each image; nil: none are included
	Viewer Viewer            // as of that commit
	Attrs  template.HTMLAttr // of the element that shows them
}

// A Region is what a region of a page shows.
type Region struct {
	Record any // nil: none
	Viewer Viewer
	Attrs  template.HTMLAttr // of its element
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

	value   any
	formats formats
}

// Asset returns the address of a file: "/app.css" in public/, or the bundle of a script in
// app/, "board.tsx", or of the styles that it imports, "board.css".
func (p *Page) Asset(name string) (string, error) { return p.Source.Asset(name) }

// Nonce returns the nonce of this answer, with which the Content-Security-Policy allows an
// inline script or style.
func (p *Page) Nonce() (string, error) { return p.Source.Nonce() }

// Cursor reads a declared cursor, "published" of the page's own controller or
// "posts.published", and renders each of its records with a partial, such as
// "posts/_post.html". Pairs of name and value are the cursor's input.
func (p *Page) Cursor(name, partial string, pairs ...any) (*List, error) {
	in, err := pairsJSON(pairs)
	if err != nil {
		return nil, fmt.Errorf("cursor %s: %w", name, err)
	}
	listing, err := p.Source.List(p.cursorName(name), partial, in)
	if err != nil {
		return nil, fmt.Errorf("cursor %s: %w", name, err)
	}
	var items strings.Builder
	for i, image := range listing.Images {
		var with []*record.Image
		if listing.With != nil {
			with = listing.With[i]
		}
		html, _, err := p.set.partial(nil, partial, image, with, listing.Viewer)
		if err != nil {
			return nil, err
		}
		items.WriteString(html)
	}
	count := len(listing.Images)
	attrs := listing.Attrs + template.HTMLAttr(fmt.Sprintf(` data-count="%d"`, count))
	return &List{Attrs: attrs, Items: template.HTML(items.String()), Len: count}, nil
}

// LiveValue reads a declared value, "drafts" of the page's own controller or
// "posts.drafts". Pairs of name and value are its input.
func (p *Page) LiveValue(name string, pairs ...any) (*LiveValue, error) {
	in, err := pairsJSON(pairs)
	if err != nil {
		return nil, fmt.Errorf("value %s: %w", name, err)
	}
	value, attrs, err := p.Source.Value(p.cursorName(name), in)
	if err != nil {
		return nil, fmt.Errorf("value %s: %w", name, err)
	}
	text, err := valueText(value)
	return &LiveValue{Attrs: attrs + ` data-value`, Text: text, value: plainValue(value), formats: p.templates.formats}, err
}

// valueText returns a value as a page shows it.
func valueText(value record.Value) (string, error) {
	switch value.Kind() {
	case record.Null:
		return "", nil
	case record.String:
		return value.Text(), nil
	}
	data, err := json.Marshal(value.Any())
	return strings.Trim(string(data), `"`), err
}

// cursorName returns the whole name of a cursor.
func (p *Page) cursorName(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return p.Route.Controller.Name + "." + name
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

// Region renders a partial with one element that stays current: it is rendered anew for
// this viewer in each commit that changes the session, or the record.
func (p *Page) Region(partial string, rec ...any) (template.HTML, error) {
	if len(rec) > 1 {
		return "", fmt.Errorf("region %s: it shows at most one record", partial)
	}
	var one any
	if len(rec) == 1 {
		one = rec[0]
	}
	region, err := p.Source.Region(partial, one)
	if err != nil {
		return "", fmt.Errorf("region %s: %w", partial, err)
	}
	html, err := p.templates.Region(partial, region.Record, region.Viewer, region.Attrs)
	return template.HTML(html), err
}

// FormAttrs returns the attributes of a <form> that calls an action: "POST /posts", or
// "PATCH /posts/{id}" with the record whose fields replace the braces.
func (p *Page) FormAttrs(pattern string, rec ...any) (template.HTMLAttr, error) {
	return formAttrs(p.set.checkPath, p.Return, pattern, rec...)
}

func formAttrs(checkPath func(method, path string) (takesFiles bool, err error), back, pattern string, rec ...any) (template.HTMLAttr, error) {
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
	path, err := route.Fill(path, fields, nil)
	if err != nil {
		return "", fmt.Errorf("form %w", err)
	}
	takesFiles, err := checkPath(method, path)
	if err != nil {
		return "", fmt.Errorf("form %q: %w", pattern, err)
	}
	more := url.Values{}
	if method != http.MethodPost {
		more.Set("_method", method)
	}
	if back != "" {
		more.Set("return", back)
	}
	if len(more) > 0 {
		path += "?" + more.Encode()
	}
	attrs := fmt.Sprintf(`action="%s" method="post" data-tower-form`, template.HTMLEscapeString(path))
	if takesFiles {
		attrs += ` enctype="multipart/form-data"`
	}
	return template.HTMLAttr(attrs), nil
}
