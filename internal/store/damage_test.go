package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

// TestDamageEndsTheStore zeroes pages of a file that is in use, reads and writes it, and
// expects an error that says so, never a panic, and that what was acknowledged is kept.
func TestDamageEndsTheStore(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	m := mustModel(t, "cities", &indexedCity{})
	whole := filepath.Join(t.TempDir(), "whole.db")
	s, err := Open(whole, Options{Models: []*record.Model{m}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []record.ID
	for range 20 {
		if _, err := s.Update(context.Background(), "test", func(tx *Tx) error {
			for range 100 {
				image, err := tx.Create(m, &indexedCity{Name: fmt.Sprint("Ulm", r.Uint64()), Zip: fmt.Sprint(r.Uint64())})
				if err != nil {
					return err
				}
				ids = append(ids, image.ID)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	ended := 0
	for round := range 8 {
		path := filepath.Join(t.TempDir(), fmt.Sprint(round, ".db"))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{Models: []*record.Model{m}})
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + r.IntN(20) {
			if _, err := file.WriteAt(make([]byte, page), int64(page)*int64(2+r.IntN(len(data)/page-2))); err != nil {
				t.Fatal(err)
			}
		}
		if round%4 == 3 {
			err = file.Truncate(int64(len(data) / 2))
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		kept, met := useDamaged(t, s, m, ids, r)
		if met {
			ended++
		}
		checkKept(t, path, m, kept)
	}
	if ended == 0 {
		t.Error("the damage was never met")
	}
}

// useDamaged reads and writes a store whose file is damaged, and reports whether that
// ended it, and the zips whose writes were acknowledged.
func useDamaged(t *testing.T, s *Store, m *record.Model, ids []record.ID, r *rand.Rand) (kept map[record.ID]string, met bool) {
	t.Helper()
	feed := make(chan error, 1)
	go func() {
		for f := s.Feed(s.Seq()); ; {
			if _, err := f.Next(context.Background()); err != nil {
				feed <- err
				return
			}
		}
	}()
	kept = map[record.ID]string{}
	var damaged *DamagedError
	for range 300 {
		id, zip := ids[r.IntN(len(ids))], fmt.Sprint(r.Uint64())
		_, err := s.Update(context.Background(), "test", func(tx *Tx) error {
			_, err := tx.Update(m, id, func(rec any) error { rec.(*indexedCity).Zip = zip; return nil })
			return err
		})
		if err == nil {
			kept[id] = zip
		}
		if err == nil || errors.As(err, &damaged) {
			err = s.View(context.Background(), func(snap *Snapshot) error {
				return snap.Scan(m, Range{Index: m.Field("zip")}, func(*record.Image) bool { return true })
			})
		}
		if errors.As(err, &damaged) {
			break
		}
	}
	if damaged == nil {
		if err := s.Close(); err != nil && !errors.As(err, &damaged) {
			t.Error(err)
		}
		<-feed
		return kept, false
	}
	<-s.Failed()
	if err := <-feed; !errors.As(err, &damaged) {
		t.Errorf("the feed ended with %v", err)
	}
	if !strings.Contains(damaged.Error(), "the file is damaged, restore a backup: ") {
		t.Errorf("the error is %v", damaged)
	}
	if _, err := s.Update(context.Background(), "test", func(tx *Tx) error {
		_, err := tx.Create(m, &indexedCity{Name: "late"})
		return err
	}); !errors.As(err, &damaged) {
		t.Errorf("a write is answered %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return kept, true
}

// checkKept opens a copy of a damaged file, which stays locked until its process ends. What was acknowledged is there, or reading it is
// an error that says that the file is damaged; it is never an older value, or no record.
func checkKept(t *testing.T, path string, m *record.Model, kept map[record.ID]string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again := path + ".again"
	if err := os.WriteFile(again, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var damaged *DamagedError
	s, err := Open(again, Options{Models: []*record.Model{m}})
	if err != nil {
		if !errors.As(err, &damaged) && !strings.Contains(err.Error(), "damaged") {
			t.Errorf("opened again: %v", err)
		}
		return
	}
	for id, zip := range kept {
		var got string
		err := s.View(context.Background(), func(snap *Snapshot) error {
			image, err := snap.Get(m, id)
			if err == nil {
				got = image.Value(m.Field("zip")).String()
			}
			return err
		})
		if !errors.As(err, &damaged) && (err != nil || !strings.Contains(got, zip)) {
			t.Errorf("%s was acknowledged with zip %s and has %q: %v", id, zip, got, err)
		}
	}
	if err := s.Close(); err != nil && !errors.As(err, &damaged) {
		t.Error(err)
	}
}

// TestOtherPanicsGoOn lets a reader panic for a reason that is not the file's.
func TestOtherPanicsGoOn(t *testing.T) {
	b := newCities(t, "Ulm")
	for what, fn := range map[string]func(){
		"a panic":       func() { panic("mine") },
		"a nil pointer": func() { t.Log(map[string]*record.Model{}["none"].Name) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is swallowed", what)
				}
			}()
			_ = b.View(context.Background(), func(*Snapshot) error { fn(); return nil })
		}()
	}
	if err := b.Err(); err != nil {
		t.Error(err)
	}
}
