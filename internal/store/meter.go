package store

import (
	"context"
	"sync/atomic"
)

// A Meter counts the records that are read with its context, whether or not they are
// wanted: what a read costs. It is safe for concurrent use.
type Meter struct {
	// Part is called before each part of a read, see [Store.ViewPart], but the first. It may
	// wait. done is called after the part. nil never waits.
	Part func(ctx context.Context) (done func(), err error)

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

// ViewPart is [Store.ViewAt] for a read that takes several views, since it may be long: the
// meter of the context may let other reads come before each of them but the first.
func (s *Store) ViewPart(ctx context.Context, seq uint64, fn func(*Snapshot) error) error {
	done, err := Part(ctx)
	if err != nil {
		return err
	}
	defer done()
	return s.ViewAt(ctx, seq, fn)
}

// Part returns when the meter of the context lets the next part of a read begin. The caller
// must call done after the part.
func Part(ctx context.Context) (done func(), err error) {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	for m != nil && m.Part == nil {
		m = m.outer
	}
	if m == nil || m.Examined() == 0 {
		return func() {}, nil
	}
	return m.Part(ctx)
}
