package towertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/wire"
)

// A Cursor is what a client holds of one cursor, kept current by what the server
// sends.
type Cursor struct {
	client  *Client
	name    string
	in      json.RawMessage
	ids     []string
	records map[string]json.RawMessage            // of a page's list: the HTML of each
	include map[string]map[string]json.RawMessage // by model and id
	value   json.RawMessage
	at      string // "epoch:seq" of what it held when it was opened
	closed  bool
}

// Name returns the name under which the cursor is declared.
func (c *Cursor) Name() string { return c.name }

// Input returns, as JSON, what the cursor was opened with; nil without, and for
// one of a page.
func (c *Cursor) Input() json.RawMessage { return c.in }

// IDs returns the ids of the records, in order.
func (c *Cursor) IDs() []string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return slices.Clone(c.ids)
}

// Len returns how many records there are.
func (c *Cursor) Len() int { return len(c.IDs()) }

// Record decodes a record into v, a pointer, and reports whether the cursor
// holds it.
func (c *Cursor) Record(id string, v any) bool {
	c.client.t.Helper()
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.decode(c.records[id], v)
}

// decode decodes a record that is held, and reports whether it is.
func (c *Cursor) decode(record json.RawMessage, v any) bool {
	c.client.t.Helper()
	if record == nil {
		return false
	}
	if err := json.Unmarshal(record, v); err != nil {
		c.client.t.Fatalf("%s: decode %s: %v", c.name, record, err)
	}
	return true
}

// Included returns the ids, in order, of the records of a model that the cursor
// includes.
func (c *Cursor) Included(model string) []string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return slices.Sorted(maps.Keys(c.include[model]))
}

// IncludedRecord decodes an included record into v, a pointer, and reports
// whether the cursor includes it.
func (c *Cursor) IncludedRecord(model, id string, v any) bool {
	c.client.t.Helper()
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.decode(c.include[model][id], v)
}

// included returns all that the cursor includes, by model and id, as its JSON
// decodes; nil for nothing.
func (c *Cursor) included() (all map[string]map[string]any) {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	for model, records := range c.include {
		for id, record := range records {
			if all == nil {
				all = map[string]map[string]any{}
			}
			if all[model] == nil {
				all[model] = map[string]any{}
			}
			all[model][id], _ = decoded(record) // what is not JSON equals no record
		}
	}
	return all
}

// HTML returns what a page's list shows of a record: "" where that is what came
// with the page, and where it does not show the record.
func (c *Cursor) HTML(id string) string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	var html string
	_ = json.Unmarshal(c.records[id], &html) // a record is no text
	return html
}

// Closed reports whether the user may not hold the cursor any more.
func (c *Cursor) Closed() bool {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.closed
}

// Await waits until the ids of the records, in order, make done true.
func (c *Cursor) Await(done func(ids []string) bool) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("such records in %s, which holds %v", c.name, c.IDs()), func() bool { return done(c.ids) })
}

// AwaitLen waits until there are n records.
func (c *Cursor) AwaitLen(n int) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("%d records in %s", n, c.name), func() bool { return len(c.ids) == n })
}

// Value returns, as JSON, the value that the cursor carries; "" of a cursor of
// records, and of one that the user may not hold any more.
func (c *Cursor) Value() string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return string(c.value)
}

// AwaitValue waits until the cursor carries the value, in JSON.
func (c *Cursor) AwaitValue(value string) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("%s in %s, which is %s", value, c.name, c.Value()), func() bool { return string(c.value) == value })
}

// raw returns a record as it was sent, nil where the cursor does not hold it.
func (c *Cursor) raw(id string) json.RawMessage {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.records[id]
}

// fill takes the answer to an open: everything, or what changed of what is held.
func (c *Cursor) fill(answer *wire.Answer) error {
	c.at, c.value = answer.At, answer.Value
	records := byID(answer.Records)
	if answer.Delta != nil {
		return c.apply(answer.Delta, records)
	}
	c.ids, c.records, c.include = slices.Clone(answer.IDs), map[string]json.RawMessage{}, map[string]map[string]json.RawMessage{}
	for _, id := range c.ids {
		c.records[id] = records[id]
	}
	for model, ids := range answer.Include {
		c.include[model] = map[string]json.RawMessage{}
		for _, id := range ids {
			c.include[model][id] = records[id]
		}
	}
	for _, item := range answer.Items {
		c.ids = append(c.ids, item.ID)
		c.records[item.ID] = encoded(item.HTML)
	}
	return nil
}

// join lets the included records of a model follow.
func (c *Cursor) join(model string, delta *wire.Delta, records map[string]json.RawMessage) error {
	if c.include[model] == nil {
		c.include[model] = map[string]json.RawMessage{}
	}
	held := c.include[model]
	for _, id := range delta.Leave {
		if held[id] == nil {
			return fmt.Errorf("%s: the included %s left and was not held", c.name, id)
		}
		delete(held, id)
	}
	for i, entry := range slices.Concat(delta.Enter, delta.Change) {
		if (held[entry.ID] == nil) != (i < len(delta.Enter)) || records[entry.ID] == nil {
			return fmt.Errorf("%s: the included %s entered and was held, or changed and was not, or is not in the frame", c.name, entry.ID)
		}
		held[entry.ID] = records[entry.ID]
	}
	return nil
}

func encoded(html string) json.RawMessage {
	data, _ := json.Marshal(html) // a text is always JSON
	return data
}

// recordOf is what an entry, or else its frame, holds of a record.
func recordOf(entry wire.Entry, records map[string]json.RawMessage) json.RawMessage {
	if entry.HTML != "" {
		return encoded(entry.HTML)
	}
	return records[entry.ID]
}

// apply brings the cursor up to date as a client does: what leaves, what enters,
// what changes, in this order, each placed after the record that it names.
func (c *Cursor) apply(delta *wire.Delta, records map[string]json.RawMessage) error {
	for _, id := range delta.Leave {
		if err := c.take(id); err != nil {
			return err
		}
		delete(c.records, id)
	}
	for _, entry := range delta.Enter {
		if c.records[entry.ID] != nil {
			return fmt.Errorf("%s: %s entered and was held", c.name, entry.ID)
		}
		c.records[entry.ID] = recordOf(entry, records)
		if err := c.place(entry); err != nil {
			return err
		}
	}
	for _, entry := range delta.Change {
		if c.records[entry.ID] == nil {
			return fmt.Errorf("%s: %s changed and was not held", c.name, entry.ID)
		}
		if changed := recordOf(entry, records); changed != nil { // else it has only moved
			c.records[entry.ID] = changed
		}
		if entry.After == nil {
			continue
		}
		if err := c.take(entry.ID); err != nil {
			return err
		}
		if err := c.place(entry); err != nil {
			return err
		}
	}
	for i := range delta.Then {
		if err := c.apply(&delta.Then[i], records); err != nil {
			return err
		}
	}
	for model, included := range delta.Include {
		if err := c.join(model, included, records); err != nil {
			return err
		}
	}
	if delta.Value != nil || delta.Closed != nil {
		c.value = delta.Value
	}
	c.closed = c.closed || delta.Closed != nil
	return nil
}

func (c *Cursor) take(id string) error {
	at := slices.Index(c.ids, id)
	if at < 0 {
		return fmt.Errorf("%s: %s left and was not held", c.name, id)
	}
	c.ids = slices.Delete(c.ids, at, at+1)
	return nil
}

func (c *Cursor) place(entry wire.Entry) error {
	at := 0
	switch {
	case entry.After == nil:
		at, _ = slices.BinarySearch(c.ids, entry.ID)
	case *entry.After != "":
		if at = slices.Index(c.ids, *entry.After) + 1; at == 0 {
			return fmt.Errorf("%s: %s stands after %s, which is not held", c.name, entry.ID, *entry.After)
		}
	}
	c.ids = slices.Insert(c.ids, at, entry.ID)
	return nil
}
