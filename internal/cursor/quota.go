package cursor

// A Quota bounds the queries that holders make the engine keep current. Holders of equal
// specs share a query. The engine calls a quota under its lock, as it calls a [Sink].
type Quota interface {
	// Hold is called when a holder opens a query. all is the number of queries with this
	// one if it is new, and 0 if it is not. An error refuses it, unless it must be held:
	// because a commit has changed the spec of the holder.
	Hold(h Holder, q *Query, all int, must bool) error

	// Drop is called when a holder holds a query no longer.
	Drop(h Holder, q *Query)
}

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

// isUnused reports whether the query has no holders and no openings.
func (q *Query) isUnused() bool {
	for _, g := range q.groups() {
		if len(g.holders) > 0 {
			return false
		}
	}
	return q.openings == nil
}
