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

// Handler returns a handler that serves as next does and keeps clients to the pace, as a
// [Writer] does.
func (p Pace) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var out Writer
		shallow := *r
		shallow.Body = out.Begin(p, w, r.Body, time.Now())
		defer out.End()
		next.ServeHTTP(&out, &shallow)
	})
}

// A body is the body of a request, with a deadline for each read.
type body struct {
	io.ReadCloser
	pace     Pace
	control  http.ResponseController
	started  time.Time
	received int64
	waited   time.Duration // in reads

	mu   sync.Mutex  // held while a deadline is set
	set  bool        // one was
	over atomic.Bool // the deadline is no longer ours
}

func (b *body) Read(p []byte) (int, error) {
	left := b.pace.Within(b.received) - b.waited
	if left <= 0 {
		b.leave(time.Now())
		return 0, ErrSlow
	}
	begun := since(b.started)
	b.extend(begun.Add(left))
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	switch {
	case err == nil:
		b.waited += time.Since(begun)
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.leave(time.Now()) // the server reads no more of it either
		return n, ErrSlow
	case errors.Is(err, io.EOF):
		b.disown() // the server has removed the deadline
	default:
		b.leave(time.Time{})
	}
	return n, err
}

// extend moves the deadline of reads.
func (b *body) extend(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over.Load() {
		b.set = true
		_ = b.control.SetReadDeadline(until) // a recorder of a test has none
	}
}

// begin sets the deadline for what the server reads when the handler has not.
func (b *body) begin() {
	b.mu.Lock()
	set := b.set
	b.mu.Unlock()
	if !set {
		b.extend(since(b.started).Add(b.pace.Wait))
	}
}

// leave sets the deadline for the last time.
func (b *body) leave(deadline time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over.Swap(true) {
		_ = b.control.SetReadDeadline(deadline)
	}
}

// disown leaves the deadline to the handler or the server.
func (b *body) disown() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over.Store(true)
}

// pending reports whether the server may still wait for the rest of the body.
func (b *body) pending() bool { return b.ReadCloser != nil && !b.over.Load() }

// since returns the time, by a clock that is quicker than that of [time.Now].
func since(started time.Time) time.Time { return started.Add(time.Since(started)) }

// part is how much is written under one deadline.
const part = 64 << 10

// A Writer writes the answer to one request, and keeps its client to a pace. Reading a body
// that is too slow returns [ErrSlow]; writing to a client that is too slow fails, and its
// connection ends. The time in which the handler neither reads nor writes does not count. A
// handler that sets a deadline of its own, by a [http.ResponseController], is left alone from
// then on, as is one that hijacks the connection.
type Writer struct {
	http.ResponseWriter
	pace    Pace
	control http.ResponseController
	started time.Time
	body    body        // without a reader: there is none
	until   time.Time   // the deadline; zero: none was set
	over    atomic.Bool // the deadline is no longer ours
}

// Begin makes w write to the server's writer, for a request that has just started, and returns
// the body that the handler reads in place of the request's.
func (w *Writer) Begin(pace Pace, to http.ResponseWriter, from io.ReadCloser, started time.Time) io.ReadCloser {
	w.ResponseWriter, w.pace, w.control, w.started = to, pace, *http.NewResponseController(to), started
	if from == nil || from == http.NoBody {
		return from
	}
	w.body.ReadCloser, w.body.pace, w.body.control, w.body.started = from, pace, w.control, started
	return &w.body
}

func (w *Writer) Write(p []byte) (written int, err error) {
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
func (w *Writer) FlushError() error {
	w.extend(part)
	return w.control.Flush()
}

// extend moves the deadline so that a number of bytes can be written. It leaves a deadline
// that is late enough, because setting one takes time.
func (w *Writer) extend(bytes int64) {
	if w.over.Load() {
		return
	}
	until := since(w.started).Add(w.pace.Within(bytes))
	if w.body.pending() {
		w.body.begin()
		until = until.Add(w.pace.Wait) // the server reads the rest before it writes
	}
	if until.Sub(w.until) > w.pace.Wait/8 {
		w.until = until
		_ = w.control.SetWriteDeadline(until) // a recorder of a test has none
	}
}

// End leaves deadlines for what the server itself reads and writes when the handler has
// returned. The server removes them before the next request.
func (w *Writer) End() {
	w.extend(part)
	if w.body.pending() {
		w.body.leave(time.Now().Add(w.pace.Wait))
	}
}

// SetReadDeadline lets the handler set the deadline itself.
func (w *Writer) SetReadDeadline(deadline time.Time) error {
	w.body.disown()
	return w.control.SetReadDeadline(deadline)
}

// SetWriteDeadline lets the handler set the deadline itself.
func (w *Writer) SetWriteDeadline(deadline time.Time) error {
	w.over.Store(true)
	return w.control.SetWriteDeadline(deadline)
}

// Hijack gives the connection to the handler, without a deadline.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := w.control.Hijack()
	if err == nil {
		w.over.Store(true)
		w.body.disown()
		err = conn.SetDeadline(time.Time{})
	}
	return conn, buffered, err
}

// Unwrap returns the server's writer, for [http.ResponseController].
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
