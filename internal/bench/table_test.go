package bench

import (
	"strings"
	"testing"
)

func TestMeasures(t *testing.T) {
	s := samples{
		reachOneOfFifth: []float64{0.001}, reachOne: []float64{0.003, 0.001, 0.002}, reachAll: []float64{0.010, 0.014}, reachAllFloor: []float64{0.010},
		burst: []float64{0.1}, burstFloor: []float64{0.4}, write64: []float64{100}, write64Floor: []float64{1000}, write1: []float64{5}, write1Floor: []float64{10},
		resumed: []float64{0.3}, resumedFloor: []float64{0.2},
	}
	want := map[string]Measure{
		"reach_all": {Value: 12, Floor: 10, Ratio: 1.2, Met: true},
		"reach_one": {Value: 2, Floor: 1, Ratio: 2},
		"burst":     {Value: 1000, Floor: 250, Ratio: 4, Met: true},
		"writes_64": {Value: 100, Floor: 1000, Ratio: 0.1},
		"writes_1":  {Value: 5, Floor: 10, Ratio: 0.5, Met: true},
		"return":    {Value: 300, Floor: 200, Ratio: 1.5, Met: true},
	}
	measures := s.measures(1000)
	if len(measures) != len(want) {
		t.Fatalf("%d measures", len(measures))
	}
	for _, m := range measures {
		w := want[m.Measure]
		if m.Value != w.Value || m.Floor != w.Floor || m.Ratio != w.Ratio || m.Met != w.Met {
			t.Errorf("%+v\nwant %+v", m, w)
		}
	}
	var text strings.Builder
	if err := Print(&text, measures, false); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"12.0 ms", "1000 k changes/s", "at most 1.30  ✗ of the same with 200 clients", "at least 0.40  ✓"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the table has no %q:\n%s", part, text.String())
		}
	}
}
