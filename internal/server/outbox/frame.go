package outbox

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/wire"
)

// A Frame is one commit, or several merged commits, for all connections where it
// has the same effect. It does not change after NewFrame.
type Frame struct {
	from, seq uint64 // the first and the last commit
	ack       bool
	Deltas    []CursorDelta
	allowed   *wire.Allowed // the user's new rights; nil: unchanged
	text      []byte
	single    batch
}

// A CursorDelta is what a frame changes in one cursor.
type CursorDelta struct {
	Number uint64
	To     uint64      // the cursor's new number; 0: unchanged
	Closed *wire.Error // why the cursor was closed; nil: it stays open
	Scope  *wire.Scope // with To: the new scope, if the client asked for scopes
	HTML   bool        // the cursor is the list of a page
	Steps  []Step
	Value  json.RawMessage // the new value, of a cursor that carries one; nil: unchanged

	Include map[string][]Step // steps of the included records, by model
}

// A Step enters, changes or removes one record of a cursor. Steps apply in order.
type Step struct {
	cursor.Delta
	HTML string // of the record, in the list of a page
}

// NewFrame returns the encoded frame of the commits from to seq. With ack, clients
// confirm that they have applied it. allowed is the user's new rights, nil if they are
// unchanged. The frame keeps deltas.
func NewFrame(from, seq uint64, ack bool, deltas []CursorDelta, allowed *wire.Allowed) *Frame {
	f := &Frame{from: from, seq: seq, ack: ack, Deltas: deltas, allowed: allowed}
	f.single = batch{last: f, size: 1}
	f.text = f.encode()
	return f
}

// plain reports whether the frame changes only records and values: it gives no cursor
// a new number, closes none, and leaves the user's rights unchanged.
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

// Commit returns the frame in its wire form. It holds each record once.
func (f *Frame) Commit() wire.Commit {
	out := wire.Commit{Seq: f.seq, Ack: f.ack, Allowed: f.allowed, Cursors: make(map[uint64]*wire.Delta, len(f.Deltas)), Records: map[string][]json.RawMessage{}}
	if f.from != f.seq {
		out.From = f.from
	}
	sent := map[record.Key]bool{}
	send := func(steps []Step) {
		for i := range steps {
			image := steps[i].Image
			if image == nil {
				continue
			}
			if key := (record.Key{Model: image.Model, ID: image.ID}); !sent[key] {
				sent[key] = true
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

// deltaOf returns the wire form of steps. A delta applies leave, enter and change in
// that order; if the steps need another order, more deltas follow in Then.
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

// opOrder returns the position of an op in the order that a delta applies ops.
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
