package cursor

import (
	"slices"

	"github.com/towerkit/tower/internal/store"
)

// A list is the first records of a scope, in order and from before its offset:
// all that stand up to the place known, or all there are. It is not for
// concurrent use.
type list struct {
	scope    *Scope
	allow    func(*store.Image) bool
	spare    int // how many records it holds behind its window, and some more
	images   []*store.Image
	known    *store.Image // whose place it is; nil: none yet
	complete bool
}

// A view reads one state of the store. What it calls is short.
type view func(read func(*store.Snapshot) error) error

// spare is how many records a list holds behind a small window, so that it need
// not be refilled whenever one leaves.
const spare = 8

// most returns how many records the list holds, 0 for all.
func (l *list) most() int {
	if l.scope.end() == 0 {
		return 0
	}
	return l.scope.end() + l.scope.end()/4 + l.spare
}

// short reports whether the window may lack records that the store has.
func (l *list) short() bool {
	return !l.complete && (l.scope.end() == 0 || len(l.images) < l.scope.end())
}

// fill reads on until the list holds as many records as it may, or all there are.
// The rule is asked between reads, never within one: the store is read in
// batches, each twice the one before, until the rule has allowed enough.
func (l *list) fill(at view) error {
	want := l.most()
	for batch := want - len(l.images); !l.complete && (want == 0 || len(l.images) < want); batch *= 2 {
		var found []*store.Image
		err := at(func(snap *store.Snapshot) (err error) {
			found, err = l.scope.read(snap, l.known, batch)
			return err
		})
		if err != nil {
			return err
		}
		l.complete = want == 0 || len(found) < batch
		l.take(found, want)
	}
	return nil
}

// take appends those of the records that the rule allows, up to want.
func (l *list) take(found []*store.Image, want int) {
	for i, img := range found {
		if l.allow(img) {
			l.images = append(l.images, img)
		}
		l.known = img
		if want > 0 && len(l.images) >= want {
			l.complete = l.complete && i == len(found)-1
			return
		}
	}
}

// apply follows one change of a record: before and after say whether the scope's
// conditions hold for it.
func (l *list) apply(t *touch) {
	if t.before {
		if i, found := l.find(t.change.Before); found {
			l.images = slices.Delete(l.images, i, i+1)
		}
	}
	if t.after && l.knows(t.change.After) && l.allow(t.change.After) {
		i, _ := l.find(t.change.After)
		l.images = slices.Insert(l.images, i, t.change.After)
	}
}

// knows reports whether img, if it is in the scope at all, has to be in the list.
func (l *list) knows(img *store.Image) bool {
	return l.complete || l.known != nil && l.scope.compare(img, l.known) <= 0
}

func (l *list) find(img *store.Image) (int, bool) {
	return slices.BinarySearchFunc(l.images, img, l.scope.compare)
}

// evict lets go of what stands too far behind the window.
func (l *list) evict() {
	most := l.most()
	if most == 0 || len(l.images) <= most {
		return
	}
	clear(l.images[most:])
	l.images = l.images[:most]
	l.known, l.complete = l.images[most-1], false
}

// visible returns what the scope's window shows. It is the list's own.
func (l *list) visible() []*store.Image { return window(l.scope, l.images) }

func idsOf(dst []store.ID, images []*store.Image) []store.ID {
	for _, img := range images {
		dst = append(dst, img.ID)
	}
	return dst
}
