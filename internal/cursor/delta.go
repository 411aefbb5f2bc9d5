package cursor

import (
	"github.com/towerkit/tower/internal/record"
)

// A DeltaOp is what becomes of a record in a cursor.
type DeltaOp uint8

// The ops.
const (
	Enter DeltaOp = iota + 1
	Change
	Leave
)

func (o DeltaOp) String() string { return [...]string{"", "enter", "change", "leave"}[o] }

// A Delta is what becomes of one record in a cursor. Deltas come in the order
// leave, enter, change, and are applied in it: each After names the record to
// stand behind in the list as the deltas before it have left it.
type Delta struct {
	Op    DeltaOp
	ID    record.ID
	Image *record.Image // nil of a leave
	After *record.ID    // "": first; nil: not ordered, or a change that does not move

	With []*record.Image // of a spec that is inline: what is included of what Image refers to
}

var first record.ID

// diff returns the deltas that lead from the records before, in the order in
// which they are held, to those after. A record in both has changed if its
// version is more than since. Where the result is not ordered, it stands by id.
//
// They are few: what two lists have in common at their ends is skipped, and of
// what is in both, as much as possible keeps its place: unchanged records first.
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
	places  []int  // of each after, its place before, or -1
	moved   []bool // of each after, whether it gives up its place
	deltas  []Delta
}

// leave finds where each record was, and adds those that are gone.
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

// enter adds the records that are new, each behind the nearest that has its
// final place by then: those that move do so later.
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

// change adds the records that changed or have to move.
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

// chooseMoves decides which records move: all but those of the heaviest sequence that
// is in the same order before and after, where one unchanged record weighs more
// than all that changed.
func (d *differ) chooseMoves() {
	heaviest := prefixMax{best: make([]sequence, len(d.before)+1)}
	from := make([]int, len(d.after)) // the one before it in its heaviest sequence
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

// sequence is a sequence: its weight, and one more than the place of its end.
type sequence struct {
	weight int64
	end    int
}

// prefixMax is a Fenwick tree of sequences by where their ends were.
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
