// Package replica holds what a client holds of a cursor, and applies the answers and
// deltas of the protocol to it. It does no I/O.
//
// It is strict: an answer or a delta that does not fit what the replica holds is an
// error, for then the server and the client disagree about it.
package replica

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// A Replica is what a client holds of one cursor: its records in order, or its value,
// and the records that it includes. The zero value holds nothing. After an error it
// must not be used any more. It is not safe for concurrent use.
type Replica struct {
	Model  string
	At     string          // "epoch:seq"; the Since of the next open
	Seq    uint64          // of At
	Value  json.RawMessage // of a cursor that carries one, else nil
	Closed *wire.Error     // why the user may not hold the cursor any more, else nil
	// HTML marks the list of a page. Its records are JSON strings of HTML, and come in
	// the entries of a delta alone.
	HTML bool

	ids      []string
	records  map[string]json.RawMessage
	included map[string]map[string]json.RawMessage // by model and id
}

// Records are the records of an answer or a commit, by model and id.
type Records map[string]map[string]json.RawMessage

// ByID reads the ids of the records of an answer or a commit. A record without an id,
// and two of one id, are errors.
func ByID(records map[string][]json.RawMessage) (Records, error) {
	out := Records{}
	for model, list := range records {
		out[model] = make(map[string]json.RawMessage, len(list))
		for _, record := range list {
			var head struct{ ID string }
			if err := json.Unmarshal(record, &head); err != nil || head.ID == "" {
				return nil, fmt.Errorf("a record of %s has no id: %s", model, record)
			}
			if out[model][head.ID] != nil {
				return nil, fmt.Errorf("%s is twice among %s", head.ID, model)
			}
			out[model][head.ID] = record
		}
	}
	return out, nil
}

// Len returns how many records there are, without those that are included.
func (r *Replica) Len() int { return len(r.ids) }

// IDs returns the ids of the records, in order.
func (r *Replica) IDs() []string { return slices.Clone(r.ids) }

// Record returns a record, nil if the replica does not hold it.
func (r *Replica) Record(id string) json.RawMessage { return r.records[id] }

// Records returns the records, in order.
func (r *Replica) Records() []json.RawMessage {
	out := make([]json.RawMessage, len(r.ids))
	for i, id := range r.ids {
		out[i] = r.records[id]
	}
	return out
}

// Includes returns the models of which records are included.
func (r *Replica) Includes() []string { return slices.Sorted(maps.Keys(r.included)) }

// Included returns the ids of the included records of a model, sorted.
func (r *Replica) Included(model string) []string { return slices.Sorted(maps.Keys(r.included[model])) }

// IncludedRecord returns an included record, nil if the replica does not hold it.
func (r *Replica) IncludedRecord(model, id string) json.RawMessage { return r.included[model][id] }

// Clone returns a copy, which shares nothing with r but the bytes of records.
func (r *Replica) Clone() *Replica {
	out := *r
	out.ids, out.records, out.included = slices.Clone(r.ids), maps.Clone(r.records), maps.Clone(r.included)
	for model, records := range out.included {
		out.included[model] = maps.Clone(records)
	}
	return &out
}

// Append adds a record at the end. It is for records that came in another way than in
// a frame, as those of a list do that a page shows.
func (r *Replica) Append(id string, record json.RawMessage) {
	r.setRecord(id, record)
	r.ids = append(r.ids, id)
}

// Answer applies the answer to an open: all that the cursor holds, or the delta since
// what the replica holds. It returns the steps that lead there.
func (r *Replica) Answer(a *wire.Answer) ([]Step, error) {
	_, seq, err := wire.ParsePosition(a.At)
	if err != nil {
		return nil, fmt.Errorf("read the position of an answer: %w", err)
	}
	fresh, err := ByID(a.Records)
	if err != nil {
		return nil, err
	}
	r.Model, r.At, r.Seq = a.Model, a.At, seq
	var steps []Step
	if a.Resync != "" {
		steps = append(steps, Step{Op: "resync", Seq: seq, Reason: a.Resync})
	}
	var more []Step
	switch {
	case a.Value != nil:
		return append(steps, r.setValue(a.Value)...), nil
	case a.Delta != nil:
		more, err = r.delta(a.Delta, fresh)
	default:
		more, err = r.replace(a, fresh)
	}
	steps = append(steps, more...)
	if err != nil {
		return steps, err
	}
	return append(steps, Step{Op: "current", Seq: seq, Count: r.count()}), nil
}

// Apply applies the delta of a commit, whose records are fresh, and returns the steps
// that it takes.
func (r *Replica) Apply(seq uint64, d *wire.Delta, fresh Records) ([]Step, error) {
	r.Advance(seq)
	return r.delta(d, fresh)
}

// Advance notes that the replica is as of a commit, which need not touch it.
func (r *Replica) Advance(seq uint64) {
	epoch, _, _ := strings.Cut(r.At, ":")
	r.Seq, r.At = seq, wire.Position(epoch, seq)
}

// delta applies d in the order of the protocol: leave, enter, change, then the deltas
// that follow, and what is included.
func (r *Replica) delta(d *wire.Delta, fresh Records) (steps []Step, err error) {
	note := func(step Step, wrong error) bool {
		if err = wrong; wrong == nil {
			steps = append(steps, step)
		}
		return wrong == nil
	}
	for _, id := range d.Leave {
		if !note(r.leave(id)) {
			return steps, err
		}
	}
	for _, entry := range d.Enter {
		if !note(r.enter(entry, r.recordOf(entry, fresh))) {
			return steps, err
		}
	}
	for _, entry := range d.Change {
		if !note(r.change(entry, r.recordOf(entry, fresh))) {
			return steps, err
		}
	}
	for i := range d.Then {
		more, err := r.delta(&d.Then[i], fresh)
		if steps = append(steps, more...); err != nil {
			return steps, err
		}
	}
	for _, model := range slices.Sorted(maps.Keys(d.Include)) {
		more, err := r.include(model, d.Include[model], fresh[model])
		if steps = append(steps, more...); err != nil {
			return steps, err
		}
	}
	if d.Value != nil {
		steps = append(steps, r.setValue(d.Value)...)
	}
	if d.Closed != nil {
		r.Closed, r.Value = d.Closed, d.Value
	}
	return steps, nil
}

// recordOf returns what an entry, or else its frame, holds of a record, or nil.
func (r *Replica) recordOf(entry wire.Entry, fresh Records) json.RawMessage {
	switch {
	case entry.HTML != "":
		return encoded(entry.HTML)
	case r.HTML:
		return nil // the frame may have the record for another cursor
	}
	return fresh[r.Model][entry.ID]
}

func encoded(html string) json.RawMessage {
	data, _ := json.Marshal(html) // a string always has a JSON form
	return data
}

func (r *Replica) setRecord(id string, record json.RawMessage) {
	if r.records == nil {
		r.records = map[string]json.RawMessage{}
	}
	r.records[id] = record
}

func (r *Replica) setValue(value json.RawMessage) []Step {
	if string(value) == string(r.Value) {
		return nil
	}
	r.Value = value
	return []Step{{Op: "value", Seq: r.Seq, Value: value}}
}

func (r *Replica) leave(id string) (Step, error) {
	if err := r.removeID(id); err != nil {
		return Step{}, err
	}
	delete(r.records, id)
	return Step{Op: "leave", Seq: r.Seq, Model: r.Model, ID: id, Count: r.count()}, nil
}

func (r *Replica) enter(entry wire.Entry, record json.RawMessage) (Step, error) {
	if r.records[entry.ID] != nil {
		return Step{}, fmt.Errorf("%s enters and is held", entry.ID)
	}
	if record == nil {
		return Step{}, fmt.Errorf("%s enters without a record", entry.ID)
	}
	r.setRecord(entry.ID, record)
	if err := r.place(entry); err != nil {
		return Step{}, err
	}
	return r.step("enter", entry), nil
}

// change replaces a record that is held, unless it has only moved, and moves it if
// the entry says where to.
func (r *Replica) change(entry wire.Entry, record json.RawMessage) (Step, error) {
	if r.records[entry.ID] == nil {
		return Step{}, fmt.Errorf("%s changes and is not held", entry.ID)
	}
	if record != nil {
		r.records[entry.ID] = record
	}
	if entry.After != nil {
		if err := r.removeID(entry.ID); err != nil {
			return Step{}, err
		}
		if err := r.place(entry); err != nil {
			return Step{}, err
		}
	}
	return r.step("change", entry), nil
}

func (r *Replica) removeID(id string) error {
	at := slices.Index(r.ids, id)
	if at < 0 {
		return fmt.Errorf("%s leaves and is not held", id)
	}
	r.ids = slices.Delete(r.ids, at, at+1)
	return nil
}

// place puts a record after the one that its entry names, or, without an order, by
// its id.
func (r *Replica) place(entry wire.Entry) error {
	at := 0
	switch {
	case entry.After == nil:
		at, _ = slices.BinarySearch(r.ids, entry.ID)
	case *entry.After != "":
		if at = slices.Index(r.ids, *entry.After) + 1; at == 0 {
			return fmt.Errorf("%s stands after %s, which is not held", entry.ID, *entry.After)
		}
	}
	r.ids = slices.Insert(r.ids, at, entry.ID)
	return nil
}

// include applies what happened to the included records of a model. They have no
// order.
func (r *Replica) include(model string, d *wire.Delta, fresh map[string]json.RawMessage) (steps []Step, err error) {
	if r.included == nil {
		r.included = map[string]map[string]json.RawMessage{}
	}
	if r.included[model] == nil {
		r.included[model] = map[string]json.RawMessage{}
	}
	records := r.included[model]
	for _, id := range d.Leave {
		if records[id] == nil {
			return steps, fmt.Errorf("the included %s leaves and is not held", id)
		}
		delete(records, id)
		steps = append(steps, Step{Op: "leave", Seq: r.Seq, Model: model, ID: id, Included: true})
	}
	for i, entry := range slices.Concat(d.Enter, d.Change) {
		op := "enter"
		if i >= len(d.Enter) {
			op = "change"
		}
		if (records[entry.ID] == nil) != (op == "enter") || fresh[entry.ID] == nil {
			return steps, fmt.Errorf("the included %s: %s, held is %v, in the frame is %v", entry.ID, op, records[entry.ID] != nil, fresh[entry.ID] != nil)
		}
		records[entry.ID] = fresh[entry.ID]
		steps = append(steps, Step{Op: op, Seq: r.Seq, Model: model, ID: entry.ID, Record: fresh[entry.ID], Included: true})
	}
	for i := range d.Then {
		more, err := r.include(model, &d.Then[i], fresh)
		if steps = append(steps, more...); err != nil {
			return steps, err
		}
	}
	return steps, nil
}
