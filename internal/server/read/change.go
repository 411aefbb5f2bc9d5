package read

import (
	"encoding/json"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A Change is what happens to a cursor: what leaves, then what enters, then what changes,
// in this order. Then holds further changes that come after it.
type Change struct {
	At     string             `json:"at,omitempty"`
	Leave  []string           `json:"leave,omitempty"` // ids
	Enter  []Entry            `json:"enter,omitempty"`
	Change []Entry            `json:"change,omitempty"`
	Then   []*Change          `json:"then,omitempty"`
	Value  json.RawMessage    `json:"value,omitempty"` // the new value
	Models map[string]*Change `json:"included,omitempty"`
}

// An Entry is a record that enters or changes. After is the id of the record that it comes
// after, "" if it is the first; nil if there is no order, or the record does not move.
type Entry struct {
	ID     string          `json:"id"`
	After  *string         `json:"after,omitempty"`
	Record json.RawMessage `json:"record,omitempty"`
}

// changeOf returns the change in a delta of a cursor on a model, nil for none.
func changeOf(d *wire.Delta, model string, records replica.Records) *Change {
	c := &Change{Leave: d.Leave, Value: d.Value}
	for _, e := range d.Enter {
		c.Enter = append(c.Enter, Entry{e.ID, e.After, records[model][e.ID]})
	}
	for _, e := range d.Change {
		c.Change = append(c.Change, Entry{e.ID, e.After, records[model][e.ID]})
	}
	for i := range d.Then {
		if next := changeOf(&d.Then[i], model, records); next != nil {
			c.Then = append(c.Then, next)
		}
	}
	for other, delta := range d.Include {
		if next := changeOf(delta, other, records); next != nil {
			if c.Models == nil {
				c.Models = map[string]*Change{}
			}
			c.Models[other] = next
		}
	}
	if len(c.Leave)+len(c.Enter)+len(c.Change)+len(c.Then)+len(c.Models) == 0 && c.Value == nil {
		return nil
	}
	return c
}
