package outbox

import (
	"slices"
	"sync"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
)

// A batch is a sequence of frames that wait together. It is a linked list from the
// last frame to the first, so that connections that wait for the same frames share the
// batch and the frame merged from it.
type batch struct {
	before *batch
	last   *Frame
	size   int    // number of frames
	next   *batch // the newest batch that extends this one; only Deliver sets it

	once  sync.Once
	frame *Frame
}

// append returns the batch extended by a frame.
func (b *batch) append(f *Frame) *batch {
	if b.next == nil || b.next.last != f {
		b.next = &batch{before: b, last: f, size: b.size + 1}
	}
	return b.next
}

// merged returns one frame with the effect of all frames of the batch.
func (b *batch) merged() *Frame {
	if b.before == nil {
		return b.last
	}
	b.once.Do(func() {
		frames := make([]*Frame, b.size)
		for at, i := b, b.size-1; at != nil; at, i = at.before, i-1 {
			frames[i] = at.last
		}
		b.frame = merge(frames)
	})
	return b.frame
}

// newestImages holds the newest image of each record.
type newestImages map[record.Key]*record.Image

func (n newestImages) add(steps []Step) {
	for _, s := range steps {
		if s.Image != nil {
			n[record.Key{Model: s.Image.Model, ID: s.ID}] = s.Image
		}
	}
}

func (n newestImages) replace(steps []Step) {
	for i := range steps {
		if s := &steps[i]; s.Image != nil {
			s.Image = n[record.Key{Model: s.Image.Model, ID: s.ID}]
		}
	}
}

// merge returns one frame with the effect of several plain frames. It has only the
// newest image of each record, and for each cursor the steps from its state before the
// first frame to its state after the last.
func merge(frames []*Frame) *Frame {
	var deltas []CursorDelta
	at := map[uint64]int{} // index of a cursor in deltas
	newest := newestImages{}
	ack := false
	for _, f := range frames {
		ack = ack || f.ack
		for _, p := range f.Deltas {
			i, known := at[p.Number]
			if !known {
				i = len(deltas)
				at[p.Number] = i
				deltas = append(deltas, CursorDelta{Number: p.Number, HTML: p.HTML})
			}
			deltas[i].Steps = append(deltas[i].Steps, p.Steps...)
			if p.Value != nil {
				deltas[i].Value = p.Value
			}
			if p.HTML {
				continue
			}
			newest.add(p.Steps)
			for model, steps := range p.Include {
				newest.add(steps)
				if deltas[i].Include == nil {
					deltas[i].Include = map[string][]Step{}
				}
				deltas[i].Include[model] = append(deltas[i].Include[model], steps...)
			}
		}
	}
	for i := range deltas {
		p := &deltas[i]
		p.Steps = compose(p.Steps)
		if p.HTML {
			continue
		}
		newest.replace(p.Steps)
		for model, steps := range p.Include {
			steps = compose(steps)
			slices.SortStableFunc(steps, func(a, b Step) int { return opOrder(a.Op) - opOrder(b.Op) }) // included records have no order, so one delta is enough
			newest.replace(steps)
			p.Include[model] = steps
		}
	}
	return NewFrame(frames[0].from, frames[len(frames)-1].seq, ack, deltas, nil)
}

// A netChange is the combined effect of several frames on one record of a cursor.
type netChange struct {
	entered    bool // the list did not hold the record before the frames
	left       bool // the list does not hold it after them
	latest     Step // with the newest image
	superseded bool // a later step positions the record, or removes it
	needed     bool // a later step positions another record after this one
	anchor     bool // a step that is kept positions another record after this one
	placed     bool // a step of the result holds it
}

// compose returns fewer steps with the same result as steps, for any list that they
// apply to.
//
// A record that leaves does so at the end. Until then it keeps its position and does
// not affect the order of the other records, so a step that positions a record after a
// neighbor stays correct even if the neighbor has left since. A step that positions a
// record can be dropped if a later step positions or removes that record, unless a step
// in between positions another record after it. A record that is no other record's
// neighbor may leave first.
func compose(steps []Step) []Step {
	changes := make(map[record.ID]*netChange)
	var ids []record.ID // in the order of their first step
	for _, s := range steps {
		n := changes[s.ID]
		if n == nil {
			n = &netChange{entered: s.Op == cursor.Enter}
			changes[s.ID] = n
			ids = append(ids, s.ID)
		}
		if n.left = s.Op == cursor.Leave; !n.left {
			if s.HTML == "" {
				s.HTML = n.latest.HTML // a merged frame has the HTML of a record once
			}
			n.latest = s
		}
		n.superseded = n.left
	}

	var kept []Step // in reverse order
	for _, s := range slices.Backward(steps) {
		n := changes[s.ID]
		if !s.positions() || n.superseded && !n.needed {
			continue
		}
		n.superseded, n.needed = true, false
		if s.After != nil {
			if neighbor := changes[*s.After]; neighbor != nil {
				neighbor.needed, neighbor.anchor = true, true
			}
		}
		kept = append(kept, s)
	}

	out := make([]Step, 0, len(kept))
	for _, id := range ids {
		if n := changes[id]; n.left && !n.entered && !n.anchor {
			out = append(out, leave(id))
		}
	}
	for _, s := range slices.Backward(kept) {
		n := changes[s.ID]
		placed := Step{Delta: cursor.Delta{Op: cursor.Change, ID: s.ID, Image: n.latest.Image, After: s.After}}
		if !n.placed {
			placed.HTML = n.latest.HTML
			if n.entered {
				placed.Op = cursor.Enter
			}
		}
		n.placed = true
		out = append(out, placed)
	}
	for _, id := range ids {
		if n := changes[id]; !n.left && !n.placed {
			out = append(out, n.latest) // a change that does not move it
		}
	}
	for _, id := range ids {
		if n := changes[id]; n.left && n.anchor {
			out = append(out, leave(id))
		}
	}
	return out
}

// positions reports whether the step sets the position of its record.
func (s *Step) positions() bool {
	return s.Op == cursor.Enter || s.Op == cursor.Change && s.After != nil
}

func leave(id record.ID) Step { return Step{Delta: cursor.Delta{Op: cursor.Leave, ID: id}} }
