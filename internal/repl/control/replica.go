package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/wire"
)

// A Step is what became of a cursor: of one of its records, of one that it
// includes, of its value, or of all of it.
type Step struct {
	Op     string          `json:"op"` // enter, change, leave; value; current: all that there is has been told; resync
	Seq    uint64          `json:"seq"`
	Model  string          `json:"model,omitempty"`
	ID     string          `json:"id,omitempty"`
	After  *string         `json:"after,omitempty"` // where it stands in an ordered cursor, "" for first
	Record json.RawMessage `json:"record,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Count  *int            `json:"count,omitempty"` // of the records, after this step
	Reason string          `json:"reason,omitempty"`

	Included bool `json:"included,omitempty"` // the record is not the cursor's own, but one that those refer to
}

// A Replica is what a stream's cursor holds, as the stream says it.
type Replica struct {
	Model string
	At    string // "epoch:seq"; the Since of the next open
	Seq   uint64
	Value json.RawMessage // of a cursor that carries one, else nil

	epoch    string
	ids      []string
	records  map[string]json.RawMessage
	included map[string]map[string]json.RawMessage // by model and id
}

// Len returns how many records there are.
func (h *Replica) Len() int { return len(h.ids) }

// Records are the records in order.
func (h *Replica) Records() []json.RawMessage {
	out := make([]json.RawMessage, len(h.ids))
	for i, id := range h.ids {
		out[i] = h.records[id]
	}
	return out
}

// Apply takes a frame, and returns what became of what was held.
func (h *Replica) Apply(frame json.RawMessage) ([]Step, error) {
	var kind struct {
		Hello  int
		Status int
		Error  *wire.Error
	}
	if err := json.Unmarshal(frame, &kind); err != nil {
		return nil, fmt.Errorf("read a frame: %w", err)
	}
	if kind.Error != nil {
		return nil, (*RemoteError)(kind.Error)
	}
	if kind.Hello != 0 {
		return nil, nil // it says what the client knows
	}
	if kind.Status != 0 {
		var answer wire.Answer
		if err := json.Unmarshal(frame, &answer); err != nil {
			return nil, fmt.Errorf("read an answer: %w", err)
		}
		return h.answer(&answer)
	}
	var commit wire.Commit
	if err := json.Unmarshal(frame, &commit); err != nil {
		return nil, fmt.Errorf("read a commit: %w", err)
	}
	h.Seq, h.At = commit.Seq, wire.Position(h.epoch, commit.Seq)
	var steps []Step
	for _, delta := range commit.Cursors {
		more, err := h.delta(delta, commit.Records)
		if steps = append(steps, more...); err != nil {
			return steps, err
		}
	}
	return steps, nil
}

// answer takes the answer to an open: what is new since something was held, or
// everything, of which only what is another is told.
func (h *Replica) answer(a *wire.Answer) ([]Step, error) {
	epoch, seq, err := wire.ParsePosition(a.At)
	if err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	h.Model, h.At, h.epoch, h.Seq = a.Model, a.At, epoch, seq
	var steps []Step
	if a.Resync != "" {
		steps = append(steps, Step{Op: "resync", Seq: seq, Reason: a.Resync})
	}
	switch {
	case a.Value != nil:
		return append(steps, h.carry(a.Value)...), nil
	case a.Delta != nil:
		more, err := h.delta(a.Delta, a.Records)
		return append(append(steps, more...), h.current()), err
	}
	return append(append(steps, h.replace(a)...), h.current()), nil
}

func (h *Replica) current() Step { return Step{Op: "current", Seq: h.Seq, Count: h.count()} }

func (h *Replica) count() *int {
	n := len(h.ids)
	return &n
}

func (h *Replica) carry(value json.RawMessage) []Step {
	if string(value) == string(h.Value) {
		return nil
	}
	h.Value = value
	return []Step{{Op: "value", Seq: h.Seq, Value: value}}
}

// replace makes everything what the answer holds, by steps from what there was.
func (h *Replica) replace(a *wire.Answer) (steps []Step) {
	fresh, stays := byID(a.Records[a.Model]), map[string]bool{}
	for _, id := range a.IDs {
		stays[id] = true
	}
	for _, id := range slices.Clone(h.ids) {
		if !stays[id] {
			steps = append(steps, h.leave(id))
		}
	}
	began := len(h.ids) == 0 // so each is the last
	after := ""
	for i, id := range a.IDs {
		before, held := h.records[id]
		moved := held && h.ids[i] != id
		switch {
		case began:
			h.keep(id, fresh[id])
			h.ids = append(h.ids, id)
			steps = append(steps, h.step("enter", id, nil))
		case !held:
			steps = append(steps, h.put("enter", id, &after, fresh[id]))
		case moved:
			steps = append(steps, h.put("change", id, &after, fresh[id]))
		case string(before) != string(fresh[id]):
			steps = append(steps, h.put("change", id, nil, fresh[id]))
		}
		after = id
	}
	for _, model := range slices.Sorted(maps.Keys(a.Include)) {
		steps = append(steps, h.replaceIncluded(model, a.Include[model], byID(a.Records[model]))...)
	}
	return steps
}

func (h *Replica) replaceIncluded(model string, ids []string, fresh map[string]json.RawMessage) []Step {
	delta := &wire.Delta{}
	for id := range h.included[model] {
		if !slices.Contains(ids, id) {
			delta.Leave = append(delta.Leave, id)
		}
	}
	for _, id := range ids {
		before, held := h.included[model][id]
		switch {
		case !held:
			delta.Enter = append(delta.Enter, wire.Entry{ID: id})
		case string(before) != string(fresh[id]):
			delta.Change = append(delta.Change, wire.Entry{ID: id})
		}
	}
	return h.include(model, delta, fresh)
}

func byID(records []json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for _, record := range records {
		var head struct{ ID string }
		if json.Unmarshal(record, &head) == nil {
			out[head.ID] = record
		}
	}
	return out
}

// delta takes what a commit did, in the order in which it is to be taken.
func (h *Replica) delta(d *wire.Delta, records map[string][]json.RawMessage) ([]Step, error) {
	var steps []Step
	fresh := byID(records[h.Model])
	for _, one := range append([]wire.Delta{*d}, d.Then...) {
		for _, id := range one.Leave {
			steps = append(steps, h.leave(id))
		}
		for _, entry := range one.Enter {
			steps = append(steps, h.put("enter", entry.ID, entry.After, fresh[entry.ID]))
		}
		for _, entry := range one.Change {
			steps = append(steps, h.put("change", entry.ID, entry.After, fresh[entry.ID]))
		}
	}
	for _, model := range slices.Sorted(maps.Keys(d.Include)) {
		steps = append(steps, h.include(model, d.Include[model], byID(records[model]))...)
	}
	if d.Value != nil {
		steps = append(steps, h.carry(d.Value)...)
	}
	if d.Closed != nil {
		return steps, (*RemoteError)(d.Closed)
	}
	return steps, nil
}

func (h *Replica) leave(id string) Step {
	h.ids = slices.DeleteFunc(h.ids, func(held string) bool { return held == id })
	delete(h.records, id)
	return Step{Op: "leave", Seq: h.Seq, Model: h.Model, ID: id, Count: h.count()}
}

// put keeps a record, after another one where that is said; a new one, without an
// order, by its id.
func (h *Replica) put(op, id string, after *string, record json.RawMessage) Step {
	h.keep(id, record)
	at := slices.Index(h.ids, id)
	switch {
	case after != nil:
		if at >= 0 {
			h.ids = slices.Delete(h.ids, at, at+1)
		}
		h.ids = slices.Insert(h.ids, slices.Index(h.ids, *after)+1, id) // of "", the first
	case at < 0:
		at, _ = slices.BinarySearch(h.ids, id)
		h.ids = slices.Insert(h.ids, at, id)
	}
	return h.step(op, id, after)
}

func (h *Replica) keep(id string, record json.RawMessage) {
	if h.records == nil {
		h.records = map[string]json.RawMessage{}
	}
	if record != nil {
		h.records[id] = record
	}
}

func (h *Replica) step(op, id string, after *string) Step {
	step := Step{Op: op, Seq: h.Seq, Model: h.Model, ID: id, Record: h.records[id], Count: h.count()}
	if after != nil {
		at := *after // which goes on to be another
		step.After = &at
	}
	return step
}

// include takes what became of the records of a model that the cursor includes.
func (h *Replica) include(model string, d *wire.Delta, fresh map[string]json.RawMessage) (steps []Step) {
	if h.included == nil {
		h.included = map[string]map[string]json.RawMessage{}
	}
	if h.included[model] == nil {
		h.included[model] = map[string]json.RawMessage{}
	}
	for _, one := range append([]wire.Delta{*d}, d.Then...) {
		steps = append(steps, h.includeOne(model, one, fresh)...)
	}
	return steps
}

func (h *Replica) includeOne(model string, d wire.Delta, fresh map[string]json.RawMessage) (steps []Step) {
	held := h.included[model]
	for _, id := range d.Leave {
		delete(held, id)
		steps = append(steps, Step{Op: "leave", Seq: h.Seq, Model: model, ID: id, Included: true})
	}
	for i, entry := range append(slices.Clone(d.Enter), d.Change...) {
		op := "enter"
		if i >= len(d.Enter) {
			op = "change"
		}
		held[entry.ID] = fresh[entry.ID]
		steps = append(steps, Step{Op: op, Seq: h.Seq, Model: model, ID: entry.ID, Record: fresh[entry.ID], Included: true})
	}
	return steps
}
