package towertest

import (
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A Cursor is what a client holds of one cursor. What the server sends keeps it current.
type Cursor struct {
	client *Client
	name   string
	in     json.RawMessage
	state  *replica.Replica
}

// Name returns the declared name of the cursor.
func (c *Cursor) Name() string { return c.name }

// Input returns the input that opened the cursor, as JSON; nil if there was none, and for a
// cursor of a page.
func (c *Cursor) Input() json.RawMessage { return c.in }

// IDs returns the ids of the records, in order.
func (c *Cursor) IDs() []string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.state.IDs()
}

// Len returns how many records there are.
func (c *Cursor) Len() int { return len(c.IDs()) }

// Record decodes a record into v, a pointer, and reports whether the cursor holds it.
func (c *Cursor) Record(id string, v any) bool {
	c.client.t.Helper()
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.decode(c.state.Record(id), v)
}

// decode decodes a record that the cursor holds, and reports whether there is one.
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

// Included returns the ids of the included records of a model, in order.
func (c *Cursor) Included(model string) []string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.state.Included(model)
}

// IncludedRecord decodes an included record into v, a pointer, and reports
// whether the cursor includes it.
func (c *Cursor) IncludedRecord(model, id string, v any) bool {
	c.client.t.Helper()
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.decode(c.state.IncludedRecord(model, id), v)
}

// included returns the records that the cursor includes, decoded, by model and id; nil if
// there are none.
func (c *Cursor) included() (all map[string]map[string]any) {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	for _, model := range c.state.Includes() {
		for _, id := range c.state.Included(model) {
			if all == nil {
				all = map[string]map[string]any{}
			}
			if all[model] == nil {
				all[model] = map[string]any{}
			}
			all[model][id], _ = decoded(c.state.IncludedRecord(model, id)) // text that is not JSON equals no record
		}
	}
	return all
}

// HTML returns the HTML that a page's list received for a record. It is "" if the record is
// as the page was loaded, and if the list does not show it.
func (c *Cursor) HTML(id string) string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	var html string
	_ = json.Unmarshal(c.state.Record(id), &html) // fails for a cursor of records
	return html
}

// Closed reports whether the server has closed the cursor because the user may no longer hold it.
func (c *Cursor) Closed() bool {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.state.Closed != nil
}

// Await waits until the ids of the records, in order, make done true. done may read what the
// client and its cursors hold, and must not wait for the client.
func (c *Cursor) Await(done func(ids []string) bool) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("such records in %s, which holds %v", c.name, c.IDs()), func() bool { return done(c.state.IDs()) })
}

// AwaitLen waits until there are n records.
func (c *Cursor) AwaitLen(n int) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("%d records in %s", n, c.name), func() bool { return c.state.Len() == n })
}

// Value returns the value that the cursor carries, as JSON. It is "" for a cursor of
// records and for a closed one.
func (c *Cursor) Value() string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return string(c.state.Value)
}

// AwaitValue waits until the cursor carries the value, which is JSON.
func (c *Cursor) AwaitValue(value string) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("%s in %s, which is %s", value, c.name, c.Value()), func() bool { return string(c.state.Value) == value })
}

// raw returns a record as the server sent it, nil if the cursor does not hold it.
func (c *Cursor) raw(id string) json.RawMessage {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.state.Record(id)
}

// answer applies the answer to an open: all records, or the changes since.
func (c *Cursor) answer(answer *wire.Answer) error {
	if _, err := c.state.Answer(answer); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// apply applies the delta of a commit. It returns an error if the delta does not fit.
func (c *Cursor) apply(seq uint64, delta *wire.Delta, records replica.Records) error {
	if _, err := c.state.Apply(seq, delta, records); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}
