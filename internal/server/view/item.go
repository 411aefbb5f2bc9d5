package view

import (
	"html/template"

	"github.com/towerkit/tower/internal/record"
)

// A Viewer is the user that something is rendered for. Viewers are comparable: equal ones
// have the same session.
type Viewer interface {
	// Session returns the application's session.
	Session() any
	// Can reports whether the user may call an action on a record.
	Can(action string, rec any) (bool, error)
}

// An Item is what a region sees as ".", and a partial that depends on its viewer, which
// its name declares: "posts/_post.viewer.html".
type Item struct {
	Record any // nil in a region without one

	viewer    Viewer
	checkPath func(method, path string) (takesFiles bool, err error)
	asked     *inquiry
}

// Session returns the application's session. A partial that calls it is rendered once for
// each viewer.
func (i *Item) Session() any {
	i.asked.session = i.viewer
	return i.viewer.Session()
}

// Can reports whether the viewer may call an action on a record: "Update" of the
// controller that the cursor belongs to, or "posts.Update". The record may be the item
// itself. A partial that calls nothing else of its viewer is rendered once for all viewers
// with the same answers.
func (i *Item) Can(action string, rec any) (bool, error) {
	if item, ok := rec.(*Item); ok {
		rec = item.Record
	}
	can, err := i.viewer.Can(action, rec)
	i.asked.questions = append(i.asked.questions, question{action, rec, can})
	return can, err
}

// Form returns the attributes of a form, as [Page.FormAttrs].
func (i *Item) Form(pattern string, rec ...any) (template.HTMLAttr, error) {
	for n, one := range rec {
		if item, ok := one.(*Item); ok {
			rec[n] = item.Record
		}
	}
	return formAttrs(i.checkPath, "", pattern, rec...)
}

// An inquiry is what a rendering depends on besides the record.
type inquiry struct {
	questions []question
	session   Viewer // whose session was read; nil: nobody's
}

// A question is one that the partial asked, with its answer.
type question struct {
	action string
	rec    any
	can    bool
}

// answeredBy reports whether a viewer would get what the inquiry got.
func (q *inquiry) answeredBy(viewer Viewer) bool {
	if q.session != nil {
		return q.session == viewer
	}
	for _, asked := range q.questions {
		if can, err := viewer.Can(asked.action, asked.rec); err != nil || can != asked.can {
			return false
		}
	}
	return true
}

// Renderings keeps what was rendered, so that equal renderings run once. The zero value
// holds none.
type Renderings struct{ known map[rendering][]variant }

// A rendering identifies the HTML of a record but for its viewer: the partial, and the
// images of the record and of its references.
type rendering struct {
	partial string
	image   *record.Image
	with    string // the ids and versions of its references
}

// A variant is the HTML for all viewers who get the same answers.
type variant struct {
	inquiry
	html string
}

// find returns the variant for a viewer, and its index; -1 if there is none.
func (r *Renderings) find(key rendering, viewer Viewer) (html string, index int) {
	for i := range r.known[key] {
		if v := &r.known[key][i]; v.answeredBy(viewer) {
			return v.html, i
		}
	}
	return "", -1
}

// add keeps a variant and returns its index.
func (r *Renderings) add(key rendering, v variant) int {
	if r.known == nil {
		r.known = map[rendering][]variant{}
	}
	r.known[key] = append(r.known[key], v)
	return len(r.known[key]) - 1
}
