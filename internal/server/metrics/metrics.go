// Package metrics counts what an application does, in the text format of Prometheus. Each
// label has few values: the patterns of routes, never paths or users.
package metrics

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Path is where an application answers with its metrics.
const Path = "/_tower/metrics"

// buckets are the bounds of durations, in seconds.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// jobBuckets are those of the tries of jobs.
var jobBuckets = []float64{.01, .1, 1, 10, 60, 600, 3600}

// A Meter counts. It is safe for concurrent use. A nil Meter counts nothing.
type Meter struct {
	set       *metrics.Set
	durations sync.Map // duration -> *metrics.PrometheusHistogram
	counters  sync.Map // event -> *metrics.Counter
	delivered atomic.Uint64
}

// A duration is a histogram: of requests by route, of actions, or of tries of jobs.
type duration struct{ what, label, name, by, outcome string }

// class returns the class of a status: "2xx".
func class(status int) string { return strconv.Itoa(status/100) + "xx" }

// An event is a counter with one label.
type event struct{ counter, label, value string }

// New returns a meter that has counted nothing, and may count what is slow by these kinds.
func New(slow []string) *Meter {
	m := &Meter{set: metrics.NewSet()}
	for _, reason := range []string{"expired", "epoch", "overflow", "failed", "costly", "rules", "slow"} {
		m.counter(resyncs, "reason", reason)
	}
	for _, kind := range []string{"frames", "cursors", "queries", "connections", "rate", "reading", "guesses", "application"} {
		m.counter(limits, "limit", kind)
	}
	for _, kind := range slow {
		m.counter(slows, "kind", kind)
	}
	return m
}

const (
	slows   = "tower_slow_total"
	resyncs = "tower_resyncs_total"
	limits  = "tower_limits_reached_total"
)

// Request counts a request to one of the application's routes.
func (m *Meter) Request(route string, status int, took time.Duration) {
	m.observe(duration{"request", "route", route, "status", class(status)}, buckets, took)
}

// Action counts a call of an action, over any transport.
func (m *Meter) Action(pattern string, status int, took time.Duration) {
	m.observe(duration{"action", "action", pattern, "status", class(status)}, buckets, took)
}

// Job counts a try of a job, by how it has ended.
func (m *Meter) Job(name, outcome string, took time.Duration) {
	m.observe(duration{"job", "job", name, "outcome", outcome}, jobBuckets, took)
}

func (m *Meter) observe(key duration, buckets []float64, took time.Duration) {
	if m == nil {
		return
	}
	found, ok := m.durations.Load(key)
	if !ok {
		text := fmt.Sprintf("tower_%s_duration_seconds{%s=%q,%s=%q}", key.what, key.label, key.name, key.by, key.outcome)
		found, _ = m.durations.LoadOrStore(key, m.set.GetOrCreatePrometheusHistogramExt(text, buckets))
	}
	found.(*metrics.PrometheusHistogram).Update(took.Seconds())
}

// Resync counts a client that has to load everything again, by the reason.
func (m *Meter) Resync(reason string) { m.count(resyncs, "reason", reason) }

// Limit counts a refusal by a limit.
func (m *Meter) Limit(kind string) { m.count(limits, "limit", kind) }

// Slow counts what has taken longer than it should.
func (m *Meter) Slow(kind string) { m.count(slows, "kind", kind) }

func (m *Meter) count(counter, label, value string) {
	if m != nil {
		m.counter(counter, label, value).Inc()
	}
}

func (m *Meter) counter(counter, label, value string) *metrics.Counter {
	key := event{counter, label, value}
	found, ok := m.counters.Load(key)
	if !ok {
		found, _ = m.counters.LoadOrStore(key, m.set.GetOrCreateCounter(fmt.Sprintf("%s{%s=%q}", counter, label, value)))
	}
	return found.(*metrics.Counter)
}

// Delivered counts messages that a commit has caused.
func (m *Meter) Delivered(messages int) {
	if m != nil {
		m.delivered.Add(uint64(messages))
	}
}

// A State is what an application has at the time when it is asked.
type State struct {
	Ready   bool
	Version string
	Panics  uint64

	Open       bool // the application has opened its store: what follows is known
	Commits    uint64
	Writes     uint64 // to the disk
	Conflicts  uint64
	Queued     int // transactions that wait for the writer
	Seq        uint64
	Behind     uint64
	Late       time.Duration
	Migrations int

	Nodes      int    // that live; 0: the application cannot have several
	Node       int    // the number of this one
	NodeBehind uint64 // commits that others have, and this one has not

	Connections map[string]int // by transport
	OutboxBytes int
	Cursors     map[string]int // by kind

	Audited, Unaudited, Divergences uint64 // what clients hold: compared, not compared, found wrong

	Queues []Queue // of jobs

	Shares     bool // its log, with other nodes
	LogReached bool
	LogLag     time.Duration

	Archived      bool // there is an archive
	ArchiveBehind uint64
	ArchiveLate   time.Duration
	ArchiveFails  bool
}

// A Queue is how many jobs a queue has.
type Queue struct {
	Name                   string
	Waiting, Running, Dead int
	Late                   time.Duration // for how long the job has been due that waits longest
}

// Write writes all metrics.
func (m *Meter) Write(w io.Writer, s *State) {
	m.set.WritePrometheus(w)
	metrics.WriteCounterUint64(w, "tower_messages_total", m.delivered.Load())
	metrics.WriteCounterUint64(w, "tower_panics_total", s.Panics)
	metrics.WriteGaugeUint64(w, "tower_ready", one(s.Ready))
	metrics.WriteGaugeUint64(w, fmt.Sprintf("tower_build_info{version=%q}", s.Version), 1)
	if s.Open {
		s.write(w)
	}
	metrics.WriteProcessMetrics(w)
	metrics.WriteFDMetrics(w)
}

func (s *State) write(w io.Writer) {
	metrics.WriteCounterUint64(w, "tower_commits_total", s.Commits)
	metrics.WriteCounterUint64(w, "tower_writes_total", s.Writes)
	metrics.WriteCounterUint64(w, "tower_conflicts_total", s.Conflicts)
	metrics.WriteGaugeUint64(w, "tower_writer_queue", uint64(s.Queued))
	metrics.WriteGaugeUint64(w, "tower_commit", s.Seq)
	metrics.WriteGaugeUint64(w, "tower_matching_lag_commits", s.Behind)
	metrics.WriteGaugeFloat64(w, "tower_matching_lag_seconds", s.Late.Seconds())
	metrics.WriteGaugeUint64(w, "tower_migrations", uint64(s.Migrations))
	if s.Nodes > 0 {
		metrics.WriteGaugeUint64(w, "tower_nodes", uint64(s.Nodes))
		metrics.WriteGaugeUint64(w, "tower_node", uint64(s.Node))
		metrics.WriteGaugeUint64(w, "tower_node_lag_commits", s.NodeBehind)
	}
	for transport, n := range s.Connections {
		metrics.WriteGaugeUint64(w, fmt.Sprintf("tower_connections{transport=%q}", transport), uint64(n))
	}
	metrics.WriteGaugeUint64(w, "tower_outbox_bytes", uint64(s.OutboxBytes))
	for kind, n := range s.Cursors {
		metrics.WriteGaugeUint64(w, fmt.Sprintf("tower_cursors{kind=%q}", kind), uint64(n))
	}
	metrics.WriteCounterUint64(w, "tower_audits_total", s.Audited)
	metrics.WriteCounterUint64(w, "tower_audits_skipped_total", s.Unaudited)
	metrics.WriteCounterUint64(w, "tower_divergences_total", s.Divergences)
	for _, q := range s.Queues {
		for state, n := range map[string]int{"waiting": q.Waiting, "running": q.Running, "dead": q.Dead} {
			metrics.WriteGaugeUint64(w, fmt.Sprintf("tower_jobs{queue=%q,state=%q}", q.Name, state), uint64(n))
		}
		metrics.WriteGaugeFloat64(w, fmt.Sprintf("tower_jobs_late_seconds{queue=%q}", q.Name), q.Late.Seconds())
	}
	if s.Shares {
		metrics.WriteGaugeUint64(w, "tower_log_reached", one(s.LogReached))
		metrics.WriteGaugeFloat64(w, "tower_log_lag_seconds", s.LogLag.Seconds())
	}
	if s.Archived {
		metrics.WriteGaugeUint64(w, "tower_archive_lag_commits", s.ArchiveBehind)
		metrics.WriteGaugeFloat64(w, "tower_archive_lag_seconds", s.ArchiveLate.Seconds())
		metrics.WriteGaugeUint64(w, "tower_archive_failing", one(s.ArchiveFails))
	}
}

func one(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}
