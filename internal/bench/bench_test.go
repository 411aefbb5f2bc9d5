package bench

import (
	"strings"
	"testing"
)

func TestMeasures(t *testing.T) {
	s := samples{
		oneOfFew: []float64{0.001}, one: []float64{0.003, 0.001, 0.002}, all: []float64{0.010, 0.014}, allFloor: []float64{0.010},
		burst: []float64{0.1}, burstFloor: []float64{0.4}, many: []float64{100}, manyFloor: []float64{1000}, single: []float64{5}, singleFloor: []float64{10},
		back: []float64{0.3}, backFloor: []float64{0.2},
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
	for _, part := range []string{"12.0 ms", "1000 k changes/s", "at most 1.30  ✗ of the same of 200", "at least 0.40  ✓"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the table has no %q:\n%s", part, text.String())
		}
	}
}

func TestCommitsAreCountedAlsoWhereTheyWereMerged(t *testing.T) {
	for message, want := range map[string]int64{
		`{"seq":814,"posts":[{"id":"a"}],"cursors":{}}`:                       1,
		`[{"seq":814},{"from":815,"seq":829,"cursors":{}},{"seq":830}]`:       17,
		`{"hello":1,"epoch":"01J8","seq":812}`:                                0,
		`{"id":4,"status":200,"at":"01J8:812","since":"01J8:800","delta":{}}`: 0,
	} {
		if got := commitsIn([]byte(message)); got != want {
			t.Errorf("%s tells of %d commits, not of %d", message, got, want)
		}
	}
}
