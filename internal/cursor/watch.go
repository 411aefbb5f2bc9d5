package cursor

import (
	"fmt"
	"sync"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Watches are scopes that somebody waits for to change: who it is that waits is
// found by the same index that finds queries, so that it costs as much as there
// are who wait for a commit, however many wait for others. The zero value is
// none. They are safe for concurrent use.
type Watches[W comparable] struct {
	mu      sync.Mutex
	indexes map[*record.Model]*index
	watches map[*selector][]*Watch[W]
	touched []*selector // what each commit uses again
}

// A Watch is a scope that a watcher waits for.
type Watch[W comparable] struct {
	watcher  W
	model    *record.Model
	selector *selector
	at       int // among those of its selector
}

// Add has the watcher be touched by commits from now on that change the scope:
// that change, make or delete a record for which its conditions hold before or
// after. Its order, limit and offset are not looked at.
func (w *Watches[W]) Add(watcher W, scope query.Scope) (*Watch[W], error) {
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
	watch := &Watch[W]{watcher: watcher, model: scope.Model, selector: s, at: len(w.watches[s])}
	w.watches[s] = append(w.watches[s], watch)
	return watch, nil
}

// Scope returns what is watched: the model, and the conditions.
func (w *Watch[W]) Scope() query.Scope {
	return query.Scope{Model: w.model, Where: w.selector.condition()}
}

// Remove takes a watch away that Add returned, once.
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

// Touched returns the watchers that a commit touches, each once, in no order.
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
			if _, twice := known[watch.watcher]; !twice {
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
