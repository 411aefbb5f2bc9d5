package outbox

import (
	"slices"
	"sync"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
)

// A batch is frames that wait together for a connection. Connections that wait for
// the same ones share it, and so what is made of it.
type batch struct {
	before *batch
	last   *Frame
	size   int    // how many frames
	next   *batch // the one that was made of it last; only Deliver makes them

	once  sync.Once
	frame *Frame
}

// append returns the run with one frame more.
func (b *batch) append(f *Frame) *batch {
	if b.next == nil || b.next.last != f {
		b.next = &batch{before: b, last: f, size: b.size + 1}
	}
	return b.next
}

// merged returns one frame that does what those of the run do.
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

// named is how a record is told from those of other models.
type named struct {
	model *record.Model
	id    record.ID
}

// Images are the newest of each record.
type newestImages map[named]*record.Image

func (n newestImages) add(steps []Step) {
	for _, s := range steps {
		if s.Image != nil {
			n[named{s.Image.Model, s.ID}] = s.Image
		}
	}
}

func (n newestImages) replace(steps []Step) {
	for i := range steps {
		if s := &steps[i]; s.Image != nil {
			s.Image = n[named{s.Image.Model, s.ID}]
		}
	}
}

// merge makes one frame of several plain ones: of each record only its newest
// image, and for each cursor what leads from before the first frame to after the
// last.
func merge(frames []*Frame) *Frame {
	var deltas []CursorDelta
	at := map[uint64]int{} // the place of a cursor among parts
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
			slices.SortStableFunc(steps, func(a, b Step) int { return opOrder(a.Op) - opOrder(b.Op) }) // they have no order, and are one delta
			newest.replace(steps)
			p.Include[model] = steps
		}
	}
	return NewFrame(frames[0].from, frames[len(frames)-1].seq, ack, deltas, nil)
}

// A netChange is what becomes of one record in the course of several frames.
type netChange struct {
	entered    bool // it was not held before
	left       bool // it is not held after
	latest     Step // its newest image
	superseded bool // a later step says where it stands, or it is gone
	needed     bool // a later step says that another stands after it
	anchor     bool // some step that is kept does
	placed     bool // it has been placed
}

// compose returns fewer steps that lead from any list to where all the steps
// lead it.
//
// What leaves does so at the very end. Until then it stands where it stood, and
// changes nothing about who comes after whom among the others; so a step that
// places a record after a neighbor remains right, even if that has left since.
// A step that places a record can be dropped when a later one does so too, or
// when it leaves, unless another record is placed after it in between. And what
// nobody is placed after may leave at once.
func compose(steps []Step) []Step {
	changes := make(map[record.ID]*netChange)
	var ids []record.ID // in the order in which they are met
	for _, s := range steps {
		n := changes[s.ID]
		if n == nil {
			n = &netChange{entered: s.Op == cursor.Enter}
			changes[s.ID] = n
			ids = append(ids, s.ID)
		}
		if n.left = s.Op == cursor.Leave; !n.left {
			if s.HTML == "" {
				s.HTML = n.latest.HTML // of a frame that was merged, which says it once
			}
			n.latest = s
		}
		n.superseded = n.left
	}

	var kept []Step // the last first
	for _, s := range slices.Backward(steps) {
		n := changes[s.ID]
		if !s.places() || n.superseded && !n.needed {
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
			out = append(out, n.latest) // a change in its place
		}
	}
	for _, id := range ids {
		if n := changes[id]; n.left && n.anchor {
			out = append(out, leave(id))
		}
	}
	return out
}

// places reports whether the step says where its record stands.
func (s *Step) places() bool {
	return s.Op == cursor.Enter || s.Op == cursor.Change && s.After != nil
}

func leave(id record.ID) Step { return Step{Delta: cursor.Delta{Op: cursor.Leave, ID: id}} }
