package reactions

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

// A Mark is the content of a reaction's record: how far the reaction is.
type Mark struct {
	ID    record.ID
	Name  string
	Scope string
	On    string
	Seq   uint64     // the last commit that is dealt with; 0: the one that wrote the record
	Done  int        // events of the next one that are
	Node  string     // the process that has moved it last
	Last  *time.Time // when the reaction has dealt with an event last
	Note  string     // about commits that were missed

	Updated time.Time // the record
}

// passed reports whether the mark is at or after an event.
func (m *Mark) passed(e *event) bool {
	return e.seq <= m.Seq || e.before == m.Seq && e.number < m.Done
}

// pass moves the mark to an event.
func (m *Mark) pass(e *event) {
	if m.Seq, m.Done = e.before, e.number+1; e.last {
		m.Seq, m.Done = e.seq, 0
	}
}

// moved returns a mark with the position that its record has.
func (m Mark) moved(image *record.Image) Mark {
	if m.Seq == 0 {
		m.Seq = image.Version
	}
	return m
}

// The states of an item.
const (
	Waiting = "waiting" // to be run at a time
	Behind  = "behind"  // another one of the record
	Failed  = "failed"  // for the last time
)

// An Item is the content of the record of an event that waits.
type Item struct {
	ID       record.ID
	Created  time.Time
	Reaction string
	Model    string
	Of       record.ID // the record
	Event    string
	State    string
	Attempt  int // that have failed
	Due      time.Time
	Seq      uint64 // the commit
	Error    string
	Image    json.RawMessage // the record as the commit left it
	Private  json.RawMessage // its private fields
	Was      bool            // it was in the scope before
	Depth    int             // how many reactions have led to the event
	Slot     string
	Lane     string
}

// maxAttempts is how often an event is tried; it takes about two hours.
const maxAttempts = 8

func newItem(r *Reaction, e *event) *Item {
	it := &Item{Reaction: r.Name, Model: r.Scope.Model.Name, Of: e.image.ID, Was: e.was,
		Lane: fmt.Sprintf("%s%016x/%06x", lane(r.Name, e.image.ID), e.seq, e.number)}
	it.holds(e)
	return it
}

// holds makes the item one of an event.
func (it *Item) holds(e *event) {
	it.Event, it.Seq, it.Depth = e.kind.String(), e.seq, max(it.Depth, e.depth)
	it.Image, it.Private = e.image.JSON, e.image.Private
}

func lane(name string, id record.ID) string { return name + "/" + string(id) + "/" }

// end returns a text after all that begin with a prefix, which ends with "/".
func end(prefix string) string { return prefix[:len(prefix)-1] + "0" }

func (it *Item) wait(until time.Time) {
	it.State, it.Due = Waiting, until.UTC().Truncate(time.Microsecond)
	it.Slot = it.Reaction + "/w/" + typed.Stamp(it.Due)
}

func (it *Item) behind() { it.State, it.Slot = Behind, it.Reaction+"/b/" }

func (it *Item) fail() { it.State, it.Slot = Failed, it.Reaction+"/f/" }

// image returns the record of the item.
func (it *Item) image(m *record.Model) *record.Image {
	image := &record.Image{Model: m, ID: it.Of, Version: it.Seq, JSON: it.Image}
	if len(it.Private) > 0 && string(it.Private) != "null" {
		image.Private = it.Private
	}
	return image
}

// Items are the events that wait.
type Items struct{ typed.Table[Item] }

// first returns the oldest item of a record after a place in its lane, nil if there is none.
func (t *Items) first(tx *store.Tx, prefix, after string) (*Item, error) {
	return t.one(tx, prefix, after, false)
}

// last returns the newest item of a record, nil if there is none.
func (t *Items) last(tx *store.Tx, prefix string) (*Item, error) {
	return t.one(tx, prefix, prefix, true)
}

func (t *Items) one(tx *store.Tx, prefix, from string, reverse bool) (found *Item, err error) {
	in := t.Between("lane", from, end(prefix))
	in.Reverse = reverse
	err = tx.View(context.Background(), func(snap *store.Snapshot) error {
		return t.Scan(snap, in, func(it Item) bool {
			found = &it
			return false
		})
	})
	return found, err
}

// remove deletes an item. If it is the first of its record, the next one is due.
func (t *Items) remove(tx *store.Tx, it *Item) error {
	if it.State != Behind {
		next, err := t.first(tx, lane(it.Reaction, it.Of), it.Lane+"0")
		if err == nil && next != nil {
			next.wait(tx.Now())
			err = t.Put(tx, next.ID, next)
		}
		if err != nil {
			return err
		}
	}
	return tx.Delete(t.Model, it.ID)
}

// A BehindError is why an item cannot be retried.
type BehindError struct{}

func (BehindError) Error() string {
	return "it waits behind an earlier event of the record; retry or drop that"
}

// Retry makes an item due now, with its first try.
func (t *Items) Retry(tx *store.Tx, id record.ID) error {
	it, _, err := t.Get(tx, id)
	if err != nil {
		return err
	}
	if it.State == Behind {
		return BehindError{}
	}
	it.Attempt, it.Depth = 0, 0
	it.wait(tx.Now())
	return t.Put(tx, id, &it)
}

// Drop deletes an item: its event is not dealt with.
func (t *Items) Drop(tx *store.Tx, id record.ID) error {
	it, _, err := t.Get(tx, id)
	if err != nil {
		return err
	}
	return t.remove(tx, &it)
}
