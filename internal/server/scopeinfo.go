package server

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/wire"
)

// scopeInfo describes a cursor's scope for its client, so that the client can apply its
// own writes before the server does. It returns nil if the client did not ask for it. The
// description has no private field, no value of one, and no id except its user's and the
// ids that the client sent.
func (a *App) scopeInfo(c *Connection, cr *CursorRequest, query *cursor.Query) (*wire.Scope, error) {
	if !cr.scope || cr.Route.Value {
		return nil, nil
	}
	controller, err := c.current().Controller(cr.Route.Controller)
	if err != nil {
		return nil, err
	}
	scope := query.Spec().Scope
	ruled := a.rule(scope.Model, controller) != nil
	out := &wire.Scope{Fields: map[string]string{}, Limit: scope.Limit, Offset: scope.Offset, Rule: ruled || scope.Opaque}
	for _, f := range scope.Model.Fields {
		if !f.Private {
			out.Fields[f.Name] = f.Shape()
		}
	}
	if !scope.Opaque {
		known, err := cr.knownIDs(c.user)
		if err != nil {
			return nil, err
		}
		where, whole := scope.Where.ClientJSON(func(v record.Value) bool {
			_, err := record.ParseID(v.Text())
			return err != nil || strings.Contains(known, v.Text())
		})
		out.Rule = out.Rule || !whole
		if len(where) > 0 {
			if out.Where, err = json.Marshal(where); err != nil {
				return nil, fmt.Errorf("encode the scope of %s: %w", cr.Route.Name, err)
			}
		}
	}
	for _, term := range scope.Order {
		if scope.Opaque || term.Field.Private || term.Field.Shape() == "any" {
			out.Order, out.Ranked = nil, true
			break
		}
		out.Order = append(out.Order, term.String())
	}
	return out, nil
}

// knownIDs returns a text that contains all ids that the client knows, because it sent
// them.
func (cr *CursorRequest) knownIDs(user record.ID) (string, error) {
	in, err := json.Marshal(cr.In)
	if err != nil {
		return "", fmt.Errorf("encode the scope of %s: encode its input: %w", cr.Route.Name, err)
	}
	return string(user) + " " + string(in) + " " + string(cr.Where), nil
}
