package outbox

import (
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/wire"
)

// A replica is what the client holds of it.
type replica struct {
	html   bool
	ids    []string
	bodies map[string]string
}

// apply does what the protocol says, and refuses all else.
func (r *replica) apply(d *wire.Delta, bodies map[string]string) error {
	for _, id := range d.Leave {
		if err := r.take(id); err != nil {
			return err
		}
		delete(r.bodies, id)
	}
	for i, entry := range slices.Concat(d.Enter, d.Change) {
		_, held := r.bodies[entry.ID]
		if held == (i < len(d.Enter)) {
			return fmt.Errorf("%s enters or changes, and held is %v", entry.ID, held)
		}
		switch {
		case entry.HTML != "":
			r.bodies[entry.ID] = entry.HTML
		case bodies[entry.ID] != "" && !r.html:
			r.bodies[entry.ID] = bodies[entry.ID]
		case !held:
			return fmt.Errorf("%s has no body", entry.ID)
		}
		if held && entry.After == nil {
			continue
		}
		if held {
			if err := r.take(entry.ID); err != nil {
				return err
			}
		}
		at, _ := slices.BinarySearch(r.ids, entry.ID)
		if entry.After != nil {
			at = slices.Index(r.ids, *entry.After) + 1
			if at == 0 && *entry.After != "" {
				return fmt.Errorf("%s stands after %s, which is not held", entry.ID, *entry.After)
			}
		}
		r.ids = slices.Insert(r.ids, at, entry.ID)
	}
	for i := range d.Then {
		if err := r.apply(&d.Then[i], bodies); err != nil {
			return err
		}
	}
	return nil
}

func (r *replica) take(id string) error {
	at := slices.Index(r.ids, id)
	if at < 0 {
		return fmt.Errorf("%s left and was not held", id)
	}
	r.ids = slices.Delete(r.ids, at, at+1)
	return nil
}
