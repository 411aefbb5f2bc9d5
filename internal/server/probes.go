package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/health"
	"github.com/towerkit/tower/internal/server/metrics"
	"github.com/towerkit/tower/internal/server/tracing"
)

// lateAfter is how far behind the store the connections may be before it is a warning.
const lateAfter = 10 * time.Second

// closing is why an application that closes is not ready.
const closing = "it is closing"

// setUnready sets why the application is not ready, "" if it is.
func (a *App) setUnready(reason string) { a.unready.Store(&reason) }

// Health returns the state of the application, at any time.
func (a *App) Health() health.Report {
	report := health.Report{Live: true, Ready: true, Version: a.config.Version}
	if reason := *a.unready.Load(); reason != "" {
		report.Ready, report.Problems = false, []string{reason}
		return report
	}
	fail := func(err error) {
		if err != nil {
			report.Live, report.Ready, report.Problems = false, false, append(report.Problems, err.Error())
		}
	}
	fail(a.store.Err())
	a.reportLog(&report)
	if a.nodes != nil {
		if err := a.nodes.Err(); err != nil {
			report.Warnings = append(report.Warnings, fmt.Sprintf("the other nodes do not know of this one: %v", err))
		}
	}
	fail(a.workers.Err())
	if a.engine.Stopped() {
		fail(errors.New("changes reach nobody: the cursors have stopped"))
	}
	report.Workers = a.workers.Running()
	report.Commit = a.store.Seq()
	if seq := a.engine.Seq(); seq < report.Commit {
		report.Behind = report.Commit - seq
		if late := a.late(seq); late > lateAfter {
			report.Warnings = append(report.Warnings, fmt.Sprintf("changes are late: %d commits wait to be sent, the first for %s", report.Behind, late.Round(time.Second)))
		}
	}
	if archived, is := a.Archived(); is {
		report.Archive = &health.Archive{Place: archived.Place, Behind: archived.Newest - min(archived.Seq, archived.Newest)}
		if archived.Error != "" {
			report.Warnings = append(report.Warnings, fmt.Sprintf("commits are not archived: %s; %d wait", archived.Error, report.Archive.Behind))
		}
	}
	return report
}

// lagsAfter is for how long a node may lack the newest commits of the shared log and be ready.
const lagsAfter = time.Second

// reportLog adds how the store follows the log that the nodes share.
func (a *App) reportLog(report *health.Report) {
	if !a.store.SharesLog() {
		return
	}
	lag, err := a.store.Lag(), a.store.Following()
	report.Log = &health.Log{Lag: lag.Seconds(), Reached: err == nil}
	select {
	case <-a.store.Outdated():
		report.Live, report.Ready, report.Problems = false, false, append(report.Problems, errOutdated.Error())
		return
	default:
	}
	if lag < lagsAfter {
		return
	}
	report.Ready = false
	if since := lag.Round(100 * time.Millisecond); err != nil {
		report.Problems = append(report.Problems, fmt.Sprintf("the log that the nodes share cannot be read since %s: nothing can be written, and what is read is of commit %d: %v", since, a.store.Seq(), err))
	} else {
		report.Problems = append(report.Problems, fmt.Sprintf("it lags: it has all commits of %s ago", since))
	}
}

// errOutdated is why a node ends that cannot follow the shared log any more.
var errOutdated = errors.New("the log that the nodes share no longer has the commits that this node lacks; started again, it builds its replica anew")

// logFollows logs that the shared log cannot be reached any more, or can be again.
func (a *App) logFollows(err error) {
	if err != nil {
		a.log.Warn("the log that the nodes share cannot be reached; writes wait, and reads go on", "error", err)
	} else {
		a.log.Info("the log that the nodes share is reached again")
	}
}

// late returns for how long the first commit after seq has waited, 0 if there is none.
func (a *App) late(seq uint64) time.Duration {
	if at := a.store.After(seq); !at.IsZero() {
		return time.Since(at)
	}
	return 0
}

// newProbes returns what answers those that watch over the application, by its path: under
// any host, since they know its address and not its name.
func (a *App) newProbes() map[string]http.Handler {
	brings := health.Brings(a.config.MetricsToken)
	state := health.Handler(a.Health, func(r *http.Request) bool { return brings(r) || a.config.Site.IsOwn(r) })
	probes := map[string]http.Handler{health.Path: state, health.LivePath: state}
	if a.meter != nil {
		probes[metrics.Path] = a.serveMetrics(brings)
	}
	return probes
}

// openingWait is how long a request waits for the application to open.
const openingWait = 30 * time.Second

// An entrance is the handler of an application that may not be open yet: requests wait for
// it, and those that ask for its state are answered.
type entrance struct {
	probes map[string]http.Handler
	opened chan struct{} // closed once app is set
	app    http.Handler
}

func (e *entrance) open(app http.Handler) {
	e.app = app
	close(e.opened)
}

func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-e.opened:
		e.app.ServeHTTP(w, r)
		return
	default:
	}
	if probe := e.probes[r.URL.Path]; probe != nil {
		probe.ServeHTTP(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), openingWait)
	defer cancel()
	select {
	case <-e.opened:
		e.app.ServeHTTP(w, r)
	case <-ctx.Done():
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the application is starting; try again", http.StatusServiceUnavailable)
	}
}

// transports and kinds are shown as 0 where there is none, so that a query finds them.
var (
	transportNames = []string{"socket", "stream", "poll"}
	cursorKinds    = []string{"list", "value", "region"}
)

// measure returns what the application has.
func (a *App) measure() *metrics.State {
	report := a.Health()
	s := &metrics.State{Ready: report.Ready, Version: a.config.Version, Panics: fault.Panics()}
	if *a.unready.Load() != "" { // the store is not open, or is being closed
		return s
	}
	stats := a.store.Stats()
	s.Open, s.Commits, s.Writes, s.Conflicts, s.Queued, s.Migrations = true, stats.Commits, stats.Writes, stats.Conflicts, stats.Queued, a.migrations
	s.Seq, s.Behind = report.Commit, report.Behind
	if s.Behind > 0 {
		s.Late = a.late(s.Seq - s.Behind)
	}
	a.measureNodes(s)
	s.Connections, s.Cursors = zeros(transportNames), zeros(cursorKinds)
	for _, c := range a.hub.all() {
		if c.outbox.Transport != nil {
			s.Connections[c.outbox.Transport.Name()]++
		}
		s.OutboxBytes += c.outbox.Waiting()
		c.mu.Lock()
		for _, oc := range c.open {
			if oc.Request.Route.Value {
				s.Cursors["value"]++
			} else {
				s.Cursors["list"]++
			}
		}
		s.Cursors["region"] += len(c.regions)
		c.mu.Unlock()
	}
	if report.Log != nil {
		s.Shares, s.LogLag, s.LogReached = true, a.store.Lag(), report.Log.Reached
	}
	s.Queues = a.measureJobs()
	audits := a.Audits()
	s.Audited, s.Unaudited, s.Divergences = audits.Equal+audits.Divergences, audits.Skipped(), audits.Divergences
	if archived, is := a.Archived(); is {
		s.Archived, s.ArchiveBehind, s.ArchiveFails = true, report.Archive.Behind, archived.Error != ""
		s.ArchiveLate = a.late(archived.Seq)
	}
	return s
}

// measureNodes adds what is known of the other nodes, if there may be some.
func (a *App) measureNodes(s *metrics.State) {
	if a.nodes == nil {
		return
	}
	others, _ := a.nodes.Others()
	newest := s.Seq
	for _, n := range others {
		newest = max(newest, n.Commit)
	}
	s.Nodes, s.Node, s.NodeBehind = len(others)+1, a.nodes.Self().Number, newest-s.Seq
}

// traceJob begins the span of a try of a job, which is linked to what has enqueued the job.
func (a *App) traceJob(ctx context.Context, job *jobs.Job) (context.Context, func(outcome string)) {
	ctx, end := a.traces.Start(ctx, tracing.Span{Name: "job " + job.Name, Link: job.Trace, Attrs: []slog.Attr{
		slog.String(tracing.JobID, string(job.ID)), slog.String(tracing.JobQueue, job.Queue), slog.Int(tracing.JobAttempt, job.Attempt)}})
	return ctx, func(outcome string) {
		end(tracing.Span{Attrs: []slog.Attr{slog.String(tracing.JobOutcome, outcome)}, Failed: outcome == jobs.Failed || outcome == jobs.Dead})
	}
}

// Traceparent returns the span that ctx carries, by which a job is linked to what has enqueued it; "" if it is not recorded.
func (a *App) Traceparent(ctx context.Context) string { return a.traces.Traceparent(ctx) }

// measureJobs returns how many jobs each queue has.
func (a *App) measureJobs() (all []metrics.Queue) {
	if a.jobs == nil {
		return nil
	}
	queues, err := a.jobs.Counted(a.ctx)
	if err != nil {
		return nil
	}
	for _, q := range queues {
		all = append(all, metrics.Queue{Name: q.Name, Waiting: q.Waiting, Running: q.Running, Dead: q.Dead, Late: q.Late})
	}
	return all
}

func zeros(names []string) map[string]int {
	all := map[string]int{}
	for _, name := range names {
		all[name] = 0
	}
	return all
}

// serveMetrics answers those who may read the metrics. For others there is nothing.
func (a *App) serveMetrics(mayRead func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mayRead(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the metrics need the token TOWER_METRICS_TOKEN", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		a.meter.Write(w, a.measure())
	})
}

// countSlow counts a client that was too slow, and has to connect again.
func (a *App) countSlow() { a.meter.Resync("slow") }

// countLimit counts an error that a limit has caused.
func (a *App) countLimit(err *fault.Error) {
	if err.Code != fault.TooMany {
		return
	}
	kind := err.Limit
	if kind == "" {
		kind = "application"
	}
	a.meter.Limit(kind)
}
