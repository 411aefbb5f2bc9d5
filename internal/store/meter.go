package store

import (
	"context"
	"sync/atomic"
)

// A Meter counts the records that are read with its context, whether or not they are
// wanted: what a read costs. It is safe for concurrent use.
type Meter struct {
	examined atomic.Int64
	outer    *Meter
}

type meterKey struct{}

// Context returns a context whose reads the meter counts. The meter of ctx, if it has one,
// counts them too. A meter has one context.
func (m *Meter) Context(ctx context.Context) context.Context {
	m.outer, _ = ctx.Value(meterKey{}).(*Meter)
	return context.WithValue(ctx, meterKey{}, m)
}

// Examined returns how many records have been read.
func (m *Meter) Examined() int { return int(m.examined.Load()) }

// count adds what the snapshot has read to the meter of its context.
func (s *Snapshot) count() {
	Charge(s.ctx, s.examined)
}

// Charge adds records to the meter of a context, if it has one, as if they had been read.
func Charge(ctx context.Context, records int) {
	for m, _ := ctx.Value(meterKey{}).(*Meter); m != nil; m = m.outer {
		m.examined.Add(int64(records))
	}
}
