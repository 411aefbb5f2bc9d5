package outbox

import (
	"math"
	"sync/atomic"
)

// A Wave is one message each to many clients. It counts how many of them are on their way. A nil
// wave counts nothing, and is over.
type Wave struct {
	sent    int // only the goroutine that sends uses it
	written atomic.Int64
	enough  atomic.Int64 // how many have to be written
	ended   chan struct{}
}

// NewWave returns a wave without messages.
func NewWave() *Wave {
	w := &Wave{ended: make(chan struct{}, 1)}
	w.enough.Store(math.MaxInt64)
	return w
}

// Close says that no more messages are sent in the wave. It is over once nine tenths of them
// are on their way: a few clients that do not read do not hold it up.
func (w *Wave) Close() {
	if w == nil {
		return
	}
	w.enough.Store(int64(w.sent - w.sent/10))
	if w.Over() {
		w.end()
	}
}

// Over reports whether the wave is over.
func (w *Wave) Over() bool { return w == nil || w.written.Load() >= w.enough.Load() }

// Ended returns a channel that receives a value when the wave is over.
func (w *Wave) Ended() <-chan struct{} { return w.ended }

// add counts a message that is sent.
func (w *Wave) add() {
	if w != nil {
		w.sent++
	}
}

// wrote counts a message that is on its way.
func (w *Wave) wrote() {
	if w != nil && w.written.Add(1) == w.enough.Load() {
		w.end()
	}
}

func (w *Wave) end() {
	select {
	case w.ended <- struct{}{}:
	default:
	}
}
