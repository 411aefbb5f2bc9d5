// Package tracing follows what an application does through a tracer: from a request or a call
// to its commits, their matching and delivery, and to the clients that have applied them.
package tracing

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// A Tracer records spans. It is safe for concurrent use.
type Tracer interface {
	// Start begins a span below that of ctx, or else below span.Parent. The returned
	// context carries it. end ends it, with the name, the attributes and the failure that
	// are known by then.
	Start(ctx context.Context, span Span) (_ context.Context, end func(Span))
	// Carry returns the span that ctx carries, for Record; nil if it is not recorded.
	Carry(ctx context.Context) any
	// Traceparent returns the span that ctx carries in the form of W3C Trace Context, for a Link; "" if
	// it is not recorded.
	Traceparent(ctx context.Context) string
	// Record records a span from Began to Ended below one that Carry has returned, and
	// waits for nothing.
	Record(below any, span Span)
}

// A Span is a part of a trace.
type Span struct {
	Name         string
	Entry        bool   // a client has asked for it; else it is within the application
	Parent       string // traceparent of W3C Trace Context; "": none
	Link         string // that of the span that has caused this one; "": none
	Began, Ended time.Time
	Attrs        []slog.Attr
	Failed       bool
}

// The attributes of spans, beside those of OpenTelemetry's conventions.
const (
	RequestID   = "tower.request.id"
	Seq         = "tower.commit.seq"
	Changes     = "tower.commit.changes"
	Connections = "tower.connections"
	Connection  = "tower.connection.number"
	Transport   = "tower.connection.transport"
	JobID       = "tower.job.id"
	JobQueue    = "tower.job.queue"
	JobAttempt  = "tower.job.attempt"
	JobOutcome  = "tower.job.outcome"
)

// Method returns the method of a request as an attribute: it has few values.
func Method(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

const (
	maxRecent     = 1024 // commits whose acknowledgements are awaited
	acksPerSecond = 1000
	maxAcks       = 5000 // at once
)

// A Recorder records with a tracer. Without one it does nothing. The goroutine that delivers
// commits calls Match and Deliver; all else is safe for concurrent use.
type Recorder struct {
	Tracer Tracer // nil: there is none

	began time.Time // the matching of the current commit

	mu     sync.Mutex
	recent map[uint64]*sent
	order  []uint64
	left   float64 // acknowledgements that may be asked for
	at     time.Time
}

// Start begins a span: see [Tracer]. Without a tracer it returns ctx.
func (r *Recorder) Start(ctx context.Context, span Span) (context.Context, func(Span)) {
	if r.Tracer == nil {
		return ctx, unrecorded
	}
	return r.Tracer.Start(ctx, span)
}

func unrecorded(Span) {}

// Carry returns the span that ctx carries, for the commits of a transaction; nil if it is not
// recorded.
func (r *Recorder) Carry(ctx context.Context) any {
	if r.Tracer == nil {
		return nil
	}
	return r.Tracer.Carry(ctx)
}

// Traceparent returns the span that ctx carries, for a Link: see [Tracer].
func (r *Recorder) Traceparent(ctx context.Context) string {
	if r.Tracer == nil {
		return ""
	}
	return r.Tracer.Traceparent(ctx)
}

// sent is a commit that was delivered.
type sent struct {
	seq  uint64
	span any
	at   time.Time
	left int // clients that have not applied it
}

// Match notes that a commit is matched from now on. trace is what its transaction carried.
func (r *Recorder) Match(trace any) {
	if trace != nil {
		r.began = time.Now()
	}
}

// A Delivery is the delivery of a commit. A nil Delivery is of one that is not recorded.
type Delivery struct {
	recorder *Recorder
	seq      uint64
	span     any
	began    time.Time
	acks     bool
}

// Deliver records that a commit was matched, and is delivered from now on to so many
// connections.
func (r *Recorder) Deliver(trace any, seq uint64, connections int) *Delivery {
	if r.Tracer == nil || trace == nil {
		return nil
	}
	now := time.Now()
	r.Tracer.Record(trace, Span{Name: "match", Began: r.began, Ended: now, Attrs: []slog.Attr{slog.Uint64(Seq, seq), slog.Int(Connections, connections)}})
	d := &Delivery{recorder: r, seq: seq, span: trace, began: now, acks: r.spend(connections, now)}
	if d.acks {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.recent == nil {
			r.recent = map[uint64]*sent{}
		}
		r.recent[seq] = &sent{seq, trace, now, connections}
		if r.order = append(r.order, seq); len(r.order) > maxRecent {
			delete(r.recent, r.order[0])
			r.order = r.order[1:]
		}
	}
	return d
}

// spend reports whether so many clients may be asked for an acknowledgement.
func (r *Recorder) spend(clients int, now time.Time) bool {
	if r.at.IsZero() {
		r.left = maxAcks
	}
	r.left = min(r.left+acksPerSecond*now.Sub(r.at).Seconds(), maxAcks)
	r.at = now
	if r.left < 1 || clients == 0 {
		return false
	}
	r.left -= float64(clients)
	return true
}

// WantsAcks reports whether clients are asked to acknowledge the commit.
func (d *Delivery) WantsAcks() bool { return d != nil && d.acks }

// End records that the commit stands in the queues of its connections.
func (d *Delivery) End(connections int) {
	if d != nil {
		d.recorder.Tracer.Record(d.span, Span{Name: "deliver", Began: d.began, Ended: time.Now(), Attrs: []slog.Attr{slog.Uint64(Seq, d.seq), slog.Int(Connections, connections)}})
	}
}

// Applied records that a client has applied the commits from one to another.
func (r *Recorder) Applied(from, seq, connection uint64, transport string) {
	if r.Tracer == nil {
		return
	}
	var applied []*sent
	r.mu.Lock()
	for _, recent := range r.order {
		if s := r.recent[recent]; from <= recent && recent <= seq && s.left > 0 {
			s.left--
			applied = append(applied, s)
		}
	}
	r.mu.Unlock()
	now := time.Now()
	for _, s := range applied {
		r.Tracer.Record(s.span, Span{Name: "apply", Began: s.at, Ended: now,
			Attrs: []slog.Attr{slog.Uint64(Seq, s.seq), slog.Uint64(Connection, connection), slog.String(Transport, transport)}})
	}
}
