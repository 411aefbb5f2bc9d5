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

// A Change is what a commit did to one record, taken together: a record that was
// created and deleted in one transaction is not in its commit.
type Change struct {
	Op     Op
	Model  *record.Model
	ID     record.ID
	Before *record.Image // nil of a create
	After  *record.Image // nil of a delete
}

// Same reports whether an update left a field as it was.
func (c Change) Same(f *record.Field) bool {
	return c.Before != nil && c.After != nil && c.Before.SameField(c.After, f)
}

// A Commit is the changes of one transaction, in the order in which the
// transaction first touched the records. It is shared by all who read it: nobody
// may write to it.
type Commit struct {
	Seq     uint64 // 1 is the epoch's first; 0 is no commit
	At      time.Time
	By      string // who made it, as given to Begin
	Changes []Change
}

// size estimates the memory that the commit holds: each image as bytes and as a
// struct.
func (c *Commit) size() int {
	size := 256
	for i := range c.Changes {
		size += 64 + c.Changes[i].Before.Size() + c.Changes[i].After.Size()
	}
	return size
}
