package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

type leaf struct {
	record.Record
	Text string `json:"text"`
}

// newConsole returns a console of an application that has only a store. The store has
// commits past commits, but a log that no longer holds most of them.
func newConsole(t *testing.T, commits int) (*console, *record.Model) {
	t.Helper()
	m, err := record.NewModel("leaves", &leaf{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "test.db")
	open := func() *store.Store {
		t.Helper()
		st, err := store.Open(path, store.Options{Models: []*record.Model{m}, LogBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := open()
	for i := range commits {
		if _, err := st.Update(t.Context(), "test", func(tx *store.Tx) error {
			_, err := tx.Create(m, &leaf{Text: fmt.Sprint(i)})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st = open()
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &console{app: server.StoreOnly(st), by: "console:test", transactions: map[uint64]*transaction{}}, m
}

func TestPastEndsWithLog(t *testing.T) {
	c, m := newConsole(t, 5)
	start, at := c.app.Store().LogStart(), uint64(1)
	_, err := c.recordRequest(t.Context(), m, &wire.ControlRequest{Do: wire.DoCount, At: &at})
	if want := fmt.Sprintf("the state after commit 1 is no longer known: the log begins with commit %d", start); err == nil || err.Error() != want || fault.As(err).Code != fault.Expired {
		t.Errorf("at 1: %v; want %s", err, want)
	}
	_, err = c.undo(t.Context(), &wire.ControlRequest{Key: "1"})
	if want := fmt.Sprintf("commit 1 is no longer known: the log begins with commit %d", start); err == nil || err.Error() != want {
		t.Errorf("undo 1: %v; want %s", err, want)
	}
	last := c.app.Store().Seq()
	if n, err := c.recordRequest(t.Context(), m, &wire.ControlRequest{Do: wire.DoCount, At: &last}); n != 5 || err != nil {
		t.Errorf("at %d: %v, %v", last, n, err)
	}
}

// TestTransactionFromManyGoroutines writes an open transaction from several goroutines:
// each write is in it or returned an error.
func TestTransactionFromManyGoroutines(t *testing.T) {
	c, m := newConsole(t, 0)
	tx, err := c.begin(&wire.ControlRequest{})
	if err != nil {
		t.Fatal(err)
	}
	db := txDB{c.transactions[tx.(uint64)], false}
	counter := &leaf{Text: "0"}
	if err := db.Transaction(t.Context(), func(tx *server.Tx) error {
		_, err := tx.Create(m, counter)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 5 {
				err := errors.New("not tried")
				for err != nil {
					err = db.Transaction(context.Background(), func(tx *server.Tx) error {
						if _, err := tx.Create(m, &leaf{}); err != nil {
							return err
						}
						_, err := tx.Update(m, counter.ID, func(rec any) error {
							rec.(*leaf).Text += "+"
							return nil
						})
						return err
					})
					if err != nil && !errors.Is(err, store.ErrConflict) {
						t.Error(err)
						return
					}
				}
				if err := db.View(context.Background(), func(snap *store.Snapshot) error {
					_, err := snap.Get(m, counter.ID)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	var text string
	n := 0
	if err := db.View(t.Context(), func(snap *store.Snapshot) error {
		return snap.Scan(m, store.Range{}, func(image *record.Image) bool {
			n++
			if image.ID == counter.ID {
				text = image.Value(m.Field("text")).Text()
			}
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	if n != 41 || len(text) != 41 || c.app.Store().Seq() != 0 {
		t.Errorf("%d records, counted %s, commit %d", n, text, c.app.Store().Seq())
	}
}
