package limit

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"
)

// burst is how many seconds of a rate a client may use at once.
const burst = 4

// malformed is how many refused frames one counts as that no client sends by mistake.
const malformed = 4

// A Meter measures what one client sends: its frames and its bytes. A frame above the rate is
// refused. A client that goes on regardless must go. It is safe for concurrent use.
type Meter struct {
	rate    int
	frames  *rate.Limiter
	bytes   *rate.Limiter
	refused *rate.Limiter
}

// NewMeter returns a meter for one client.
func NewMeter(l *Limits) *Meter {
	return &Meter{
		rate:   l.MaxRate,
		frames: rate.NewLimiter(rate.Limit(l.MaxRate), burst*l.MaxRate),
		bytes:  rate.NewLimiter(rate.Limit(l.MaxInflow), max(burst*l.MaxInflow, int(l.MaxFrame), int(l.MaxBody))),
		// A client that sends twice as fast as it may for some seconds has no excuse.
		refused: rate.NewLimiter(rate.Limit(l.MaxRate)/10, burst*l.MaxRate),
	}
}

// A Verdict says what happens to a frame.
type Verdict int

// The verdicts.
const (
	Serve  Verdict = iota
	Refuse         // and tell the client
	End            // the connection
)

// Frame counts a frame.
func (m *Meter) Frame() Verdict {
	if m.frames.Allow() {
		return Serve
	}
	return m.refuse(1)
}

// Malformed counts a frame that is none.
func (m *Meter) Malformed() Verdict { return m.refuse(malformed) }

func (m *Meter) refuse(n int) Verdict {
	for range n {
		if !m.refused.Allow() {
			return End
		}
	}
	return Refuse
}

// Reason says why a frame was refused or a connection ended.
func (m *Meter) Reason() string {
	return fmt.Sprintf("more than %d frames a second, or frames that cannot be read; slow down", m.rate)
}

// Wait returns when the client may send so many further bytes, or when ctx ends.
func (m *Meter) Wait(ctx context.Context, bytes int) {
	for most := m.bytes.Burst(); bytes > 0; bytes -= most {
		_ = m.bytes.WaitN(ctx, min(bytes, most)) // it fails if ctx ends
	}
}
