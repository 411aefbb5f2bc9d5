package transport

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
)

// A link is the transport of a connection without a socket: messages go out as
// the events of a stream or as answers to polls, and frames come in by requests
// beside it. Both are numbered, so that a request that is sent again, by the
// client or by what is between, does nothing twice.
type link struct {
	links *Links
	id    string
	kind  string // "stream" or "poll"
	conn  Connection

	handling  sync.Mutex // held while frames are handled
	lastBatch uint64     // the number of the last batch

	mu       sync.Mutex
	number   uint64        // of the last message
	message  []byte        // that message, until the client has it
	waiting  chan struct{} // closed for who waits for a message; nil if nobody does
	ending   *wire.End
	replaced bool // it ends when the client has what was sent
	left     bool
	idle     *time.Timer              // ends a link that its client has forgotten
	out      *http.ResponseController // of a stream
}

func (l *link) Name() string { return l.kind }

func (l *link) Send(message []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	l.message = message
	l.wake()
}

// end frees what the connection holds, and keeps the reason for its client. It
// does not wait.
func (l *link) End(code int, reason string) { l.links.begin(func() { l.close(code, reason) }) }

func (l *link) close(code int, reason string) {
	l.mu.Lock()
	if l.ending == nil {
		l.ending = &wire.End{Code: code, Reason: reason}
		l.message = nil // what it said is resumed from
		l.wake()
		if l.out != nil {
			l.setWriteDeadline()
		}
	}
	l.mu.Unlock()
	l.leave()
}

// stream sets, and takes away, what the link's messages are written to.
func (l *link) stream(out *http.ResponseController) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = out
}

// write writes an event, within bounds.
func (l *link) write(w io.Writer, d *wire.Delivery) error {
	l.mu.Lock()
	l.setWriteDeadline()
	out := l.out
	l.mu.Unlock()
	if _, err := w.Write(event(d)); err != nil {
		return err
	}
	return out.Flush()
}

// setWriteDeadline bounds the time for what is written now: at the end of a link, a client
// that has not read has little left. It is called with the lock held.
func (l *link) setWriteDeadline() {
	within := writeWait
	if l.ending != nil {
		within = time.Second
	}
	_ = l.out.SetWriteDeadline(time.Now().Add(within))
}

// leave takes the connection from among the others: it gets no commits any more.
func (l *link) leave() {
	l.mu.Lock()
	first := !l.left
	l.left = true
	l.mu.Unlock()
	if first {
		l.conn.Leave()
	}
}

// wake is called with the lock held.
func (l *link) wake() {
	if l.waiting != nil {
		close(l.waiting)
		l.waiting = nil
	}
}

// resetIdle lets the client be silent for a while, from now on.
func (l *link) resetIdle(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending == nil {
		l.idle.Reset(d)
	}
}

// next returns the message after the one with the number have, as soon as there is
// one; or the link's end; or nothing when the time is over or somebody else asks.
// The message is kept until the client says that it has it.
func (l *link) next(ctx context.Context, have uint64, wait time.Duration) (*wire.Delivery, error) {
	if err := l.confirm(have); err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake() // who asked before has been given up
	for late := false; ; {
		switch {
		case l.message != nil:
			return &wire.Delivery{Number: l.number, Message: l.message}, nil
		case l.ending != nil:
			return &wire.Delivery{End: l.ending}, nil
		case l.replaced:
			return &wire.Delivery{End: &wire.End{Code: outbox.CloseDone, Reason: "another connection has taken its place"}}, nil
		case late || l.waiting != nil:
			return &wire.Delivery{}, nil
		}
		woken := make(chan struct{})
		l.waiting = woken
		l.mu.Unlock()
		select {
		case <-woken:
		case <-timer.C:
			late = true
		case <-ctx.Done():
			late = true
		}
		l.mu.Lock()
		if l.waiting == woken {
			l.waiting = nil
		}
	}
}

// confirm notes that the client has a message, and lets the outbox send the next.
func (l *link) confirm(have uint64) error {
	l.mu.Lock()
	last, pending, ended := l.number, l.message != nil, l.ending != nil
	arrived := pending && have == last
	if arrived {
		l.message = nil
	}
	l.mu.Unlock()
	if arrived {
		l.conn.Outbox().Sent()
	} else if !ended && have != last && !(pending && have+1 == last) {
		return fault.Errorf(fault.Conflict, "the last message of this link is %d, and what came after %d is not known any more; connect again", last, have)
	}
	return nil
}

// handleBatch handles a batch of frames, unless it has done so before.
func (l *link) handleBatch(batch *wire.Batch) error {
	l.handling.Lock()
	defer l.handling.Unlock()
	next := l.lastBatch + 1
	if batch.Number > 0 && batch.Number < next {
		return nil
	}
	if batch.Number != next {
		return fault.Errorf(fault.Conflict, "this is batch %d, and %d is the next one; connect again", batch.Number, next)
	}
	most := l.links.limits.MaxFrame
	for i, frame := range batch.Frames {
		if int64(len(frame)) > most {
			return fault.Errorf(fault.TooLarge, "frame %d of the batch is larger than %d bytes", i+1, most)
		}
	}
	l.lastBatch = next
	l.conn.Handle(batch.Requests())
	return nil
}
