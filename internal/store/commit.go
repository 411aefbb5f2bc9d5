package store

import (
	"time"

	"github.com/towerkit/tower/internal/record"
)

// An Op is what a commit did to a record.
type Op uint8

// The ops.
const (
	Create Op = iota + 1
	Update
	Delete
)

func (o Op) String() string {
	return [...]string{"", "create", "update", "delete"}[o]
}

// A Change is the net effect of a commit on one record. A record that was created and
// deleted in the same transaction is not in its commit.
type Change struct {
	Op     Op
	Model  *record.Model
	ID     record.ID
	Before *record.Image // nil for a create
	After  *record.Image // nil for a delete
}

// Same reports whether an update left a field unchanged.
func (c Change) Same(f *record.Field) bool {
	return c.Before != nil && c.After != nil && c.Before.SameField(c.After, f)
}

// A Commit is the changes of one transaction, in the order of the transaction's
// first writes to the records. All readers share it, so it must not be written to.
type Commit struct {
	Seq     uint64 // 1 is the epoch's first; 0 is no commit
	At      time.Time
	By      string // author, as passed to Begin
	Changes []Change
}

// size estimates how much memory the commit takes: each image as JSON and as a
// struct.
func (c *Commit) size() int {
	size := 256
	for i := range c.Changes {
		size += 64 + c.Changes[i].Before.Size() + c.Changes[i].After.Size()
	}
	return size
}
