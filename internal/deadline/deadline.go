// Package deadline ends requests of clients that send or receive too slowly. A client that
// makes progress goes on, however much there is to send.
package deadline

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ErrSlow is the error of reading a body that arrives too slowly.
var ErrSlow = errors.New("the body of the request arrives too slowly")

// A Pace is what a client must keep up with. It may be silent for Wait altogether, and for
// as long as it takes to transfer at Rate what it has transferred. So a body of n bytes takes
// at most Wait + n/Rate.
type Pace struct {
	Wait time.Duration
	Rate int // bytes a second
}

// Within returns how long a client may take to transfer so many bytes.
func (p Pace) Within(bytes int64) time.Duration {
	return p.Wait + time.Duration(float64(bytes)/float64(p.Rate)*float64(time.Second))
}

// Handler returns a handler that serves as next does and keeps clients to the pace. Reading a
// body that is too slow returns [ErrSlow]; writing to a client that is too slow fails, and
// its connection ends. The time in which next neither reads nor writes does not count. A
// handler that sets a deadline of its own, by a [http.ResponseController], is left alone from
// then on, as is one that hijacks the connection.
func (p Pace) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &writer{ResponseWriter: w, pace: p, control: http.NewResponseController(w)}
		if r.Body != nil && r.Body != http.NoBody {
			out.body = &body{ReadCloser: r.Body, pace: p, control: out.control}
			out.body.extend(p.Wait) // for what the server reads when next has not
			shallow := *r
			shallow.Body = out.body
			r = &shallow
		}
		defer out.end()
		next.ServeHTTP(out, r)
	})
}

// A body is the body of a request, with a deadline for each read.
type body struct {
	io.ReadCloser
	pace     Pace
	control  *http.ResponseController
	received int64
	waited   time.Duration // in reads

	mu   sync.Mutex
	over bool // the deadline is no longer ours
}

func (b *body) Read(p []byte) (int, error) {
	left := b.pace.Within(b.received) - b.waited
	if left <= 0 {
		b.leave(time.Now())
		return 0, ErrSlow
	}
	b.extend(left)
	begun := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(begun)
	b.received += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.leave(time.Now()) // the server reads no more of it either
		return n, ErrSlow
	case err != nil:
		b.leave(time.Time{})
	}
	return n, err
}

// extend sets the deadline of reads to the time after within.
func (b *body) extend(within time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		_ = b.control.SetReadDeadline(time.Now().Add(within)) // a recorder of a test has none
	}
}

// leave sets the deadline for the last time.
func (b *body) leave(deadline time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.over = true
		_ = b.control.SetReadDeadline(deadline)
	}
}

// disown leaves the deadline to the handler.
func (b *body) disown() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// pending reports whether the server may still wait for the rest of the body.
func (b *body) pending() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.over
}

// part is how much is written under one deadline.
const part = 64 << 10

// A writer writes an answer, with a deadline for each part of it.
type writer struct {
	http.ResponseWriter
	pace    Pace
	control *http.ResponseController
	body    *body       // nil: none
	until   time.Time   // the deadline; zero: none was set
	over    atomic.Bool // the deadline is no longer ours
}

func (w *writer) Write(p []byte) (written int, err error) {
	for {
		next := p[written:min(len(p), written+part)]
		w.extend(int64(len(next)))
		n, err := w.ResponseWriter.Write(next)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

// FlushError sends what was written so far.
func (w *writer) FlushError() error {
	w.extend(part)
	return w.control.Flush()
}

// extend moves the deadline so that a number of bytes can be written. It leaves a deadline
// that is late enough, because setting one takes time.
func (w *writer) extend(bytes int64) {
	if w.over.Load() {
		return
	}
	until := time.Now().Add(w.pace.Within(bytes))
	if w.body.pending() {
		until = until.Add(w.pace.Wait) // the server reads the rest before it writes
	}
	if until.Sub(w.until) > w.pace.Wait/8 {
		w.until = until
		_ = w.control.SetWriteDeadline(until) // a recorder of a test has none
	}
}

// end leaves deadlines for what the server itself reads and writes when the handler has
// returned. The server removes them before the next request.
func (w *writer) end() {
	w.extend(part)
	if w.body != nil {
		w.body.leave(time.Now().Add(w.pace.Wait))
	}
}

// SetReadDeadline lets the handler set the deadline itself.
func (w *writer) SetReadDeadline(deadline time.Time) error {
	if w.body != nil {
		w.body.disown()
	}
	return w.control.SetReadDeadline(deadline)
}

// SetWriteDeadline lets the handler set the deadline itself.
func (w *writer) SetWriteDeadline(deadline time.Time) error {
	w.over.Store(true)
	return w.control.SetWriteDeadline(deadline)
}

// Hijack gives the connection to the handler, without a deadline.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := w.control.Hijack()
	if err == nil {
		w.over.Store(true)
		if w.body != nil {
			w.body.disown()
		}
		err = conn.SetDeadline(time.Time{})
	}
	return conn, buffered, err
}

// Unwrap returns the server's writer, for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
