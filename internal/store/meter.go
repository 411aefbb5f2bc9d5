package store

import (
	"context"
	"sync/atomic"
)

// A Meter counts the records that are read with its context, whether or not they are
// wanted: what a read costs. It is safe for concurrent use.
type Meter struct{ examined atomic.Int64 }

type meterKey struct{}

// Context returns a context whose reads the meter counts.
func (m *Meter) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// Examined returns how many records have been read.
func (m *Meter) Examined() int { return int(m.examined.Load()) }

// count adds what the snapshot has read to the meter of its context.
func (s *Snapshot) count() {
	if m, ok := s.ctx.Value(meterKey{}).(*Meter); ok {
		m.examined.Add(int64(s.examined))
	}
}
