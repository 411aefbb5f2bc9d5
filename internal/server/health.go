package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/towerkit/tower/internal/server/health"
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
	return map[string]http.Handler{health.Path: state, health.LivePath: state}
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
