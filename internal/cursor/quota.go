package cursor

import (
	"errors"
	"slices"
)

// A Quota bounds the queries that holders make the engine keep current, and what it reads for them under
// its lock. Holders of equal specs share a query. The engine calls a quota under its lock, as it calls a
// [Sink].
type Quota interface {
	// Hold is called when a holder opens a query. all is the number of queries with this
	// one if it is new, and 0 if it is not. An error refuses it, unless it must be held:
	// because a commit has changed the spec of the holder.
	Hold(h Holder, q *Query, all int, must bool) error

	// Drop is called when a holder holds a query no longer.
	Drop(h Holder, q *Query)

	// Spend is called when the engine has read many records for the holders while it followed
	// a commit.
	Spend(holders []Holder, records int)

	// Afford reports whether the engine may read many records for the holder again. If not, the
	// holder receives a [Costly] resync.
	Afford(h Holder) bool
}

// manyRecords is how many records the engine reads for a query while it follows a commit without
// asking whether the holders can afford it.
const manyRecords = 1000

var errCostly = errors.New("keeping the cursor current takes more reading than its holders are allowed")

// Bound sets the quota of the engine. It must be called before the first cursor is opened.
func (e *Engine) Bound(by Quota) { e.quota = by }

// hold counts a holder that joins a query.
func (e *Engine) hold(h Holder, q *Query, must bool) error {
	if e.quota == nil {
		return nil
	}
	all := 0
	if q.isUnused() {
		all = e.open
	}
	return e.quota.Hold(h, q, all, must)
}

// drop counts a holder that leaves a query.
func (e *Engine) drop(h Holder, q *Query) {
	if e.quota != nil {
		e.quota.Drop(h, q)
	}
}

// readFor calls read, which reads the store for the group while it follows a commit. If an earlier
// read for the query took many records, readFor first removes the holders that cannot afford another.
// It returns errCostly if no holder can.
func (g *group) readFor(now *commitView, read func() error) error {
	e := g.query.engine
	if e.quota == nil || now.preview != nil || len(g.holders) == 0 {
		return read()
	}
	if g.query.dear {
		poor := slices.DeleteFunc(slices.Clone(g.holders), e.quota.Afford)
		if len(poor) == len(g.holders) {
			return errCostly
		}
		e.refuse(g.query, poor)
	}
	many, err := e.counted(g.holders, read)
	g.query.dear = g.query.dear || many
	return err
}

// refuse ends the cursors of holders of a query.
func (e *Engine) refuse(q *Query, poor []Holder) {
	if len(poor) == 0 {
		return
	}
	for _, h := range poor {
		e.detachHolder(h)
	}
	e.refused = append(e.refused, Effect{Query: q, Holders: poor, Resync: Costly})
}

// readForMove calls read, which reads the store for a holder whose spec a commit changes. It returns
// errCostly if the holder cannot afford to read many records, since their number is not known before.
func (e *Engine) readForMove(h Holder, read func() error) error {
	if e.quota == nil {
		return read()
	}
	if !e.quota.Afford(h) {
		return errCostly
	}
	_, err := e.counted([]Holder{h}, read)
	return err
}

// counted calls read, which reads the store under the lock for the holders, and reports whether
// it has taken many records.
func (e *Engine) counted(holders []Holder, read func() error) (many bool, err error) {
	before := e.meter.Examined()
	err = read()
	n := e.meter.Examined() - before
	if many = n >= manyRecords; many {
		e.quota.Spend(holders, n)
	}
	return many, err
}

// isUnused reports whether the query has no holders and no openings.
func (q *Query) isUnused() bool {
	for _, g := range q.groups() {
		if len(g.holders) > 0 {
			return false
		}
	}
	return q.openings == nil
}
