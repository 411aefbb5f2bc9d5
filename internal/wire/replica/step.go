package replica

import (
	"encoding/json"

	"github.com/towerkit/tower/internal/wire"
)

// A Step is one thing that happened to a cursor: to a record of it, to one that it
// includes, to its value, or to all of it.
type Step struct {
	// Op is "enter", "change" or "leave" of a record, "value" of a value, "resync" when
	// everything was sent again, or "current" after an answer, when all that the
	// cursor holds has been named.
	Op     string          `json:"op"`
	Seq    uint64          `json:"seq"`
	Model  string          `json:"model,omitempty"`
	ID     string          `json:"id,omitempty"`
	After  *string         `json:"after,omitempty"` // the record before it in an ordered cursor, "" for first
	Record json.RawMessage `json:"record,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Count  *int            `json:"count,omitempty"` // of the records, after this step
	Reason string          `json:"reason,omitempty"`

	Included bool `json:"included,omitempty"` // the record is not the cursor's own, but one that those refer to
}

func (r *Replica) step(op string, entry wire.Entry) Step {
	step := Step{Op: op, Seq: r.Seq, Model: r.Model, ID: entry.ID, Record: r.records[entry.ID], Count: r.count()}
	if entry.After != nil {
		after := *entry.After
		step.After = &after
	}
	return step
}

func (r *Replica) count() *int {
	n := len(r.ids)
	return &n
}
