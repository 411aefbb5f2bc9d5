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

	once sync.Once
	one  *Frame
}

// then returns the run with one frame more.
func (r *batch) then(f *Frame) *batch {
	if r.next == nil || r.next.last != f {
		r.next = &batch{before: r, last: f, size: r.size + 1}
	}
	return r.next
}

// merged returns one frame that does what those of the run do.
func (r *batch) merged() *Frame {
	if r.before == nil {
		return r.last
	}
	r.once.Do(func() {
		frames := make([]*Frame, r.size)
		for at, i := r, r.size-1; at != nil; at, i = at.before, i-1 {
			frames[i] = at.last
		}
		r.one = merge(frames)
	})
	return r.one
}

// named is how a record is told from those of other models.
type named struct {
	model *record.Model
	id    record.ID
}

// Images are the newest of each record.
type images map[named]*record.Image

func (n images) note(steps []Step) {
	for _, s := range steps {
		if s.Image != nil {
			n[named{s.Image.Model, s.ID}] = s.Image
		}
	}
}

func (n images) put(steps []Step) {
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
	var parts []CursorDelta
	at := map[uint64]int{} // the place of a cursor among parts
	newest := images{}
	ack := false
	for _, f := range frames {
		ack = ack || f.ack
		for _, p := range f.Deltas {
			i, known := at[p.Number]
			if !known {
				i = len(parts)
				at[p.Number] = i
				parts = append(parts, CursorDelta{Number: p.Number, HTML: p.HTML})
			}
			parts[i].Steps = append(parts[i].Steps, p.Steps...)
			if p.Value != nil {
				parts[i].Value = p.Value
			}
			if p.HTML {
				continue
			}
			newest.note(p.Steps)
			for model, steps := range p.Include {
				newest.note(steps)
				if parts[i].Include == nil {
					parts[i].Include = map[string][]Step{}
				}
				parts[i].Include[model] = append(parts[i].Include[model], steps...)
			}
		}
	}
	for i := range parts {
		p := &parts[i]
		p.Steps = compose(p.Steps)
		if p.HTML {
			continue
		}
		newest.put(p.Steps)
		for model, steps := range p.Include {
			steps = compose(steps)
			slices.SortStableFunc(steps, func(a, b Step) int { return opOrder(a.Op) - opOrder(b.Op) }) // they have no order, and are one delta
			newest.put(steps)
			p.Include[model] = steps
		}
	}
	return NewFrame(frames[0].from, frames[len(frames)-1].seq, ack, parts, nil)
}

// A recordFate is what becomes of one record in the course of several frames.
type recordFate struct {
	fresh   bool // it was not held before
	gone    bool // it is not held after
	latest  Step // its newest image
	settled bool // a later step says where it stands, or it is gone
	needed  bool // a later step says that another stands after it
	anchor  bool // some step that is kept does
	put     bool // it has been placed
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
	fates := make(map[record.ID]*recordFate)
	var ids []record.ID // in the order in which they are met
	for _, s := range steps {
		f := fates[s.ID]
		if f == nil {
			f = &recordFate{fresh: s.Op == cursor.Enter}
			fates[s.ID] = f
			ids = append(ids, s.ID)
		}
		if f.gone = s.Op == cursor.Leave; !f.gone {
			if s.HTML == "" {
				s.HTML = f.latest.HTML // of a frame that was merged, which says it once
			}
			f.latest = s
		}
		f.settled = f.gone
	}

	var kept []Step // the last first
	for _, s := range slices.Backward(steps) {
		f := fates[s.ID]
		if !s.places() || f.settled && !f.needed {
			continue
		}
		f.settled, f.needed = true, false
		if s.After != nil {
			if neighbor := fates[*s.After]; neighbor != nil {
				neighbor.needed, neighbor.anchor = true, true
			}
		}
		kept = append(kept, s)
	}

	out := make([]Step, 0, len(kept))
	for _, id := range ids {
		if f := fates[id]; f.gone && !f.fresh && !f.anchor {
			out = append(out, leave(id))
		}
	}
	for _, s := range slices.Backward(kept) {
		f := fates[s.ID]
		placed := Step{Delta: cursor.Delta{Op: cursor.Change, ID: s.ID, Image: f.latest.Image, After: s.After}}
		if !f.put {
			placed.HTML = f.latest.HTML
			if f.fresh {
				placed.Op = cursor.Enter
			}
		}
		f.put = true
		out = append(out, placed)
	}
	for _, id := range ids {
		if f := fates[id]; !f.gone && !f.put {
			out = append(out, f.latest) // a change in its place
		}
	}
	for _, id := range ids {
		if f := fates[id]; f.gone && f.anchor {
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
