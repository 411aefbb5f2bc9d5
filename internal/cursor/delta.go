package cursor

import (
	"github.com/towerkit/tower/internal/record"
)

// A DeltaOp is what happens to a record in a cursor.
type DeltaOp uint8

// The ops.
const (
	Enter DeltaOp = iota + 1
	Change
	Leave
)

func (o DeltaOp) String() string { return [...]string{"", "enter", "change", "leave"}[o] }

// A Delta describes what happens to one record in a cursor. Deltas come in the order
// leave, enter, change, and must be applied in this order: After names the record's
// new predecessor in the list as the preceding deltas have left it.
type Delta struct {
	Op    DeltaOp
	ID    record.ID
	Image *record.Image // nil for a leave
	After *record.ID    // "" is first; nil if there is no order, or for a change that keeps the position

	With []*record.Image // if the spec is inline: the records that Image includes
}

var first record.ID

// diff returns the deltas that turn before, the ids of a list in its order, into
// after. A record that is in both has changed if its
// version is greater than since. Without an order, records are kept by id.
//
// diff returns few deltas: it skips what both lists have in common at their ends, and
// of the records in both lists it moves as few as possible, preferably changed ones.
func diff(before []record.ID, after []*record.Image, since uint64, ordered bool) []Delta {
	lead := 0
	for lead < len(before) && lead < len(after) && same(before[lead], after[lead], since) {
		lead++
	}
	last := &first
	if lead > 0 {
		last = &after[lead-1].ID
	}
	before, after = before[lead:], after[lead:]
	for len(before) > 0 && len(after) > 0 && same(before[len(before)-1], after[len(after)-1], since) {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	if len(before) == 0 && len(after) == 0 {
		return nil
	}
	d := differ{before: before, after: after, since: since, ordered: ordered, places: make([]int, len(after)), moved: make([]bool, len(after))}
	d.leave()
	if ordered {
		d.chooseMoves()
	}
	d.enter(last)
	d.change(last)
	return d.deltas
}

func same(id record.ID, img *record.Image, since uint64) bool {
	return id == img.ID && img.Version <= since
}

type differ struct {
	before  []record.ID
	after   []*record.Image
	since   uint64
	ordered bool
	places  []int  // for each record of after, its index in before, or -1
	moved   []bool // for each record of after, whether it moves
	deltas  []Delta
}

// leave finds the index that each record had, and adds a delta for those that are
// gone.
func (d *differ) leave() {
	places := make(map[record.ID]int, len(d.before))
	for i, id := range d.before {
		places[id] = i
	}
	for i, img := range d.after {
		if place, ok := places[img.ID]; ok {
			d.places[i] = place
			delete(places, img.ID)
		} else {
			d.places[i] = -1
		}
	}
	for i, id := range d.before {
		if place, gone := places[id]; gone && place == i {
			d.deltas = append(d.deltas, Delta{Op: Leave, ID: id})
		}
	}
}

// enter adds the new records. Each goes after the nearest record before it that
// already is in its final position; records that move do so later.
func (d *differ) enter(last *record.ID) {
	for i, img := range d.after {
		if d.places[i] < 0 {
			d.add(Enter, img, last)
		}
		if !d.moved[i] {
			last = &img.ID
		}
	}
}

// change adds the records that changed or move.
func (d *differ) change(last *record.ID) {
	for i, img := range d.after {
		switch {
		case d.moved[i]:
			d.add(Change, img, last)
		case d.places[i] >= 0 && img.Version > d.since:
			d.add(Change, img, nil)
		}
		last = &img.ID
	}
}

func (d *differ) add(op DeltaOp, img *record.Image, after *record.ID) {
	if !d.ordered {
		after = nil
	}
	d.deltas = append(d.deltas, Delta{Op: op, ID: img.ID, Image: img, After: after})
}

// chooseMoves decides which records move: all but the heaviest sequence that has the
// same order before and after. One unchanged record weighs more than all changed
// ones.
func (d *differ) chooseMoves() {
	heaviest := prefixMax{best: make([]sequence, len(d.before)+1)}
	from := make([]int, len(d.after)) // the predecessor of each record in its heaviest sequence
	for i, img := range d.after {
		if d.places[i] < 0 {
			continue
		}
		d.moved[i] = true
		weight := int64(1)
		if img.Version <= d.since {
			weight = int64(len(d.after)) + 1
		}
		until := heaviest.upTo(d.places[i])
		from[i] = until.end
		heaviest.update(d.places[i], sequence{until.weight + weight, i + 1})
	}
	for end := heaviest.upTo(len(d.before)).end; end > 0; end = from[end-1] {
		d.moved[end-1] = false
	}
}

// A sequence is described by its weight and the index after its last record.
type sequence struct {
	weight int64
	end    int
}

// prefixMax is a Fenwick tree of sequences, by the index that their last record had.
type prefixMax struct{ best []sequence }

// upTo returns the heaviest sequence that ends before place.
func (t *prefixMax) upTo(place int) (heaviest sequence) {
	for ; place > 0; place -= place & -place {
		if t.best[place].weight > heaviest.weight {
			heaviest = t.best[place]
		}
	}
	return heaviest
}

func (t *prefixMax) update(place int, to sequence) {
	for place++; place < len(t.best); place += place & -place {
		if to.weight > t.best[place].weight {
			t.best[place] = to
		}
	}
}
