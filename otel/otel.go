// Package otel records traces of an application with OpenTelemetry: from a request or a call
// over a connection to its action, its commits, their matching and delivery, and to the
// clients that have applied them; and each try of a job, linked to what has enqueued it. An application that does not import it links nothing of
// OpenTelemetry.
//
//	tower.Config{Tracer: otel.New(provider)}
//
// The spans and their attributes are in the guide on operations.
package otel

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/towerkit/tower"
)

const scope = "github.com/towerkit/tower"

// New returns a tracer that records spans with a provider, nil for the global one. The
// provider samples, exports, and is shut down by who made it.
func New(provider trace.TracerProvider) tower.Tracer {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return &tracer{provider.Tracer(scope)}
}

// A tracer implements [tower.Tracer].
type tracer struct{ trace.Tracer }

func (t *tracer) Start(ctx context.Context, span tower.Span) (context.Context, func(tower.Span)) {
	if span.Parent != "" && !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": span.Parent})
	}
	kind := trace.SpanKindInternal
	if span.Entry {
		kind = trace.SpanKindServer
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithTimestamp(or(span.Began)), trace.WithAttributes(attributes(span.Attrs)...)}
	if span.Link != "" {
		linked := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": span.Link})
		options = append(options, trace.WithLinks(trace.LinkFromContext(linked)))
	}
	ctx, started := t.Tracer.Start(ctx, span.Name, options...)
	return ctx, func(ended tower.Span) {
		if started.IsRecording() {
			complete(started, ended)
		}
		started.End()
	}
}

// complete adds what is known at the end of a span.
func complete(started trace.Span, ended tower.Span) {
	if ended.Name != "" {
		started.SetName(ended.Name)
	}
	started.SetAttributes(attributes(ended.Attrs)...)
	if ended.Failed {
		started.SetStatus(codes.Error, "") // the log has the reason
	}
}

// or returns a time, or now if it is zero.
func or(at time.Time) time.Time {
	if at.IsZero() {
		return time.Now()
	}
	return at
}

func (t *tracer) Carry(ctx context.Context) any {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		return span.SpanContext()
	}
	return nil
}

func (t *tracer) Traceparent(ctx context.Context) string {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

func (t *tracer) Record(below any, span tower.Span) {
	ctx := trace.ContextWithSpanContext(context.Background(), below.(trace.SpanContext))
	_, recorded := t.Tracer.Start(ctx, span.Name, trace.WithTimestamp(span.Began), trace.WithAttributes(attributes(span.Attrs)...))
	recorded.End(trace.WithTimestamp(span.Ended))
}

// attributes returns attributes as those of OpenTelemetry.
func attributes(attrs []slog.Attr) []attribute.KeyValue {
	all := make([]attribute.KeyValue, len(attrs))
	for i, a := range attrs {
		switch a.Value.Kind() {
		case slog.KindInt64:
			all[i] = attribute.Int64(a.Key, a.Value.Int64())
		case slog.KindUint64:
			all[i] = attribute.Int64(a.Key, int64(a.Value.Uint64()))
		case slog.KindBool:
			all[i] = attribute.Bool(a.Key, a.Value.Bool())
		default:
			all[i] = attribute.String(a.Key, a.Value.String())
		}
	}
	return all
}
