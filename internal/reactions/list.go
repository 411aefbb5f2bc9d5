package reactions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// MostCounted is up to how many events of a state are counted.
const MostCounted = 1000

// A Status is a reaction, and how many events wait for it, each up to [MostCounted].
type Status struct {
	Mark
	Declared                bool // by this build
	Waiting, Behind, Failed int
}

// List returns the reactions that have a mark, by name.
func (e *Engine) List(ctx context.Context) (all []Status, err error) {
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		if err := e.Marks.Scan(snap, store.Range{Index: e.Marks.Model.Field("name")}, func(m Mark) bool {
			all = append(all, Status{Mark: m, Declared: e.declares(m.Name)})
			return true
		}); err != nil {
			return err
		}
		for i := range all {
			s := &all[i]
			for prefix, n := range map[string]*int{"/w/": &s.Waiting, "/b/": &s.Behind, "/f/": &s.Failed} {
				if err := e.in(snap, s.Name+prefix, MostCounted, func(Item) { *n++ }); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return all, err
}

func (e *Engine) declares(name string) bool {
	return slices.ContainsFunc(e.All, func(r *Reaction) bool { return r.Name == name })
}

// in calls fn with items whose slots begin with a prefix, which ends with "/".
func (e *Engine) in(snap *store.Snapshot, prefix string, most int, fn func(Item)) error {
	left := most
	if left <= 0 {
		return nil
	}
	return e.Items.Scan(snap, e.Items.Between("slot", prefix, end(prefix)), func(it Item) bool {
		fn(it)
		left--
		return left > 0
	})
}

// Waiting returns events that wait: those that have failed for the last time first, then those that are
// due, and those behind others. They are at most limit, and only those of a reaction or in
// a state, unless only is "".
func (e *Engine) Waiting(ctx context.Context, only string, limit int) (all []Item, err error) {
	reactions, err := e.List(ctx)
	if err != nil {
		return nil, err
	}
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		for _, state := range []string{Failed, Waiting, Behind} {
			from := len(all)
			for _, r := range reactions {
				if only != "" && only != r.Name && only != state {
					continue
				}
				if err := e.in(snap, r.Name+"/"+state[:1]+"/", limit-from, func(it Item) { all = append(all, it) }); err != nil {
					return err
				}
			}
			slices.SortStableFunc(all[from:], func(a, b Item) int { return a.Due.Compare(b.Due) })
			all = all[:min(len(all), limit)]
		}
		return nil
	})
	return all, err
}

// Find returns an event that waits, or [store.ErrNotFound].
func (e *Engine) Find(ctx context.Context, id record.ID) (it Item, err error) {
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		image, err := snap.Get(e.Items.Model, id)
		if err == nil {
			it, err = e.Items.Of(image)
		}
		return err
	})
	return it, err
}

// ImageOf returns the record of an event that waits, nil if this build has no reaction to its model.
func (e *Engine) ImageOf(it *Item) *record.Image {
	for _, r := range e.All {
		if r.Scope.Model.Name == it.Model {
			return it.image(r.Scope.Model)
		}
	}
	return nil
}

// MaxAttempts is how often an event is tried.
const MaxAttempts = maxAttempts

// Why says why an event waits.
func (e *Engine) Why(ctx context.Context, it *Item) (string, error) {
	now := e.store.Now()
	failed := ""
	if it.Error != "" {
		failed = fmt.Sprintf("try %d of %d failed: %s", it.Attempt, maxAttempts, it.Error)
	}
	switch {
	case it.State == Failed && it.Attempt == 0:
		return it.Error, nil
	case it.State == Failed:
		return fmt.Sprintf("its last try, %d of %d, failed: %s; retry it, or drop it", it.Attempt, maxAttempts, it.Error), nil
	case it.State == Behind:
		first, err := e.head(ctx, it)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("it comes after an earlier event of the record, %s, which is %s", first.ID, first.State), nil
	case !e.declares(it.Reaction):
		return joined(fmt.Sprintf("this build of the application has no reaction %q", it.Reaction), failed), nil
	case it.Due.After(now) && failed == "":
		return fmt.Sprintf("it is debounced: it is due in %s, unless the record has another event", jobs.Ago(it.Due, now)), nil
	case it.Due.After(now):
		return joined("it is due in "+jobs.Ago(it.Due, now), failed), nil
	case !e.Run:
		return joined(fmt.Sprintf("it is due since %s; this process runs no reactions, since TOWER_WORKERS is 0 or off", jobs.Ago(now, it.Due)), failed), nil
	}
	return joined(fmt.Sprintf("it is due since %s, and about to run", jobs.Ago(now, it.Due)), failed), nil
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "; ")
}

// head returns the first event that waits of an event's record.
func (e *Engine) head(ctx context.Context, it *Item) (first Item, err error) {
	prefix := lane(it.Reaction, it.Of)
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		err := e.Items.Scan(snap, e.Items.Between("lane", prefix, end(prefix)), func(found Item) bool {
			first = found
			return false
		})
		if err == nil && first.ID == "" {
			err = errors.New("the event has just been dealt with")
		}
		return err
	})
	return first, err
}
