package cursor

import (
	"fmt"
	"slices"
	"sync"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Watches maps scopes to watchers. A commit's watchers are found through the
// condition index, so the cost depends only on the watchers it touches. The zero value has
// none. It is safe for concurrent use.
type Watches[W comparable] struct {
	mu      sync.Mutex
	indexes map[*record.Model]*index
	watches map[*selector][]*Watch[W]
	touched []*selector // reused for each commit
}

// A Watch is a scope that a watcher watches.
type Watch[W comparable] struct {
	watcher  W
	model    *record.Model
	selector *selector
	at       int             // index among the watches of its selector
	fields   []*record.Field // those that matter; nil is all
}

// Add makes commits from now on touch the watcher if they create, change or delete a
// record that satisfies the scope's conditions before or after. Order, limit and offset
// are ignored. If fields are named, a record that satisfies the conditions before and
// after touches the watcher only if one of them changes.
func (w *Watches[W]) Add(watcher W, scope query.Scope, fields ...*record.Field) (*Watch[W], error) {
	if err := scope.Check(); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.indexes == nil {
		w.indexes, w.watches = map[*record.Model]*index{}, map[*selector][]*Watch[W]{}
	}
	x := w.indexes[scope.Model]
	if x == nil {
		x = newIndex()
		w.indexes[scope.Model] = x
	}
	s := x.add(query.Canonical(scope.Where))
	watch := &Watch[W]{watcher: watcher, model: scope.Model, selector: s, at: len(w.watches[s]), fields: fields}
	w.watches[s] = append(w.watches[s], watch)
	return watch, nil
}

// Scope returns what is watched: the model and the conditions.
func (w *Watch[W]) Scope() query.Scope {
	return query.Scope{Model: w.model, Where: w.selector.condition()}
}

// Remove removes a watch that Add returned. It must be called only once for each.
func (w *Watches[W]) Remove(watch *Watch[W]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := watch.selector
	all := w.watches[s]
	last := len(all) - 1
	all[watch.at] = all[last]
	all[watch.at].at = watch.at
	all[last] = nil
	if last > 0 {
		w.watches[s] = all[:last]
		return
	}
	delete(w.watches, s)
	x := w.indexes[watch.model]
	if x.remove(s); len(x.selectors) == 0 {
		delete(w.indexes, watch.model)
	}
}

// Touched returns the watchers that a commit touches, each once, in no particular
// order.
func (w *Watches[W]) Touched(c store.Commit) []W {
	w.mu.Lock()
	defer w.mu.Unlock()
	touched := w.touched[:0]
	for i := range c.Changes {
		if x := w.indexes[c.Changes[i].Model]; x != nil {
			touched = x.match(&c.Changes[i], touched)
		}
	}
	if len(touched) == 0 {
		return nil
	}
	var found []W
	known := map[W]struct{}{}
	for _, s := range touched {
		for _, watch := range w.watches[s] {
			if _, twice := known[watch.watcher]; !twice && watch.concerns(*s.touches) {
				known[watch.watcher] = struct{}{}
				found = append(found, watch.watcher)
			}
		}
		s.clearTouches()
	}
	clear(touched)
	w.touched = touched
	return found
}

// concerns reports whether one of the touches matters to the watch.
func (w *Watch[W]) concerns(touches []touch) bool {
	return w.fields == nil || slices.ContainsFunc(touches, func(t touch) bool {
		return t.op() != Change || slices.ContainsFunc(w.fields, func(f *record.Field) bool { return !t.change.Same(f) })
	})
}
