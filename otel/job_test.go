package otel_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// Each try of a job is a trace of its own, which has what the job commits, and a link to the action that
// has enqueued it.
func TestATryOfAJobIsLinkedToWhatHasEnqueuedIt(t *testing.T) {
	r, tracer := newRecorder(sdk.AlwaysSample())
	tries := 0
	copying := tower.NewJob[string]("copy")
	c := config(tracer)
	c.Jobs = []tower.Work{copying.Do(func(ctx context.Context, app *tower.App, text string) error {
		if tries++; tries == 1 {
			return errors.New("no paper")
		}
		return notes.Create(ctx, app, &Note{Text: text})
	})}
	app := towertest.Open(t, c)
	ctx, end := tracer.Start(t.Context(), tower.Span{Name: "the cause"})
	if _, err := copying.Enqueue(ctx, app, "Hello"); err != nil {
		t.Fatal(err)
	}
	end(tower.Span{})
	app.Jobs().Run(t)
	app.Advance(time.Minute)
	app.Jobs().Run(t)

	cause, spans := r.await(t, "the cause", 1)[0], r.await(t, "job copy", 2)
	for i, outcome := range []string{"failed", "done"} {
		span := spans[i]
		if len(span.Links) != 1 || span.Links[0].SpanContext.TraceID() != cause.SpanContext.TraceID() {
			t.Errorf("the try is linked to %v", span.Links)
		}
		if span.Parent.IsValid() || span.SpanContext.TraceID() == cause.SpanContext.TraceID() {
			t.Errorf("the try is part of another trace:\n%s", r)
		}
		if value(t, span, "tower.job.outcome") != outcome || value(t, span, "tower.job.attempt") != int64(i+1) || (span.Status.Code == codes.Error) != (i == 0) {
			t.Errorf("%+v", span)
		}
	}
	committed := false
	for _, commit := range r.await(t, "commit", 2) {
		committed = committed || commit.Parent.SpanID() == spans[1].SpanContext.SpanID()
	}
	if !committed {
		t.Errorf("what the job has committed is not below it:\n%s", r)
	}
}
