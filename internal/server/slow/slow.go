// Package slow reports what takes longer than it should: it names the cursor, the rule, the
// action or the page, and never what a client sent.
package slow

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// The kinds of what may be slow.
const (
	Action = "action"
	Page   = "page"
	Cursor = "cursor" // it is opened, or read for a page
	Region = "region" // it is rendered
	Rule   = "rule"   // Match or Can is asked about one record
	Commit = "commit" // it waits for the writer and the disk
)

// Kinds lists them.
var Kinds = []string{Action, Page, Cursor, Region, Rule, Commit}

// A Log reports what takes longer than a threshold. A nil Log reports nothing and measures
// nothing. It is safe for concurrent use.
type Log struct {
	over  time.Duration
	log   *slog.Logger
	count func(kind string)

	tick  time.Duration // of a coarse clock, for what is called too often to ask the time
	ticks atomic.Int64
}

// New returns a log of what takes longer than over, nil for 0. count is called for each
// report.
func New(over time.Duration, log *slog.Logger, count func(kind string)) *Log {
	if over <= 0 {
		return nil
	}
	return &Log{over: over, log: log, count: count, tick: max(over/8, time.Millisecond)}
}

// Run keeps the clock that rules are timed by, until ctx ends.
func (l *Log) Run(ctx context.Context) {
	ticker := time.NewTicker(l.tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			l.ticks.Add(1)
		}
	}
}

// Begin returns the time now, for End.
func (l *Log) Begin() (began time.Time) {
	if l != nil {
		began = time.Now()
	}
	return began
}

// End reports what began at a time, if that is too long ago. ctx is that of the request.
func (l *Log) End(ctx context.Context, kind, name string, began time.Time) {
	l.EndAbout(ctx, kind, name, began, nil)
}

// EndAbout is like End, and adds the attributes that about returns to the report. It calls about only
// for a report. nil adds none.
func (l *Log) EndAbout(ctx context.Context, kind, name string, began time.Time, about func() []any) {
	if l == nil {
		return
	}
	took := time.Since(began)
	switch {
	case took < l.over:
	case about == nil:
		l.report(ctx, kind, name, took)
	default:
		l.report(ctx, kind, name, took, about()...)
	}
}

// Tick returns the time of the coarse clock, for Asked.
func (l *Log) Tick() int64 {
	if l == nil {
		return 0
	}
	return l.ticks.Load()
}

// Asked reports a rule that was asked at the tick began, if that is too long ago. name is
// called only then. It may miss what takes hardly longer than the threshold, and more when
// the machine is busy: then the clock falls behind.
func (l *Log) Asked(ctx context.Context, began int64, name func() string) {
	if l == nil {
		return
	}
	if took := time.Duration(l.ticks.Load()-began-1) * l.tick; took >= l.over { // the first tick may have come at once
		l.report(ctx, Rule, name(), took)
	}
}

func (l *Log) report(ctx context.Context, kind, name string, took time.Duration, about ...any) {
	l.count(kind)
	l.log.WarnContext(ctx, "slow "+kind, append([]any{"name", name, "took", took.Round(time.Microsecond)}, about...)...)
}
