package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A Measure is one figure of the application and the same of its baseline.
type Measure struct {
	Measure string  `json:"measure"` // "reach_all"
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Floor   float64 `json:"floor"`  // the value of the baseline
	Ratio   float64 `json:"ratio"`  // Value / Floor
	Target  float64 `json:"target"` // bound of the ratio
	Met     bool    `json:"met"`

	label    string // the figure, in the table
	baseline string // the baseline, in the table
	atMost   bool   // Target is the highest ratio that meets it, and not the lowest
}

// The targets are bounds of the ratio. docs/performance.md gives the reasons.
const (
	targetReach  = 1.4  // at most, of melody's broadcast
	targetOne    = 1.3  // at most, of the same with a fifth of the clients
	targetBurst  = 3.0  // at least, of melody's rate
	targetMany   = 0.45 // at least, of bbolt behind net/http with 64 clients
	targetSingle = 0.40 // at least, of the same with one client
	targetResume = 2.0  // at most, of the time that melody takes to accept as many sockets
)

// measures returns the medians of the samples of a run with n clients.

func (s *samples) measures(n int) []Measure {
	milliseconds := func(seconds []float64) float64 { return 1000 * median(seconds) }
	rate := func(seconds []float64) float64 { return float64(burstSize*n) / median(seconds) / 1000 }
	out := []Measure{
		{Measure: "reach_all", label: fmt.Sprintf("a create, until the last of %d receives it", n), baseline: "melody's broadcast",
			Value: milliseconds(s.reachAll), Floor: milliseconds(s.reachAllFloor), Unit: "ms", Target: targetReach, atMost: true},
		{Measure: "burst", label: fmt.Sprintf("%d changes at once, to all %d, none lost", burstSize, n), baseline: "melody's broadcast",
			Value: rate(s.burst), Floor: rate(s.burstFloor), Unit: "k changes/s", Target: targetBurst},
		{Measure: "writes_64", label: fmt.Sprintf("durable creates by %d clients", manyWriters), baseline: "bare bbolt over HTTP",
			Value: median(s.write64), Floor: median(s.write64Floor), Unit: "/s", Target: targetMany},
		{Measure: "writes_1", label: "durable creates by one client", baseline: "bare bbolt over HTTP",
			Value: median(s.write1), Floor: median(s.write1Floor), Unit: "/s", Target: targetSingle},
		{Measure: "return", label: fmt.Sprintf("%d clients resume after %d commits", n, missedCommits), baseline: fmt.Sprintf("melody accepting %d sockets", n),
			Value: milliseconds(s.resumed), Floor: milliseconds(s.resumedFloor), Unit: "ms", Target: targetResume, atMost: true},
	}
	if len(s.reachOne) > 0 {
		out = slices.Insert(out, 1, Measure{Measure: "reach_one", label: fmt.Sprintf("a create that one of %d may see", n), baseline: fmt.Sprintf("the same with %d clients", n/5),
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

// round rounds to three significant digits, or to an integer if that has more.
func round(v float64) float64 {
	scale := math.Pow(10, max(0, 2-math.Floor(math.Log10(v))))
	return math.Round(v*scale) / scale
}

// Print writes measures as a table, or as one line of JSON each.
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

// decimals returns the number of decimals that give three significant digits, at most 2.
func decimals(v float64) int { return int(min(2, max(0, 2-math.Floor(math.Log10(v))))) }

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}
