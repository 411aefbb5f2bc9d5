package script

import (
	"context"
	"runtime/metrics"
	"time"

	"github.com/towerkit/tower/internal/repl/show"
)

// maxMemory is the most bytes that the console may hold while code runs.
const maxMemory = 1 << 30

// A MemoryError is the cause of a context of code that used too much memory.
type MemoryError struct{ Limit uint64 }

// Error says how much the code may use.
func (e *MemoryError) Error() string {
	return "the code uses more than " + show.Bytes(int(e.Limit)) + " of memory"
}

// BoundMemory returns a context for running code. It ends with a [*MemoryError] when the
// process holds more than limit bytes; 0 is 1 GiB. Call release when the code has ended.
func BoundMemory(ctx context.Context, limit uint64) (bounded context.Context, release func()) {
	if limit == 0 {
		limit = maxMemory
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		look := time.NewTicker(50 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				if live, all := heap(); live > limit || all > 2*limit {
					cancel(&MemoryError{limit})
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// heap returns the bytes that the last collection found in use, and those of all objects
// since.
func heap() (live, all uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}
