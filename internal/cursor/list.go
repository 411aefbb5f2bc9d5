package cursor

import (
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A list holds the scope's records from the start up to known, or all of them if
// complete. It includes those before the scope's offset. It is not safe for
// concurrent use.
type list struct {
	scope    *query.Scope
	spare    int // records that it keeps after its window, beside a share of the window
	part     int // see inParts
	images   []*record.Image
	known    *record.Image // the last record in order that it has seen; nil if none
	complete bool
	includes []includedSet // what the records in the window include
	inline   bool          // included records count as a part of the record
	seq      uint64        // of the last commit that the includes followed
}

// newList returns an empty list for a spec.
func newList(spec *Spec, spare int) *list {
	l := &list{scope: &spec.Scope, spare: spare, inline: spec.Inline && len(spec.Include) > 0}
	for i := range spec.Include {
		l.includes = append(l.includes, includedSet{of: &spec.Include[i]})
	}
	return l
}

// A view reads one state of the store. The function that it calls must be short.
type view func(read func(*store.Snapshot) error) error

const (
	firstPart = 128  // records
	mostPart  = 2048 // records
)

// inParts reads in views of their own: part records first, and then more each time, because
// a view takes longer the older its state is. 0 reads everything in one view.
func inParts(at view, part int, next func(snap *store.Snapshot, most int) (done bool, err error)) error {
	for done := false; !done; part = min(2*part, mostPart) {
		if err := at(func(snap *store.Snapshot) (err error) {
			done, err = next(snap, part)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// spare is how many records a list keeps after a small window, so that it need not be
// refilled whenever a record leaves.
const spare = 8

// capacity returns how many records the list keeps; 0 is all.
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

// fill reads until the list has as many records as it may keep, or all there are. It
// asks the rule between reads, never during one: it reads the store in batches of
// growing size until the rule has allowed enough records.
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

func (l *list) readInParts(part int) { l.part = part }

// missing returns how many records the list must still read; -1 is all that remain.
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

// next reads up to n records after known, or all that remain if n is negative, and
// notes whether these are the last.
func (l *list) next(at view, n int) (found []*record.Image, err error) {
	reader := l.scope.Reader(l.known, max(n, 0))
	err = inParts(at, l.part, reader.Next)
	found = reader.Images
	l.complete = err == nil && (n < 0 || len(found) < n)
	return found, err
}

// append appends the records, just read, that are allowed, until the list is full.
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

// asksRule reports whether the rule's answer to the change matters to the list.
func (l *list) asksRule(t *touch) bool { return t.after && l.covers(t.change.After) }

// apply follows the change of one record. before is whether the record satisfied the
// scope's conditions; after is whether it does now and the rule allows it.
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

// covers reports whether img must be in the list if it is in the scope.
func (l *list) covers(img *record.Image) bool {
	return l.complete || l.known != nil && l.scope.Compare(img, l.known) <= 0
}

func (l *list) find(img *record.Image) (int, bool) {
	return slices.BinarySearchFunc(l.images, img, l.scope.Compare)
}

// evict drops the records that are too far after the window.
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

// hash returns a hash that is equal for lists that show the same records.
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

// unify reports whether the list and r hold the same records as far as both know. If
// so, the list keeps only what both know.
func (l *list) unify(r result) bool {
	near, far := l, r.(*list) // near is the list that knows less
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

// visible returns the records in the scope's window, a slice of the list's own.
func (l *list) visible() []*record.Image { return query.Window(l.scope, l.images) }

func idsOf(dst []record.ID, images []*record.Image) []record.ID {
	for _, img := range images {
		dst = append(dst, img.ID)
	}
	return dst
}
