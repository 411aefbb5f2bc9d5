package towertest

import (
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A Cursor is what a client holds of one cursor, kept current by what the server
// sends.
type Cursor struct {
	client *Client
	name   string
	in     json.RawMessage
	state  *replica.Replica
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
	return c.state.IDs()
}

// Len returns how many records there are.
func (c *Cursor) Len() int { return len(c.IDs()) }

// Record decodes a record into v, a pointer, and reports whether the cursor
// holds it.
func (c *Cursor) Record(id string, v any) bool {
	c.client.t.Helper()
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.decode(c.state.Record(id), v)
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

// included returns all that the cursor includes, by model and id, as its JSON
// decodes; nil for nothing.
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
			all[model][id], _ = decoded(c.state.IncludedRecord(model, id)) // what is not JSON equals no record
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
	_ = json.Unmarshal(c.state.Record(id), &html) // a record is no text
	return html
}

// Closed reports whether the user may not hold the cursor any more.
func (c *Cursor) Closed() bool {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.state.Closed != nil
}

// Await waits until the ids of the records, in order, make done true.
func (c *Cursor) Await(done func(ids []string) bool) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("such records in %s, which holds %v", c.name, c.IDs()), func() bool { return done(c.state.IDs()) })
}

// AwaitLen waits until there are n records.
func (c *Cursor) AwaitLen(n int) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("%d records in %s", n, c.name), func() bool { return c.state.Len() == n })
}

// Value returns, as JSON, the value that the cursor carries; "" of a cursor of
// records, and of one that the user may not hold any more.
func (c *Cursor) Value() string {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return string(c.state.Value)
}

// AwaitValue waits until the cursor carries the value, in JSON.
func (c *Cursor) AwaitValue(value string) {
	c.client.t.Helper()
	c.client.await(fmt.Sprintf("%s in %s, which is %s", value, c.name, c.Value()), func() bool { return string(c.state.Value) == value })
}

// raw returns a record as it was sent, nil where the cursor does not hold it.
func (c *Cursor) raw(id string) json.RawMessage {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	return c.state.Record(id)
}

// answer applies the answer to an open: everything, or what changed since.
func (c *Cursor) answer(answer *wire.Answer) error {
	if _, err := c.state.Answer(answer); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// apply applies the delta of a commit. One that does not fit is an error.
func (c *Cursor) apply(seq uint64, delta *wire.Delta, records replica.Records) error {
	if _, err := c.state.Apply(seq, delta, records); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}
