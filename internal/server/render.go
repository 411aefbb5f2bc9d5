package server

import (
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/outbox"
)

// A rendering identifies the HTML of a record: the partial, the images of the record and
// of its references, and the viewer, nil if it is the same for everyone.
type rendering struct {
	partial string
	image   *record.Image
	with    string // the ids and versions of its references
	viewer  *Connection
}

// steps returns the deltas as steps, with HTML for the list of a page.
func (a *App) steps(oc *OpenCursor, deltas []cursor.Delta, html map[rendering]string) ([]outbox.Step, error) {
	out := make([]outbox.Step, len(deltas))
	for i, delta := range deltas {
		out[i].Delta = delta
		if oc.Request.partial != "" && delta.Image != nil {
			var err error
			if out[i].HTML, err = a.render(oc, delta.Image, delta.With, html); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// included returns the steps of included records, by model.
func included(all []cursor.Included) map[string][]outbox.Step {
	out := make(map[string][]outbox.Step, len(all))
	for _, in := range all {
		for _, delta := range in.Deltas {
			out[in.Model.Name] = append(out[in.Model.Name], outbox.Step{Delta: delta})
		}
	}
	return out
}

// ValueJSON returns a cursor's value in its wire form, nil for no value.
func ValueJSON(v *record.Value) json.RawMessage {
	if v == nil {
		return nil
	}
	data, err := json.Marshal(v.Any())
	if err != nil {
		panic(err) // a field's value always has a JSON form
	}
	return data
}

// render renders a record for a cursor. It looks the HTML up in done and adds it there,
// so that equal renderings run once; done may be nil.
func (a *App) render(oc *OpenCursor, image *record.Image, with []*record.Image, done map[rendering]string) (string, error) {
	key := rendering{partial: oc.Request.partial, image: image}
	for _, other := range with {
		key.with += fmt.Sprintf("%s@%d ", other.ID, other.Version)
	}
	var session any
	if oc.Request.perViewer() {
		key.viewer = oc.Conn
		session = oc.Conn.current().value
	}
	if html, ok := done[key]; ok {
		return html, nil
	}
	templates, err := a.views.current()
	if err != nil {
		return "", err
	}
	html, err := templates.partial(oc.Request.partial, image, with, session)
	if err == nil && done != nil {
		done[key] = html
	}
	return html, err
}
