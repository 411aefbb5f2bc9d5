package storetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Verify checks what workers have left behind: what was acknowledged is there once, what was
// not done is not there, what transactions have checked holds, and all stores have the same
// bytes, as the log has. Nobody may write meanwhile.
func Verify(t *testing.T, deeds []Deed, log store.Log, workers ...*Worker) {
	t.Helper()
	ctx := context.Background()
	newest := uint64(0)
	for _, w := range workers {
		newest = max(newest, w.Seq())
	}
	for i, w := range workers {
		if err := w.Reach(ctx, newest); err != nil {
			t.Fatalf("store %d does not reach commit %d: %v", i, newest, err)
		}
		if err := w.Check(ctx); err != nil {
			t.Errorf("check store %d: %v", i, err)
		}
	}
	first := workers[0]
	for i, w := range workers[1:] {
		from := max(first.LogStart(), w.LogStart())
		if a, b := holds(t, first.Store, first.accounts, from), holds(t, w.Store, w.accounts, from); !bytes.Equal(a, b) {
			t.Errorf("store %d differs from store 0 at %s", i+1, difference(a, b))
		}
	}
	verifySnapshot(t, first, log)
	all := first.all(t)
	verifyDeeds(t, deeds, all)
	verifyChecks(t, all)
}

// difference returns the first line in which two texts differ.
func difference(a, b []byte) string {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d:\n%.300s\n%.300s", i, x[i], y[i])
		}
	}
	return fmt.Sprintf("the end: %d and %d lines", len(x), len(y))
}

// verifySnapshot compares the records of the log with those of a store.
func verifySnapshot(t *testing.T, w *Worker, log store.Log) {
	t.Helper()
	if _, err := log.Begin(context.Background(), w.Models()); err != nil {
		t.Fatal(err)
	}
	var kept, held bytes.Buffer
	if _, err := log.Begin(context.Background(), w.Models()); err != nil {
		t.Error(err)
		return
	}
	seq, _, err := log.Snapshot(context.Background(), func(_ string, rows []store.Row) error {
		for _, r := range rows {
			fmt.Fprintln(&kept, r.ID, string(r.Public), string(r.Private))
		}
		return nil
	})
	if err != nil || seq != w.Seq() {
		t.Errorf("the log has records as of commit %d, the store of %d: %v", seq, w.Seq(), err)
		return
	}
	if err := w.View(context.Background(), func(snap *store.Snapshot) error {
		return snap.Scan(w.accounts, store.Range{}, func(image *record.Image) bool {
			fmt.Fprintln(&held, image.ID, string(image.JSON), string(image.Private))
			return true
		})
	}); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(kept.Bytes(), held.Bytes()) {
		t.Errorf("the records of the log differ from the store's at %s", difference(kept.Bytes(), held.Bytes()))
	}
}

// all returns all accounts.
func (w *Worker) all(t *testing.T) (all []*account) {
	t.Helper()
	err := w.View(context.Background(), func(snap *store.Snapshot) error {
		return snap.Scan(w.accounts, store.Range{}, func(image *record.Image) bool {
			v, err := image.Record()
			if err != nil {
				t.Error(err)
				return false
			}
			all = append(all, v.(*account))
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func verifyDeeds(t *testing.T, deeds []Deed, all []*account) {
	t.Helper()
	there := map[string]int{}
	for _, a := range all {
		there[a.Owner]++
	}
	last := map[string]Deed{}
	for _, d := range deeds {
		last[d.Name] = d
	}
	states := map[State]int{}
	calls := map[string]string{} // the deeds that took effect, by key
	for _, d := range last {
		states[d.State]++
		n := there[d.Name]
		switch {
		case n > 1:
			t.Errorf("%+v is there %d times", d, n)
		case n == 0 && d.State == Done:
			t.Errorf("%+v is lost", d)
		case n == 1 && (d.State == Refused || d.State == Failed):
			t.Errorf("%+v is there", d)
		}
		if n == 1 && d.Key != "" {
			if other, twice := calls[d.Key]; twice {
				t.Errorf("a call took effect twice: by %s and by %s", other, d.Name)
			}
			calls[d.Key] = d.Name
		}
	}
	for _, d := range last {
		if d.Answer != "" && d.Answer != calls[d.Key] {
			t.Errorf("%+v was told the answer of another run than %s", d, calls[d.Key])
		}
	}
	t.Logf("%d deeds: %v", len(last), states)
}

// verifyChecks verifies what each transaction has left as it must be.
func verifyChecks(t *testing.T, all []*account) {
	t.Helper()
	count, balance, sum := map[string]int{}, 0, 0
	for _, a := range all {
		count[a.Group]++
		switch {
		case a.Owner == hot:
			balance = a.Balance
		case a.Group == "purse":
			sum += a.Balance
		}
	}
	if balance != count[adding] {
		t.Errorf("%d was added, and the balance is %d", count[adding], balance)
	}
	if sum != 100*someMoney {
		t.Errorf("of %d there is %d", 100*someMoney, sum)
	}
	if count[ten] > 10 {
		t.Errorf("of at most ten there are %d", count[ten])
	}
	if taken := count[taking] - count[freeing]; count[names] != taken {
		t.Errorf("%d names were taken and %d freed; there are %d", count[taking], count[freeing], count[names])
	}
}
