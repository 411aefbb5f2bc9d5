package cursor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/store"
)

// TestWhatOthersHoldCostsAsMuch opens and reads what a client chose, while nobody holds it and
// while others do: each time as many records count as read, and take their time. What the
// application chose is shared without a wait.
func TestWhatOthersHoldCostsAsMuch(t *testing.T) {
	const count = 2000
	records := make([]any, count)
	for i := range records {
		records[i] = &querytest.Thing{Size: uint8(i % 250)}
	}
	b := newBench(t, store.Options{}, records...)
	querytest.RunEngine(t, b.engine)
	opened := func(h any, spec Spec) (examined int, took time.Duration) {
		var meter store.Meter
		begun := time.Now()
		if err := b.engine.Open(meter.Context(context.Background()), h, spec, nil, func(Opened) {}); err != nil {
			t.Fatal(err)
		}
		return meter.Examined(), time.Since(begun)
	}
	read := func(_ any, spec Spec) (examined int, took time.Duration) {
		var meter store.Meter
		begun := time.Now()
		if _, err := b.engine.ReadValue(meter.Context(context.Background()), b.st.Seq(), spec); err != nil {
			t.Fatal(err)
		}
		return meter.Examined(), time.Since(begun)
	}
	list := Spec{Scope: b.scope(`{"size": 7}`, 0)}
	window := Spec{Scope: b.scope(`{"size": 8}`, 5, "note")}
	value := Spec{Scope: b.scope(`{"size": 9}`, 0), Value: query.ValueSpec{Kind: query.ValueCount}}
	size := 10
	for name, c := range map[string]struct {
		spec Spec
		ask  func(h any, spec Spec) (int, time.Duration)
	}{"a list": {list, opened}, "a window": {window, opened}, "a value": {value, opened}, "a value that is read": {value, read}} {
		for _, chosen := range []bool{true, false} {
			spec := c.spec
			spec.Chosen, spec.Tag = chosen, fmt.Sprint(name, chosen)
			size++
			spec.Scope.Where = b.scope(fmt.Sprintf(`{"size": %d}`, size), 0).Where // nothing is known of it
			alone, _ := c.ask(name+" alone", spec)
			shared, took := c.ask(name+" shared", spec)
			if alone < count {
				t.Errorf("%s: only %d records were read", name, alone)
			}
			if chosen && (shared != alone || took < time.Duration(alone)*perExamined) {
				t.Errorf("%s: %d records alone, %d in %s while another holds it", name, alone, shared, took)
			}
			if !chosen && shared > 0 && name != "a list" { // those keep no records to share
				t.Errorf("%s that the application chose was read again: %d records", name, shared)
			}
			b.engine.Close(name + " alone")
			b.engine.Close(name + " shared")
		}
	}
}
