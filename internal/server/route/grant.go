package route

import (
	"errors"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/record"
)

// A Grant permits a route to users: to all, to those who have one of the roles, or to the one
// that a record names in a field.
type Grant struct {
	Roles []string
	Owner any // a pointer to the field; nil: it is not about a record

	field *record.Field
	model *record.Model
}

// Owned returns the grants to those whom a record of a model names.
func (r *Route) Owned(m *record.Model) (owned []Grant) {
	for _, g := range r.Only {
		if g.Owner != nil && g.model == m {
			owned = append(owned, g)
		}
	}
	return owned
}

// IsOwned reports whether the route is permitted to those whom a record names.
func (r *Route) IsOwned() bool {
	return slices.ContainsFunc(r.Only, func(g Grant) bool { return g.Owner != nil })
}

// Permits reports whether a record, a *T of the model, names the user.
func (g Grant) Permits(user record.ID, rec any) bool {
	return user != "" && g.model.Place(rec, g.field).String() == string(user)
}

// CheckGrants returns an error for each grant that the server could not ask.
func (r *Router) CheckGrants(models []*record.Model) error {
	var all []error
	for _, rt := range r.Routes {
		for i := range rt.Only {
			if err := r.checkGrant(rt, &rt.Only[i], models); err != nil {
				all = append(all, fmt.Errorf("%s: Only: %w", rt.Pattern(), err))
			}
		}
	}
	return errors.Join(all...)
}

func (r *Router) checkGrant(rt *Route, g *Grant, models []*record.Model) error {
	if len(g.Roles) > 0 && r.HasRole == nil {
		return fmt.Errorf("the session has no method HasRole(role string) bool, and so the role %q is not known", g.Roles[0])
	}
	if g.Owner == nil {
		return nil
	}
	if rt.Kind != KindAction {
		return errors.New("Own is for an action; what a user may see is decided by Match")
	}
	for _, m := range models {
		if f, err := m.FieldAt(g.Owner); err == nil {
			g.field, g.model = f, m
			return nil
		}
	}
	return errors.New("Own needs a pointer into the Fields of a model of Config.Models")
}
