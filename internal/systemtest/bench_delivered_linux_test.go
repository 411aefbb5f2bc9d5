package systemtest

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkDelivered is durable creates by eight clients over HTTP until each of many
// clients has all of them, with one scope that all share and with a rule for each client,
// in turns. The age is that of a record when a client receives it, 99th percentile.
func BenchmarkDelivered(b *testing.B) {
	const writers = 8
	n, step := benchClients(b), number(b, "TOWER_BENCH_CREATES", 400, 16)
	type side struct {
		writers, clients *swarm
		took             []time.Duration
	}
	open := func(cursor string) *side {
		app := openNotes(b)
		return &side{clients: follow(b, app, n, cursor, "all"), writers: startSwarm(b, orders{URL: app.URL + "/notes", Clients: writers, Post: noteOn("all")})}
	}
	b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) {
		shared, ruled := open("notes.on"), open("ruled.on")
		run := func(s *side) {
			received := s.clients.expect(step * n)
			start := time.Now()
			s.writers.say("send %d", step)
			s.took = append(s.took, received().Sub(start))
			s.writers.hear("sent")
		}
		for b.Loop() {
			run(shared)
			run(ruled)
		}
		rate := func(s *side) float64 { return float64(step) / median(s.took).Seconds() }
		age := func(s *side) float64 {
			s.clients.say("age")
			return ms(time.Duration(s.clients.hear("age")))
		}
		b.ReportMetric(rate(shared), "creates/s")
		b.ReportMetric(rate(ruled), "creates/s-ruled")
		b.ReportMetric(rate(shared)/rate(ruled), "ofruled")
		b.ReportMetric(age(shared), "ms-age")
		b.ReportMetric(age(ruled), "ms-age-ruled")
		b.ReportMetric(0, "ns/op")
	})
}
