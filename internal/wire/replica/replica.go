// Package replica keeps a client's copy of a cursor and applies the answers and deltas
// of the protocol to it. It does no I/O.
//
// It is strict: an answer or a delta that does not fit the replica is an error, because
// the server and the client then disagree about its contents.
package replica

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// A Replica is a client's copy of one cursor: its records in order, or its value, and
// the records it includes. The zero value is empty. It must not be used after a method
// has returned an error. It is not safe for concurrent use.
type Replica struct {
	Model  string          // of the cursor's records
	At     string          // "epoch:seq"; the Since to resume with
	Seq    uint64          // the commit in At
	Value  json.RawMessage // nil unless the cursor carries a value
	Closed *wire.Error     // why the server closed the cursor; nil while it is open
	// HTML marks the list of a page. Its records are JSON strings of HTML, and arrive
	// only in the entries of a delta.
	HTML bool

	ids      []string
	records  map[string]json.RawMessage
	included map[string]map[string]json.RawMessage // by model and id
}

// Records maps models and ids to the records of an answer or a commit.
type Records map[string]map[string]json.RawMessage

// ByID indexes the records of an answer or a commit by id. It returns an error if a
// record has no id or if two records of a model have the same id.
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
				return nil, fmt.Errorf("%s appears twice in %s", head.ID, model)
			}
			out[model][head.ID] = record
		}
	}
	return out, nil
}

// Len returns the number of records, not counting included ones.
func (r *Replica) Len() int { return len(r.ids) }

// IDs returns the ids of the records, in order.
func (r *Replica) IDs() []string { return slices.Clone(r.ids) }

// Record returns the record with an id, or nil if the replica does not contain it.
func (r *Replica) Record(id string) json.RawMessage { return r.records[id] }

// Records returns the records, in order.
func (r *Replica) Records() []json.RawMessage {
	out := make([]json.RawMessage, len(r.ids))
	for i, id := range r.ids {
		out[i] = r.records[id]
	}
	return out
}

// Includes returns the models of the included records, sorted.
func (r *Replica) Includes() []string { return slices.Sorted(maps.Keys(r.included)) }

// Included returns the ids of the included records of a model, sorted.
func (r *Replica) Included(model string) []string { return slices.Sorted(maps.Keys(r.included[model])) }

// IncludedRecord returns an included record, or nil if the replica does not contain it.
func (r *Replica) IncludedRecord(model, id string) json.RawMessage { return r.included[model][id] }

// Clone returns a copy that shares only the bytes of the records with r.
func (r *Replica) Clone() *Replica {
	out := *r
	out.ids, out.records, out.included = slices.Clone(r.ids), maps.Clone(r.records), maps.Clone(r.included)
	for model, records := range out.included {
		out.included[model] = maps.Clone(records)
	}
	return &out
}

// Append adds a record at the end. It is for records that did not arrive in a frame,
// such as the list of a page as the server rendered it.
func (r *Replica) Append(id string, record json.RawMessage) {
	r.setRecord(id, record)
	r.ids = append(r.ids, id)
}

// Answer applies the answer to an open: everything in the cursor, or the delta since
// the replica's position. It returns the steps of the change; if there is an error, the
// steps up to it.
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

// Apply applies the delta of the commit seq. The records of the commit are in fresh. It
// returns the steps of the change; if there is an error, the steps up to it.
func (r *Replica) Apply(seq uint64, d *wire.Delta, fresh Records) ([]Step, error) {
	r.Advance(seq)
	return r.delta(d, fresh)
}

// Advance sets the replica's position to a commit that need not have changed it.
func (r *Replica) Advance(seq uint64) {
	epoch, _, _ := strings.Cut(r.At, ":")
	r.Seq, r.At = seq, wire.Position(epoch, seq)
}

// delta applies d in the order of the protocol: leave, enter, change, then the deltas
// in Then, and the included records last.
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

// recordOf returns the record of an entry, from the entry or its frame, or nil if
// neither contains it.
func (r *Replica) recordOf(entry wire.Entry, fresh Records) json.RawMessage {
	switch {
	case entry.HTML != "":
		return encoded(entry.HTML)
	case r.HTML:
		return nil // the record in the frame may be for another cursor
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
		return Step{}, fmt.Errorf("%s enters but is already there", entry.ID)
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

// change replaces a record, unless it only moved, and moves it if the entry gives a new
// place.
func (r *Replica) change(entry wire.Entry, record json.RawMessage) (Step, error) {
	if r.records[entry.ID] == nil {
		return Step{}, fmt.Errorf("%s changes but is not there", entry.ID)
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
		return fmt.Errorf("%s leaves but is not there", id)
	}
	r.ids = slices.Delete(r.ids, at, at+1)
	return nil
}

// place inserts a record after the one its entry names, or by id if the cursor has no
// order.
func (r *Replica) place(entry wire.Entry) error {
	at := 0
	switch {
	case entry.After == nil:
		at, _ = slices.BinarySearch(r.ids, entry.ID)
	case *entry.After != "":
		if at = slices.Index(r.ids, *entry.After) + 1; at == 0 {
			return fmt.Errorf("%s is placed after %s, which is not there", entry.ID, *entry.After)
		}
	}
	r.ids = slices.Insert(r.ids, at, entry.ID)
	return nil
}

// include applies a delta to the included records of a model, which have no order.
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
			return steps, fmt.Errorf("the included %s leaves but is not there", id)
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
			return steps, fmt.Errorf("the included %s: %s, present is %v, in the frame is %v", entry.ID, op, records[entry.ID] != nil, fresh[entry.ID] != nil)
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
