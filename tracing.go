package tower

import (
	"context"
	"log/slog"
	"time"

	"github.com/towerkit/tower/internal/server/tracing"
)

// A Tracer records what an application does as spans, which make up traces: package otel has
// one for OpenTelemetry. It is safe for concurrent use, and must not wait for a network.
type Tracer interface {
	// Start begins a span below that of ctx, or else below span.Parent. The returned
	// context carries it. end ends it, with the name, the attributes and the failure that are
	// known by then; it is called once.
	Start(ctx context.Context, span Span) (_ context.Context, end func(Span))
	// Carry returns the span that ctx carries, for Record; nil if it is not recorded.
	Carry(ctx context.Context) any
	// Traceparent returns the span that ctx carries in the form of W3C Trace Context, for a Link; "" if
	// it is not recorded.
	Traceparent(ctx context.Context) string
	// Record records a span from Began to Ended below one that Carry has returned.
	Record(below any, span Span)
}

// A Span is a part of a trace. It has nothing that a client sent, and no user.
type Span struct {
	Name         string // at the end: "" leaves it as it is
	Entry        bool   // a client has asked for it; else it is within the application
	Parent       string // traceparent of W3C Trace Context, from a trusted proxy; "": none
	Link         string // Traceparent of the span that has caused this one, and of which it is no part; "": none
	Began, Ended time.Time
	Attrs        []slog.Attr
	Failed       bool // for a reason that the log has
}

// A tracer makes a Tracer one of package tracing.
type tracer struct{ Tracer }

func (t tracer) Start(ctx context.Context, span tracing.Span) (context.Context, func(tracing.Span)) {
	ctx, end := t.Tracer.Start(ctx, Span(span))
	return ctx, func(ended tracing.Span) { end(Span(ended)) }
}

func (t tracer) Record(below any, span tracing.Span) { t.Tracer.Record(below, Span(span)) }
