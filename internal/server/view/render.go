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
	page.templates, page.set = v, current
	data := any(page)
	if v.Data != nil {
		data = v.Data(page)
	}
	var out bytes.Buffer
	found := current.pages[page.Route.View()]
	if found.set == nil {
		return nil, fmt.Errorf("%s gave no answer, and has no view: there is no views/%s", page.Route.Pattern(), page.Route.View())
	}
	if err := found.set.ExecuteTemplate(&out, found.start, data); err != nil {
		return nil, fmt.Errorf("render views/%s: %w", page.Route.View(), located(err))
	}
	return out.Bytes(), nil
}

// Mail renders the view of a mail: "mail/welcome.html".
func (v *Templates) Mail(name string, data any) (string, error) {
	current, err := v.current()
	if err != nil {
		return "", err
	}
	found := current.pages[name]
	if found.set == nil {
		return "", fmt.Errorf("there is no views/%s", name)
	}
	var out strings.Builder
	if err := found.set.ExecuteTemplate(&out, found.start, data); err != nil {
		return "", fmt.Errorf("render views/%s: %w", name, located(err))
	}
	return out.String(), nil
}

// DependsOnViewer reports whether a partial is rendered for each viewer, or each group of
// viewers with the same rights, which its name declares: "posts/_post.viewer.html".
func DependsOnViewer(partial string) bool { return strings.HasSuffix(partial, ".viewer.html") }

// Partial renders a record of a live list for a viewer, with the records that it refers
// to, nil for a list that includes none. It looks the HTML up in done and adds it there;
// done may be nil. Viewers with the same variant see the same HTML.
func (v *Templates) Partial(done *Renderings, name string, image *record.Image, with []*record.Image, viewer Viewer) (html string, variant int, err error) {
	current, err := v.current()
	if err != nil {
		return "", 0, err
	}
	return current.partial(done, name, image, with, viewer)
}

// Region renders a region for a viewer: a partial with one element, for a record or nil.
// attrs are added to the element.
func (v *Templates) Region(name string, rec any, viewer Viewer, attrs template.HTMLAttr) (string, error) {
	current, err := v.current()
	if err != nil {
		return "", err
	}
	item := &Item{Record: rec, viewer: viewer, checkPath: v.checkPath, asked: &inquiry{}}
	html, err := execute(current.plain, name, item)
	if err != nil {
		return "", err
	}
	return addAttrs(name, html, string(attrs))
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
		b.partials.Funcs(renderIn(b.partials)).Funcs(template.FuncMap{"ref": b.ref})
	}
	b.with = with
	return b.partials, func() {
		b.with = nil
		p.pool.Put(b)
	}, nil
}

// partial renders a record with its references, unless done has it. It adds the record's id
// to the element, so that the browser finds it.
func (p *templateSet) partial(done *Renderings, name string, image *record.Image, with []*record.Image, viewer Viewer) (html string, index int, err error) {
	key := rendering{partial: name, image: image}
	for _, other := range with {
		key.with += fmt.Sprintf("%s@%d ", other.ID, other.Version)
	}
	if done != nil {
		if html, index = done.find(key, viewer); index >= 0 {
			return html, index, nil
		}
	}
	rec, err := image.Record()
	if err != nil {
		return "", 0, err
	}
	data, asked := rec, &inquiry{}
	if DependsOnViewer(name) {
		data = &Item{Record: rec, viewer: viewer, checkPath: p.checkPath, asked: asked}
	}
	partials, unbind, err := p.bind(with)
	if err != nil {
		return "", 0, err
	}
	defer unbind()
	if html, err = execute(partials, name, data); err == nil {
		html, err = mark(name, html, image.ID)
	}
	if err == nil && done != nil {
		index = done.add(key, variant{*asked, html})
	}
	return html, index, err
}

// execute renders a partial.
func execute(partials *template.Template, name string, data any) (string, error) {
	partial := partials.Lookup(name)
	if partial == nil {
		return "", fmt.Errorf("views/%s does not exist", name)
	}
	var out bytes.Buffer
	if err := partial.Execute(&out, data); err != nil {
		return "", fmt.Errorf("render views/%s: %w", name, located(err))
	}
	return out.String(), nil
}
