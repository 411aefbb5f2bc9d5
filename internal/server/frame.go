package server

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/wire"
)

// A frame is one commit, or several that were merged, as all those connections
// see it that are touched in the same way. It does not change once it is made.
type frame struct {
	from, seq uint64 // the first and the last commit
	ack       bool
	deltas    []cursorDelta
	allowed   *wire.Allowed // what the user may use from now on; nil: as before
	text      []byte
	single    batch
}

// A cursorDelta is what became of one cursor.
type cursorDelta struct {
	number uint64
	to     uint64      // the number it has from now on; 0: the same
	closed *wire.Error // why it is closed; nil: it is not
	scope  *wire.Scope // with to: the scope from now on, for who asked
	html   bool        // it is a page's list
	steps  []step
	value  json.RawMessage // of a cursor that carries one, if it is another

	include map[string][]step // of the records that the cursor includes, by model
}

// A step is what becomes of one record in a cursor. Steps are taken one after
// another.
type step struct {
	cursor.Delta
	html string // of a page's list
}

func newFrame(from, seq uint64, ack bool, parts []cursorDelta, allowed *wire.Allowed) *frame {
	f := &frame{from: from, seq: seq, ack: ack, deltas: parts, allowed: allowed}
	f.single = batch{last: f, size: 1}
	f.text = f.encode()
	return f
}

// plain reports whether the frame tells of nothing but records and values: it
// gives no cursor another number, closes none, and leaves the user's rights.
func (f *frame) plain() bool {
	if f.allowed != nil {
		return false
	}
	for i := range f.deltas {
		if f.deltas[i].to != 0 || f.deltas[i].closed != nil {
			return false
		}
	}
	return true
}

func (f *frame) encode() []byte {
	commit := f.commit()
	return commit.Append(nil)
}

// commit puts the frame into the wire's form.
func (f *frame) commit() wire.Commit {
	out := wire.Commit{Seq: f.seq, Ack: f.ack, Allowed: f.allowed, Cursors: make(map[uint64]*wire.Delta, len(f.deltas)), Records: map[string][]json.RawMessage{}}
	if f.from != f.seq {
		out.From = f.from
	}
	sent := map[named]bool{}
	send := func(steps []step) {
		for i := range steps {
			if image := steps[i].Image; image != nil && !sent[named{image.Model, image.ID}] {
				sent[named{image.Model, image.ID}] = true
				out.Records[image.Model.Name] = append(out.Records[image.Model.Name], image.JSON)
			}
		}
	}
	for i := range f.deltas {
		p := &f.deltas[i]
		delta := deltaOf(p.steps)
		delta.To, delta.Scope, delta.Closed, delta.Value = p.to, p.scope, p.closed, p.value
		out.Cursors[p.number] = delta
		if p.html {
			continue
		}
		send(p.steps)
		for _, model := range slices.Sorted(maps.Keys(p.include)) {
			if delta.Include == nil {
				delta.Include = map[string]*wire.Delta{}
			}
			delta.Include[model] = deltaOf(p.include[model])
			send(p.include[model])
		}
	}
	return out
}

// deltaOf puts steps into the wire's form: a delta, and where its order of
// leave, enter, change does not do, others that come after it.
func deltaOf(steps []step) *wire.Delta {
	first := &wire.Delta{}
	delta, before := first, opOrder(cursor.Leave)
	for i := range steps {
		s := &steps[i]
		if opOrder(s.Op) < before {
			first.Then = append(first.Then, wire.Delta{})
			delta = &first.Then[len(first.Then)-1]
		}
		before = opOrder(s.Op)
		entry := wire.Entry{ID: string(s.ID), After: (*string)(s.After), HTML: s.html}
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
