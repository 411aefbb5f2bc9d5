package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A Measure is one figure, beside what it is measured against.
type Measure struct {
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Floor   float64 `json:"floor"`
	Ratio   float64 `json:"ratio"` // of the value to the floor
	Target  float64 `json:"target"`
	Met     bool    `json:"met"`

	label    string // for a person
	baseline string
	atMost   bool // the target is one, else the least
}

// The targets. What they are is reasoned in docs/performance.md.
const (
	targetReach  = 1.4  // times melody's broadcast, at most
	targetOne    = 1.3  // times the same with a fifth of the clients, at most
	targetBurst  = 3.0  // times melody's rate, at least
	targetMany   = 0.45 // of bbolt behind net/http, 64 clients, at least
	targetSingle = 0.40 // the same, one client
	targetReturn = 2.0  // times what melody takes to let in as many, at most
)

func (s *samples) measures(n int) []Measure {
	milliseconds := func(seconds []float64) float64 { return 1000 * median(seconds) }
	rate := func(seconds []float64) float64 { return float64(burstSize*n) / median(seconds) / 1000 }
	out := []Measure{
		{Measure: "reach_all", label: fmt.Sprintf("a create, until the last of %d has it", n), baseline: "melody's broadcast",
			Value: milliseconds(s.reachAll), Floor: milliseconds(s.reachAllFloor), Unit: "ms", Target: targetReach, atMost: true},
		{Measure: "burst", label: fmt.Sprintf("%d changes at once, to all %d, none lost", burstSize, n), baseline: "melody's broadcast",
			Value: rate(s.burst), Floor: rate(s.burstFloor), Unit: "k changes/s", Target: targetBurst},
		{Measure: "writes_64", label: fmt.Sprintf("durable creates by %d clients", manyWriters), baseline: "bare bbolt over HTTP",
			Value: median(s.write64), Floor: median(s.write64Floor), Unit: "/s", Target: targetMany},
		{Measure: "writes_1", label: "durable creates by one client", baseline: "bare bbolt over HTTP",
			Value: median(s.write1), Floor: median(s.write1Floor), Unit: "/s", Target: targetSingle},
		{Measure: "return", label: fmt.Sprintf("%d come back, %d commits missed", n, missedCommits), baseline: fmt.Sprintf("melody that lets in %d", n),
			Value: milliseconds(s.resumed), Floor: milliseconds(s.resumedFloor), Unit: "ms", Target: targetReturn, atMost: true},
	}
	if len(s.reachOne) > 0 {
		out = slices.Insert(out, 1, Measure{Measure: "reach_one", label: fmt.Sprintf("a create that one of %d may see", n), baseline: fmt.Sprintf("the same of %d", n/5),
			Value: milliseconds(s.reachOne), Floor: milliseconds(s.reachOneOfFifth), Unit: "ms", Target: targetOne, atMost: true})
	}
	for i := range out {
		m := &out[i]
		m.Value, m.Floor = round(m.Value), round(m.Floor)
		m.Ratio = math.Round(100*m.Value/m.Floor) / 100
		m.Met = m.Ratio >= m.Target
		if m.atMost {
			m.Met = m.Ratio <= m.Target
		}
	}
	return out
}

// round keeps three digits, and all before the point.
func round(v float64) float64 {
	scale := math.Pow(10, max(0, 2-math.Floor(math.Log10(v))))
	return math.Round(v*scale) / scale
}

// Print prints measures, as a table or as lines of JSON.
func Print(out io.Writer, measures []Measure, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		for _, m := range measures {
			if err := encoder.Encode(m); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		return nil
	}
	rows := [][]string{{"", "here", "floor", "ratio", "target", ""}}
	for _, m := range measures {
		bound := "at least"
		if m.atMost {
			bound = "at most"
		}
		rows = append(rows, []string{m.label, format(m.Value) + " " + m.Unit, format(m.Floor) + " " + m.Unit,
			fmt.Sprintf("%.2f", m.Ratio), fmt.Sprintf("%s %.2f", bound, m.Target), mark(m.Met) + " of " + m.baseline})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 || i == len(row)-1 {
				line.WriteString(cell + pad + "  ")
			} else {
				line.WriteString(pad + cell + "  ")
			}
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(line.String(), " ")); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

func format(v float64) string { return fmt.Sprintf("%.*f", decimals(v), v) }

// decimals are how many are shown of a number of three digits or more.
func decimals(v float64) int { return int(min(2, max(0, 2-math.Floor(math.Log10(v))))) }

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}
