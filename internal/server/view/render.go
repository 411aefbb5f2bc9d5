package view

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// A boundPartials is a copy of the partials whose function ref finds the references of one
// record. It is not safe for concurrent use.
type boundPartials struct {
	partials *template.Template
	with     []*record.Image
}

// Page renders a page.
func (v *Templates) Page(page *Page) ([]byte, error) {
	current, err := v.current()
	if err != nil {
		return nil, err
	}
	page.templates = current
	data := any(page)
	if v.data != nil {
		data = v.data(page)
	}
	var out bytes.Buffer
	if err := current.pages[page.Route.View()].ExecuteTemplate(&out, "layout.html", data); err != nil {
		return nil, fmt.Errorf("render views/%s: %w", page.Route.View(), err)
	}
	return out.Bytes(), nil
}

// Partial renders a record of a live list, with the records that it refers to, nil for a
// list that includes none. The session is the viewer's, for a partial that depends on the
// viewer.
func (v *Templates) Partial(name string, image *record.Image, with []*record.Image, session any) (string, error) {
	current, err := v.current()
	if err != nil {
		return "", err
	}
	return current.partial(name, image, with, session)
}

// bind returns the partials for a record with its references; nil is a record without any.
// They are for one rendering: call done afterwards.
func (p *templateSet) bind(with []*record.Image) (partials *template.Template, done func(), err error) {
	if with == nil {
		return p.plain, func() {}, nil
	}
	b, _ := p.pool.Get().(*boundPartials)
	if b == nil {
		b = &boundPartials{}
		if b.partials, err = p.partials.Clone(); err != nil {
			return nil, nil, err
		}
		b.partials.Funcs(template.FuncMap{"ref": b.ref})
	}
	b.with = with
	return b.partials, func() {
		b.with = nil
		p.pool.Put(b)
	}, nil
}

// partial renders a record with its references. It adds the record's id to the element, so
// that the browser finds it.
func (p *templateSet) partial(name string, image *record.Image, with []*record.Image, session any) (string, error) {
	rec, err := image.Record()
	if err != nil {
		return "", err
	}
	data := rec
	if strings.HasSuffix(name, ".viewer.html") {
		data = struct{ Record, Session any }{rec, session}
	}
	partials, done, err := p.bind(with)
	if err != nil {
		return "", err
	}
	defer done()
	partial := partials.Lookup(name)
	if partial == nil {
		return "", fmt.Errorf("views/%s does not exist", name)
	}
	var out bytes.Buffer
	if err := partial.Execute(&out, data); err != nil {
		return "", fmt.Errorf("render views/%s: %w", name, err)
	}
	return mark(name, out.String(), image.ID)
}
