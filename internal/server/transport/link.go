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

// A link is the transport of a connection without a WebSocket. Messages go out as
// events of a stream or as answers to polls, and frames come in with separate requests.
// Messages and batches of frames are numbered, so that a request repeated by the client
// or a proxy has no effect the second time.
type link struct {
	links *Links
	id    string
	kind  string // "stream" or "poll"
	conn  Connection

	handling  sync.Mutex // locked while frames are handled
	lastBatch uint64     // the number of the last batch

	mu       sync.Mutex
	number   uint64        // of the last message
	message  []byte        // the last message, until the client has it
	polled   uint64        // the number of the last message that answered a poll
	waiting  chan struct{} // closed to wake the request that waits for a message; nil: none waits
	ending   *wire.End
	replaced bool // it ends when the client has every message
	left     bool
	idle     *time.Timer              // ends the link of a client that stays away
	out      *http.ResponseController // of a stream
}

// Name returns "stream" or "poll".
func (l *link) Name() string { return l.kind }

// Send keeps a message for the client's next request, or its stream.
func (l *link) Send(message []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	l.message = message
	l.wake()
}

// End removes the connection from the host and keeps the reason for its client. It does
// not wait.
func (l *link) End(code int, reason string) { l.links.begin(func() { l.close(code, reason) }) }

func (l *link) close(code int, reason string) {
	l.mu.Lock()
	if l.ending == nil {
		l.ending = &wire.End{Code: code, Reason: reason}
		l.message = nil // the client resumes before it
		l.wake()
		if l.out != nil {
			l.setWriteDeadline()
		}
	}
	l.mu.Unlock()
	l.leave()
}

// first returns the first delivery to the client.
func (l *link) first() *wire.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != nil {
		return &wire.Delivery{End: l.ending}
	}
	return &wire.Delivery{Link: l.id}
}

// stream sets the response that messages are written to; nil: none.
func (l *link) stream(out *http.ResponseController) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = out
}

// write writes an event to the stream, with a deadline.
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

// setWriteDeadline sets the deadline of the next write. It is short at the end of a
// link, for a client that does not read. The caller holds the lock.
func (l *link) setWriteDeadline() {
	within := l.links.limits.Pace.Within(outbox.MaxMessage)
	if l.ending != nil {
		within = time.Second
	}
	_ = l.out.SetWriteDeadline(time.Now().Add(within))
}

// leave removes the connection from the host, so that it gets no more commits.
func (l *link) leave() {
	l.mu.Lock()
	first := !l.left
	l.left = true
	l.mu.Unlock()
	if first {
		l.conn.Leave()
	}
}

// wake wakes the request that waits for a message. The caller holds the lock.
func (l *link) wake() {
	if l.waiting != nil {
		close(l.waiting)
		l.waiting = nil
	}
}

// resetIdle lets the client stay silent for the duration d from now.
func (l *link) resetIdle(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending == nil {
		l.idle.Reset(d)
	}
}

// next returns the message after number have as soon as there is one, or the end of the
// link. It returns an empty delivery after wait, when ctx ends or when another request
// asks for the message. The link keeps the message until the client confirms it.
func (l *link) next(ctx context.Context, have uint64, wait time.Duration) (*wire.Delivery, error) {
	if err := l.confirm(have); err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake() // the client has given up its earlier request
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

// count counts a poll. One that confirms a message is free, because the server sent that, and
// so is one that asks for the end. One that asks for a message again is throttled by its size.
func (l *link) count(have uint64) error {
	l.mu.Lock()
	free, again := l.ending != nil || l.message != nil && have == l.number, 0
	if l.message != nil && have < l.number && l.polled == l.number {
		again = len(l.message)
	}
	l.mu.Unlock()
	if free {
		return nil
	}
	l.conn.Throttle(again)
	return l.conn.Count()
}

// answered notes the message that a poll is answered with.
func (l *link) answered(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.polled = max(l.polled, number)
}

// confirm drops a message that the client has, and lets the outbox send the next one.
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
		return fault.Errorf(fault.Conflict, "the last message of this link is %d; the messages after %d are gone; connect again", last, have)
	}
	return nil
}

// handleBatch handles a batch of frames, unless it has handled this batch before.
func (l *link) handleBatch(batch *wire.Batch) error {
	l.handling.Lock()
	defer l.handling.Unlock()
	next := l.lastBatch + 1
	if batch.Number > 0 && batch.Number < next {
		return nil
	}
	if batch.Number != next {
		return fault.Errorf(fault.Conflict, "batch %d is out of order; the next batch is %d; connect again", batch.Number, next)
	}
	most, size := l.links.limits.MaxFrame, 0
	for i, frame := range batch.Frames {
		size += len(frame)
		if int64(len(frame)) > most {
			return fault.Errorf(fault.TooLarge, "frame %d of the batch is larger than %d bytes", i+1, most)
		}
	}
	l.mu.Lock()
	ended := l.ending != nil
	l.mu.Unlock()
	if ended {
		return fault.Errorf(fault.Conflict, "the link has ended; connect again")
	}
	l.lastBatch = next
	l.conn.Throttle(size)
	l.conn.Handle(batch.Requests())
	return nil
}
