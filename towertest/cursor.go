package towertest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/wire"
)

// A Cursor is what a client holds of one cursor, kept current by what the server
// sends.
type Cursor struct {
	client  *Client
	name    string
	ids     []string
	records map[string]json.RawMessage
	closed  bool
}

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
	record, ok := c.records[id]
	if ok {
		if err := json.Unmarshal(record, v); err != nil {
			c.client.t.Fatalf("%s: decode %s: %v", c.name, record, err)
		}
	}
	return ok
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

func (c *Cursor) fill(answer *wire.Answer) {
	c.ids = answer.IDs
	for _, record := range answer.Records {
		c.records[recordID(record)] = record
	}
}

// apply brings the cursor up to date as a client does: what leaves and what
// moves is taken out, and what moves or enters is placed after the record that it
// names as soon as that one is in place.
func (c *Cursor) apply(delta *wire.Delta, records map[string]json.RawMessage) error {
	for _, id := range delta.Leave {
		if err := c.take(id); err != nil {
			return err
		}
		delete(c.records, id)
	}
	var place []wire.Entry
	for _, entry := range delta.Change {
		if c.records[entry.ID] == nil {
			return fmt.Errorf("%s: %s changed and was not held", c.name, entry.ID)
		}
		c.records[entry.ID] = records[entry.ID]
		if entry.After != nil {
			if err := c.take(entry.ID); err != nil {
				return err
			}
			place = append(place, entry)
		}
	}
	for _, entry := range delta.Enter {
		if c.records[entry.ID] != nil {
			return fmt.Errorf("%s: %s entered and was held", c.name, entry.ID)
		}
		c.records[entry.ID] = records[entry.ID]
		place = append(place, entry)
	}
	c.closed = c.closed || delta.Closed != nil
	return c.place(place)
}

func (c *Cursor) take(id string) error {
	at := slices.Index(c.ids, id)
	if at < 0 {
		return fmt.Errorf("%s: %s left and was not held", c.name, id)
	}
	c.ids = slices.Delete(c.ids, at, at+1)
	return nil
}

func (c *Cursor) place(entries []wire.Entry) error {
	for len(entries) > 0 {
		waiting := entries[:0:0]
		for _, entry := range entries {
			if at, ok := c.position(entry); ok {
				c.ids = slices.Insert(c.ids, at, entry.ID)
			} else {
				waiting = append(waiting, entry)
			}
		}
		if len(waiting) == len(entries) {
			return fmt.Errorf("%s: %s stands after %s, which is not held", c.name, waiting[0].ID, *waiting[0].After)
		}
		entries = waiting
	}
	return nil
}

func (c *Cursor) position(entry wire.Entry) (int, bool) {
	if entry.After == nil {
		at, _ := slices.BinarySearch(c.ids, entry.ID)
		return at, true
	}
	if *entry.After == "" {
		return 0, true
	}
	at := slices.Index(c.ids, *entry.After)
	return at + 1, at >= 0
}
