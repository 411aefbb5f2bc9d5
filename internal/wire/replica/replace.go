package replica

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/wire"
)

// replace makes the contents of the replica equal to an answer that lists everything.
// The steps are the differences from the previous contents.
func (r *Replica) replace(a *wire.Answer, fresh Records) (steps []Step, err error) {
	ids, records, err := everything(a, fresh[a.Model])
	if err != nil {
		return nil, err
	}
	r.HTML = r.HTML || len(a.Items) > 0
	for _, id := range slices.Clone(r.ids) {
		if records[id] != nil {
			continue
		}
		step, err := r.leave(id)
		if err != nil {
			return steps, err
		}
		steps = append(steps, step)
	}
	more, err := r.fill(ids, records)
	if steps = append(steps, more...); err != nil {
		return steps, err
	}
	models := slices.Concat(r.Includes(), slices.Collect(maps.Keys(a.Include)))
	slices.Sort(models)
	for _, model := range slices.Compact(models) {
		more, err := r.include(model, r.toIncluded(model, a.Include[model], fresh[model]), fresh[model])
		if steps = append(steps, more...); err != nil {
			return steps, err
		}
	}
	return steps, nil
}

// everything returns the ids of an answer in order, and the record of each id.
func everything(a *wire.Answer, fresh map[string]json.RawMessage) (ids []string, records map[string]json.RawMessage, err error) {
	ids, records = slices.Clone(a.IDs), make(map[string]json.RawMessage, len(a.IDs)+len(a.Items))
	for _, id := range a.IDs {
		if fresh[id] == nil {
			return nil, nil, fmt.Errorf("the answer lists %s but does not contain it", id)
		}
		records[id] = fresh[id]
	}
	for _, item := range a.Items {
		ids = append(ids, item.ID)
		records[item.ID] = encoded(item.HTML)
	}
	if len(records) != len(ids) {
		return nil, nil, fmt.Errorf("the answer lists a record twice: %v", ids)
	}
	return ids, records, nil
}

// fill adds, moves and changes records until the replica contains ids in this order.
// The replica must contain no other records.
func (r *Replica) fill(ids []string, records map[string]json.RawMessage) (steps []Step, err error) {
	began := len(r.ids) == 0 // each record goes to the end
	after := ""
	for i, id := range ids {
		entry, before := wire.Entry{ID: id, After: &after}, r.records[id]
		var step Step
		switch {
		case began:
			r.Append(id, records[id])
			step = r.step("enter", wire.Entry{ID: id})
		case before == nil:
			step, err = r.enter(entry, records[id])
		case r.ids[i] != id:
			step, err = r.change(entry, records[id])
		case string(before) != string(records[id]):
			step, err = r.change(wire.Entry{ID: id}, records[id])
		default:
			after = id
			continue
		}
		if err != nil {
			return steps, err
		}
		steps = append(steps, step)
		after = id
	}
	return steps, nil
}

// toIncluded returns the delta that turns the included records of a model into ids.
func (r *Replica) toIncluded(model string, ids []string, fresh map[string]json.RawMessage) *wire.Delta {
	delta := &wire.Delta{}
	for _, id := range r.Included(model) {
		if !slices.Contains(ids, id) {
			delta.Leave = append(delta.Leave, id)
		}
	}
	for _, id := range ids {
		switch before := r.included[model][id]; {
		case before == nil:
			delta.Enter = append(delta.Enter, wire.Entry{ID: id})
		case string(before) != string(fresh[id]):
			delta.Change = append(delta.Change, wire.Entry{ID: id})
		}
	}
	return delta
}
