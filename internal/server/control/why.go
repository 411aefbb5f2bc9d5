package control

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// An explanation collects the tests that decide whether a cursor holds a record.
type explanation struct {
	out   *wire.Why
	image *record.Image
}

// add records a test and reports whether it holds. The first test that does not hold
// decides.
func (v *explanation) add(test wire.Test) bool {
	v.out.Tests = append(v.out.Tests, test)
	if !test.Holds && v.out.Decided == "" {
		v.out.Decided = test.What
	}
	return test.Holds
}

// why explains whether a cursor holds a record for a user.
func (c *console) why(ctx context.Context, req *wire.ControlRequest) (any, error) {
	cr, err := c.cursorRequest(&wire.ControlRequest{Name: req.Name, In: req.In})
	if err != nil {
		return nil, err
	}
	m := c.app.Store().Model(req.Model)
	if m == nil {
		return nil, fault.Errorf(fault.NotFound, "there is no model %q", req.Model)
	}
	return c.asUser(ctx, req, func(ctx context.Context, s *server.Session) (any, error) {
		var image *record.Image
		err := s.Conn.View(ctx, func(snap *store.Snapshot) (err error) {
			image, err = snap.Get(m, record.ID(req.Key))
			return err
		})
		if err != nil {
			return nil, notFound(m, req.Key, err)
		}
		return c.explain(ctx, s, cr, image)
	})
}

// explain runs the tests in the order that a cursor applies them.
func (c *console) explain(ctx context.Context, s *server.Session, cr *server.CursorRequest, image *record.Image) (*wire.Why, error) {
	out := &wire.Why{Cursor: cr.Route.Name, Model: image.Model.Name, ID: string(image.ID), Label: server.Label(image), User: s.Conn.Label()}
	tests := explanation{out: out, image: image}
	controller, err := s.Controller(cr.Route.Controller)
	if err != nil {
		return nil, err
	}
	if _, asks := controller.(interface{ Allow(string) bool }); asks {
		if !tests.add(wire.Test{Kind: "allow", What: cr.Route.Controller.Type + ".Allow(" + cr.Route.Action + ")", Holds: s.Allows(cr.Route)}) {
			return out, nil
		}
	}
	spec, err := s.Spec(ctx, cr)
	if err != nil {
		coded := fault.As(err)
		if coded.Code == fault.Internal {
			return nil, err
		}
		tests.add(wire.Test{Kind: "cursor", What: cr.Route.Controller.Type + "." + cr.Route.Action, Message: coded.Error()})
		return out, nil
	}
	if spec.Scope.Model != image.Model {
		return nil, fault.Errorf(fault.BadRequest, "%s holds %s, not %s", cr.Route.Name, spec.Scope.Model.Name, image.Model.Name)
	}
	out.Scope, out.Offset, out.Limit = spec.String(), spec.Scope.Offset, spec.Scope.Limit
	matches := true
	for _, condition := range conjuncts(spec.Scope.Where) {
		matches = tests.add(explainCondition(condition, image)) && matches
	}
	if spec.Allow != nil {
		test := wire.Test{Kind: "match", What: cr.Route.Controller.Type + ".Match"}
		err := fault.Recover(test.What, func() error {
			test.Holds = spec.Allow(image)
			return nil
		})
		var panicked *fault.Panic
		if errors.As(err, &panicked) {
			test.Holds, test.Message = false, "it panicked, and so denies"
		}
		matches = tests.add(test) && matches
	}
	if matches {
		return out, c.rank(ctx, s, cr, spec, tests)
	}
	return out, nil
}

// rank completes the explanation for a record that passes all tests: its position, and
// whether it is within the cursor's limit and offset.
func (c *console) rank(ctx context.Context, s *server.Session, cr *server.CursorRequest, spec cursor.Spec, tests explanation) error {
	out := tests.out
	out.Sees = true
	if len(out.Tests) > 0 {
		out.Decided = out.Tests[len(out.Tests)-1].What
	}
	if cr.Route.Value {
		return nil
	}
	spec.Allow = c.app.Denying(spec.Allow)
	before, err := cursor.Rank(func(read func(*store.Snapshot) error) error { return s.Conn.View(ctx, read) }, spec, tests.image)
	if err != nil {
		return err
	}
	out.Rank = before + 1
	if before < out.Offset || out.Limit > 0 && before >= out.Offset+out.Limit {
		out.Sees, out.Decided = false, "window"
	}
	return nil
}

// conjuncts splits a condition into conditions that must all hold.
func conjuncts(c query.Condition) []query.Condition {
	switch word, _, _, args := c.Parts(); word {
	case "all":
		return nil
	case "and":
		var all []query.Condition
		for _, arg := range args {
			all = append(all, conjuncts(arg)...)
		}
		return all
	default:
		return []query.Condition{c}
	}
}

// explainCondition tests a condition on a record, and notes the value of its field.
func explainCondition(c query.Condition, image *record.Image) wire.Test {
	word, field, _, args := c.Parts()
	test := wire.Test{Kind: "where", What: c.String(), Holds: c.Match(image)}
	if word == "not" && len(args) == 1 { // not of one condition names its field
		_, field, _, _ = args[0].Parts()
	}
	if field != nil {
		if test.Field = field.Name; !field.Private {
			test.Value = valueIn(image, field.Name)
		}
		return test
	}
	for _, arg := range args {
		test.Tests = append(test.Tests, explainCondition(arg, image))
	}
	return test
}

// valueIn returns the value of a field as clients receive it.
func valueIn(image *record.Image, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(image.JSON, &members) != nil {
		return nil
	}
	return members[name]
}
