package replica

import (
	"encoding/json"

	"github.com/towerkit/tower/internal/wire"
)

// A Step is one change of a cursor: of a record, of an included record, of its value,
// or of its whole contents.
type Step struct {
	// Op is "enter", "change" or "leave" for a record, "value" for a new value,
	// "resync" if the server sent everything again, and "current" at the end of an
	// answer, when the replica is complete.
	Op     string          `json:"op"`
	Seq    uint64          `json:"seq"`              // the commit
	Model  string          `json:"model,omitempty"`  // of the record
	ID     string          `json:"id,omitempty"`     // of the record
	After  *string         `json:"after,omitempty"`  // the id of the record before it if the cursor is ordered, "" for the first
	Record json.RawMessage `json:"record,omitempty"` // as it is now, for "enter" and "change"
	Value  json.RawMessage `json:"value,omitempty"`  // for "value"
	Count  *int            `json:"count,omitempty"`  // the number of records after this step
	Reason string          `json:"reason,omitempty"` // for "resync"

	Included bool `json:"included,omitempty"` // the record is not in the cursor itself; one of its records refers to it
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
