//go:build linux

package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// contents returns all that a store has: its epoch, its records and its log.
func contents(t *testing.T, s *store.Store, m *record.Model) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintln(&b, s.Epoch(), s.Seq(), s.LogStart())
	if err := s.View(t.Context(), func(snap *store.Snapshot) error {
		return snap.Scan(m, store.Range{}, func(image *record.Image) bool {
			fmt.Fprintln(&b, image.ID, image.Version, string(image.JSON), string(image.Private))
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	entries, err := s.Entries(s.LogStart(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "%d %x %x %x\n", e.Seq, e.Data, e.Key, e.Call)
	}
	return b.String()
}

// TestCopy copies a file into a database and back. All three have the same.
func TestCopy(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	notes := model(t, "notes", &noteWithStars{})
	models := []*record.Model{notes}
	path := filepath.Join(t.TempDir(), "file.db")
	s, err := store.Open(path, store.Options{Models: models})
	if err != nil {
		t.Fatal(err)
	}
	attempt, err := store.NewAttempt("user", record.NewID())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 700 {
		tx := s.Begin("ada")
		if i == 7 {
			tx.SetAttempt(attempt)
		}
		for range 2 {
			if _, err := tx.Create(notes, &noteWithStars{Text: fmt.Sprint("note\x00", i), Stars: i}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetMark("ada", time.Now().Add(time.Hour), func([]byte) []byte { return []byte("gone") }); err != nil {
		t.Fatal(err)
	}
	want := contents(t, s, notes)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	load := func() error {
		t.Helper()
		f, err := store.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, err = open(t, address, Options{}).Load(t.Context(), f, models, func(string) {})
		return err
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	if err := load(); err == nil || !strings.Contains(err.Error(), "copy into an empty one") {
		t.Errorf("a second copy: %v", err)
	}
	replica := filepath.Join(t.TempDir(), "replica.db")
	log := open(t, address, Options{})
	s, err = store.Open(replica, store.Options{Models: models, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, s, notes); got != want {
		t.Errorf("a node has\n%.2000s\nwant\n%.2000s", got, want)
	}
	if found, err := log.Compare(t.Context(), s); err != nil || len(found.Differences) > 0 || fmt.Sprint(found.Parts) != "[{notes 1400} {tower_marks 1} {commits 700}]" {
		t.Errorf("the tables and the replica: %v, %v", found, err)
	}
	if text, err := s.Mark("ada"); err != nil || string(text) != "gone" {
		t.Errorf("the mark is %q, %v", text, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	back, err := store.OpenFile(replica)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(back.Detach(), back.Close()); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(replica, store.Options{Models: models})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if text, err := s.Mark("ada"); err != nil || string(text) != "gone" {
		t.Errorf("the mark is %q, %v", text, err)
	}
	if got := contents(t, s, notes); got != want {
		t.Errorf("the file has\n%.2000s\nwant\n%.2000s", got, want)
	}
	if err := s.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestCompare finds what somebody has changed past the triggers.
func TestCompare(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	notes := model(t, "notes", &note{})
	log := open(t, address, Options{})
	s, err := store.Open(filepath.Join(t.TempDir(), "replica.db"), store.Options{Models: []*record.Model{notes}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var ids []record.ID
	for range 4 {
		c, err := s.Update(t.Context(), "test", func(tx *store.Tx) error {
			_, err := tx.Create(notes, &note{Text: "x"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.Changes[0].ID)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), fmt.Sprintf("SET tower.writer = 'on'; UPDATE notes SET text = 'y' WHERE id = '%s'; DELETE FROM notes WHERE id = '%s'; INSERT INTO notes (text) VALUES ('z')", ids[0], ids[1])); err != nil {
		t.Fatal(err)
	}
	found, err := log.Compare(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(found.Differences, "\n")
	if len(found.Differences) != 3 || !strings.Contains(all, "notes/"+string(ids[0])+" differs in the table") || !strings.Contains(all, "is in the table alone") || !strings.Contains(all, "notes/"+string(ids[1])+" is not in the table") {
		t.Error(all)
	}
}
