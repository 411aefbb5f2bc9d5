package cursor

import (
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A list is the first records of a scope, in order and from before its offset:
// all that stand up to the place known, or all there are. It is not for
// concurrent use.
type list struct {
	scope    *query.Scope
	spare    int // how many records it holds behind its window, and some more
	images   []*record.Image
	known    *record.Image // whose place it is; nil: none yet
	complete bool
	includes []includedSet // of what the window shows
	inline   bool          // and is seen as one with that
	seq      uint64        // of the last commit that the company followed
}

// newList returns a list of a spec that is yet to be filled.
func newList(spec *Spec, spare int) *list {
	l := &list{scope: &spec.Scope, spare: spare, inline: spec.Inline && len(spec.Include) > 0}
	for i := range spec.Include {
		l.includes = append(l.includes, includedSet{of: &spec.Include[i]})
	}
	return l
}

// A view reads one state of the store. What it calls is short.
type view func(read func(*store.Snapshot) error) error

// spare is how many records a list holds behind a small window, so that it need
// not be refilled whenever one leaves.
const spare = 8

// capacity returns how many records the list holds, 0 for all.
func (l *list) capacity() int {
	if l.scope.End() == 0 {
		return 0
	}
	return l.scope.End() + l.scope.End()/4 + l.spare
}

// needsFill reports whether the window may lack records that the store has.
func (l *list) needsFill() bool {
	return !l.complete && (l.scope.End() == 0 || len(l.images) < l.scope.End())
}

// fill reads on until the list holds as many records as it may, or all there are.
// The rule is asked between reads, never within one: the store is read in
// batches, each twice the one before, until the rule has allowed enough.
func (l *list) fill(at view, own rules) error {
	for batch := l.missing(); l.missing() != 0; batch *= 2 {
		found, err := l.next(at, batch)
		if err != nil {
			return err
		}
		l.append(found, func(i int) bool { return own.allow(0, found[i]) })
	}
	return nil
}

// missing returns how many records the list has yet to read, -1 for all that
// remain, 0 for none.
func (l *list) missing() int {
	switch most := l.capacity(); {
	case l.complete:
		return 0
	case most == 0:
		return -1
	default:
		return max(most-len(l.images), 0)
	}
}

// next reads up to n records from the place known on, and whether those are all;
// all that remain if n is negative.
func (l *list) next(at view, n int) (found []*record.Image, err error) {
	err = at(func(snap *store.Snapshot) (err error) {
		found, err = l.scope.Read(snap, l.known, max(n, 0))
		return err
	})
	l.complete = err == nil && (n < 0 || len(found) < n)
	return found, err
}

// append appends those of the records, just read, that the rule allows, as many as
// the list wants.
func (l *list) append(found []*record.Image, allowed func(i int) bool) {
	want := l.capacity()
	for i, img := range found {
		if allowed(i) {
			l.images = append(l.images, img)
		}
		l.known = img
		if want > 0 && len(l.images) >= want {
			l.complete = l.complete && i == len(found)-1
			return
		}
	}
}

// asksRule reports whether it matters to the list what a rule says to the change.
func (l *list) asksRule(t *touch) bool { return t.after && l.covers(t.change.After) }

// apply follows one change of a record: before says whether the scope's
// conditions held for it, after whether they do and the rule allows it.
func (l *list) apply(t *touch) {
	if t.before {
		if i, found := l.find(t.change.Before); found {
			l.images = slices.Delete(l.images, i, i+1)
		}
	}
	if l.asksRule(t) {
		i, _ := l.find(t.change.After)
		l.images = slices.Insert(l.images, i, t.change.After)
	}
}

// covers reports whether img, if it is in the scope at all, has to be in the list.
func (l *list) covers(img *record.Image) bool {
	return l.complete || l.known != nil && l.scope.Compare(img, l.known) <= 0
}

func (l *list) find(img *record.Image) (int, bool) {
	return slices.BinarySearchFunc(l.images, img, l.scope.Compare)
}

// evict lets go of what stands too far behind the window.
func (l *list) evict() {
	most := l.capacity()
	if most == 0 || len(l.images) <= most {
		return
	}
	clear(l.images[most:])
	l.images = l.images[:most]
	l.known, l.complete = l.images[most-1], false
}

func (l *list) len() int { return len(l.images) }

func (l *list) clone() result {
	c := *l
	c.images, c.includes = slices.Clone(l.images), slices.Clone(l.includes)
	return &c
}

// hash is the same for lists that show the same.
func (l *list) hash() (sum uint64) {
	for _, img := range l.visible() {
		sum = sum*31 + hashID(img.ID)
	}
	for i := range l.includes {
		for _, img := range l.includes[i].images() {
			sum = sum*31 + hashID(img.ID)
		}
	}
	return sum
}

// unify makes the list what it and another know in common, if that is enough to
// be both.
func (l *list) unify(r result) bool {
	near, far := l, r.(*list) // near is the one that knows less
	if near.complete || !far.complete && l.scope.Compare(far.known, near.known) < 0 {
		near, far = far, near
	}
	n := len(near.images)
	switch {
	case len(far.images) < n || len(far.images) > n && near.covers(far.images[n]),
		near.needsFill(), !sameIncludes(near.includes, far.includes),
		!slices.EqualFunc(near.images, far.images[:n], func(a, b *record.Image) bool { return a.ID == b.ID }):
		return false
	}
	l.images, l.known, l.complete = near.images, near.known, near.complete
	return true
}

// visible returns what the scope's window shows. It is the list's own.
func (l *list) visible() []*record.Image { return query.Window(l.scope, l.images) }

func idsOf(dst []record.ID, images []*record.Image) []record.ID {
	for _, img := range images {
		dst = append(dst, img.ID)
	}
	return dst
}
