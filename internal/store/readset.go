package store

import "github.com/towerkit/tower/internal/record"

// A scanRead is a range that a transaction has read.
type scanRead struct {
	table    *table
	span     span
	relevant func(*record.Image) bool // nil: every record is relevant
	seq      uint64                   // of the state that was read
}

// remember adds a record to the read set, unless the transaction has read it before.
func (tx *Tx) remember(m *record.Model, id record.ID, image *record.Image) {
	k := record.Key{Model: m, ID: id}
	if r, known := tx.reads.get(k); !known {
		tx.reads.set(k, read{image: image})
	} else if r.existsOnly {
		tx.reads.set(k, read{image: r.image})
	}
}

// rememberScan adds to the read set that a span was read up to the key last; nil is
// all of it.
func (tx *Tx) rememberScan(m *record.Model, sp span, r *Range, last []byte, seq uint64) {
	switch {
	case last == nil:
	case r.Reverse:
		sp.lo = last
	default:
		sp.hi = append(last, 0)
	}
	tx.scans = tx.scans.add(scanRead{table: tx.store.tables[m], span: sp, relevant: r.Relevant, seq: seq})
}

// unchanged reports whether no commit since the scan has changed what it read.
func (b *batch) unchanged(sc *scanRead) bool {
	published := b.store.ring.since(sc.seq)
	if uint64(len(published)) < b.since-sc.seq {
		return false // the commits are no longer in memory
	}
	for _, commits := range [...][]Commit{published, b.commits} {
		for i := range commits {
			if sc.touchedBy(&commits[i]) {
				return false
			}
		}
	}
	return true
}

func (sc *scanRead) touchedBy(c *Commit) bool {
	for i := range c.Changes {
		change := &c.Changes[i]
		if change.Model != sc.table.model {
			continue
		}
		for _, image := range [...]*record.Image{change.Before, change.After} {
			if image != nil && sc.span.contains(sc.span.key(image)) && (sc.relevant == nil || sc.relevant(image)) {
				return true
			}
		}
	}
	return false
}
