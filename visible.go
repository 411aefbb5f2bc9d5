package tower

import (
	"context"
	"iter"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
)

// A Viewer is a client whose rules decide what it may see: a [Connection], or a
// controller that embeds one through its session. Other packages cannot implement it.
type Viewer interface {
	DB

	viewer() *server.Connection
}

// Visible returns the record with that id if the client may see it. It asks the
// rule that cursors ask: the Match of the running controller, if it has one for the
// model. Otherwise the Match of the controller that is mounted under the model's name,
// or of the only controller with a Match for the model, decides.
//
//	post, err := tower.Visible(ctx, c, models.Posts, in.ID)
//
// The error is [NotFound] both for a missing record and for a record that the client
// may not see. A rule that panics denies. Without a rule Visible is [Model.Find]. Call
// it in actions and pages, with their context. It follows nothing. In a router's
// connect function it is an error, because there is no session yet.
func Visible[T any](ctx context.Context, c Viewer, m *Model[T], id ID) (*T, error) {
	image, err := visible(ctx, c, c.db(), m, id)
	if err != nil {
		return nil, err
	}
	return own[T](image)
}

// VisibleAll returns the records of a scope that the client may see, in order. It is
// [Scope.Records] under the rule that [Visible] asks. The scope's limit and offset
// count only visible records.
func VisibleAll[T any](ctx context.Context, c Viewer, s Scope[T]) ([]*T, error) {
	scope, err := s.resolve()
	if err != nil {
		return nil, err
	}
	images, err := c.viewer().FetchVisible(ctx, scope)
	if err != nil {
		return nil, err
	}
	return owned[T](images)
}

// EachVisible returns an iterator over the records of a scope that the client may see, in
// order. It is [Scope.Each] under the rule that [Visible] asks: a loop over a large
// collection, such as an export, needs little memory. The scope's limit and offset count
// only visible records.
func EachVisible[T any](ctx context.Context, c Viewer, s Scope[T]) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		scope, err := s.resolve()
		var rule func(*record.Image) bool
		if err == nil {
			rule, err = c.viewer().MatchRule(ctx, scope.Model)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		s.each(ctx, c, rule, yield)
	}
}

// UpdateVisible is [Model.Update] for a record that the client may see before the
// change: see [Visible]. If the controller is a [Permitter], it must permit the running
// action. The rules and the change are one transaction.
func UpdateVisible[T any](ctx context.Context, c Viewer, m *Model[T], id ID, change func(*T) error) (updated *T, err error) {
	err = c.Transaction(ctx, func(tx *Tx) error {
		if _, err := changeable(ctx, c, tx.tx, m, id); err != nil {
			return err
		}
		updated, err = m.Update(ctx, tx, id, change)
		return err
	})
	if err != nil {
		return nil, m.coded(id, err)
	}
	return updated, nil
}

// DeleteVisible is [Model.Delete] for a record that the client may see: see
// [Visible]. If the controller is a [Permitter], it must permit the running action. It
// calls each check with the record, and deletes nothing if one returns an error. All of it is one transaction.
//
//	tower.DeleteVisible(ctx, c, models.Posts, in.ID, func(post *models.Post) error {
//		if post.AuthorID != c.UserID() {
//			return tower.Forbidden("Only its author can delete a post.")
//		}
//		return nil
//	})
func DeleteVisible[T any](ctx context.Context, c Viewer, m *Model[T], id ID, checks ...func(*T) error) error {
	return m.coded(id, c.Transaction(ctx, func(tx *Tx) error {
		image, err := changeable(ctx, c, tx.tx, m, id)
		if err != nil {
			return err
		}
		for _, check := range checks {
			record, err := own[T](image)
			if err == nil {
				err = check(record)
			}
			if err != nil {
				return err
			}
		}
		return m.Delete(ctx, tx, id)
	}))
}

// changeable is visible for a record that the running action may change: the controller's
// Can permits it, or it has none.
func changeable[T any](ctx context.Context, c Viewer, db server.DB, m *Model[T], id ID) (*record.Image, error) {
	image, err := visible(ctx, c, db, m, id)
	if err != nil {
		return nil, err
	}
	return image, c.viewer().CheckCan(ctx, image)
}

// visible reads a record from db under the rule of a client.
func visible[T any](ctx context.Context, c Viewer, db server.DB, m *Model[T], id ID) (*record.Image, error) {
	var image *record.Image
	err := db.View(ctx, func(snap *store.Snapshot) (err error) {
		image, err = snap.Get(m.model, id)
		return err
	})
	if err != nil {
		return nil, m.coded(id, err)
	}
	rule, err := c.viewer().MatchRule(ctx, m.model)
	if err != nil {
		return nil, err
	}
	if rule != nil && !rule(image) {
		return nil, m.coded(id, store.ErrNotFound)
	}
	return image, nil
}
