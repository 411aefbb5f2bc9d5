package outbox

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/wire"
)

// A Frame is one commit, or several that were merged, as all those connections
// see it that are touched in the same way. It does not change once it is made.
type Frame struct {
	from, seq uint64 // the first and the last commit
	ack       bool
	Deltas    []CursorDelta
	allowed   *wire.Allowed // what the user may use from now on; nil: as before
	text      []byte
	single    batch
}

// A CursorDelta is what became of one cursor.
type CursorDelta struct {
	Number uint64
	To     uint64      // the number it has from now on; 0: the same
	Closed *wire.Error // why it is closed; nil: it is not
	Scope  *wire.Scope // with to: the scope from now on, for who asked
	HTML   bool        // it is a page's list
	Steps  []Step
	Value  json.RawMessage // of a cursor that carries one, if it is another

	Include map[string][]Step // of the records that the cursor includes, by model
}

// A Step is what becomes of one record in a cursor. Steps are taken one after
// another.
type Step struct {
	cursor.Delta
	HTML string // of a page's list
}

func NewFrame(from, seq uint64, ack bool, deltas []CursorDelta, allowed *wire.Allowed) *Frame {
	f := &Frame{from: from, seq: seq, ack: ack, Deltas: deltas, allowed: allowed}
	f.single = batch{last: f, size: 1}
	f.text = f.encode()
	return f
}

// plain reports whether the frame tells of nothing but records and values: it
// gives no cursor another number, closes none, and leaves the user's rights.
func (f *Frame) plain() bool {
	if f.allowed != nil {
		return false
	}
	for i := range f.Deltas {
		if f.Deltas[i].To != 0 || f.Deltas[i].Closed != nil {
			return false
		}
	}
	return true
}

func (f *Frame) encode() []byte {
	commit := f.Commit()
	return commit.Append(nil)
}

// Commit puts the frame into the wire's form.
func (f *Frame) Commit() wire.Commit {
	out := wire.Commit{Seq: f.seq, Ack: f.ack, Allowed: f.allowed, Cursors: make(map[uint64]*wire.Delta, len(f.Deltas)), Records: map[string][]json.RawMessage{}}
	if f.from != f.seq {
		out.From = f.from
	}
	sent := map[named]bool{}
	send := func(steps []Step) {
		for i := range steps {
			if image := steps[i].Image; image != nil && !sent[named{image.Model, image.ID}] {
				sent[named{image.Model, image.ID}] = true
				out.Records[image.Model.Name] = append(out.Records[image.Model.Name], image.JSON)
			}
		}
	}
	for i := range f.Deltas {
		p := &f.Deltas[i]
		delta := deltaOf(p.Steps)
		delta.To, delta.Scope, delta.Closed, delta.Value = p.To, p.Scope, p.Closed, p.Value
		out.Cursors[p.Number] = delta
		if p.HTML {
			continue
		}
		send(p.Steps)
		for _, model := range slices.Sorted(maps.Keys(p.Include)) {
			if delta.Include == nil {
				delta.Include = map[string]*wire.Delta{}
			}
			delta.Include[model] = deltaOf(p.Include[model])
			send(p.Include[model])
		}
	}
	return out
}

// deltaOf puts steps into the wire's form: a delta, and where its order of
// leave, enter, change does not do, others that come after it.
func deltaOf(steps []Step) *wire.Delta {
	first := &wire.Delta{}
	delta, before := first, opOrder(cursor.Leave)
	for i := range steps {
		s := &steps[i]
		if opOrder(s.Op) < before {
			first.Then = append(first.Then, wire.Delta{})
			delta = &first.Then[len(first.Then)-1]
		}
		before = opOrder(s.Op)
		entry := wire.Entry{ID: string(s.ID), After: (*string)(s.After), HTML: s.HTML}
		switch s.Op {
		case cursor.Leave:
			delta.Leave = append(delta.Leave, string(s.ID))
		case cursor.Enter:
			delta.Enter = append(delta.Enter, entry)
		default:
			delta.Change = append(delta.Change, entry)
		}
	}
	return first
}

// opOrder is when an op is applied within a delta.
func opOrder(op cursor.DeltaOp) int {
	switch op {
	case cursor.Leave:
		return 0
	case cursor.Enter:
		return 1
	default:
		return 2
	}
}
