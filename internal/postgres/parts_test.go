//go:build linux

package postgres

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// openStore opens a store of notes that shares the database at an address.
func openStore(t *testing.T, address string, m *record.Model) (*store.Store, *Log) {
	t.Helper()
	log := open(t, address, Options{})
	s, err := store.Open(filepath.Join(t.TempDir(), "replica.db"), store.Options{Models: []*record.Model{m}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, log
}

// adopt waits until the store has numbered all that other programs have written.
func adopt(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	for waits := true; waits; {
		if err := s.Reach(t.Context(), s.Seq()+1); err == nil {
			continue
		}
		if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM tower.inbox)").Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLargeForeign has another program write more in one transaction than one turn takes, and
// change what it has written. Commits of others come in between.
func TestLargeForeign(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	notes := model(t, "notes", &noteWithStars{})
	s, log := openStore(t, address, notes)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `BEGIN; INSERT INTO notes (text, stars) SELECT 'n' || i, i FROM generate_series(1, 7000) AS i;
		UPDATE notes SET stars = -stars WHERE stars > 6000; COMMIT`); err != nil {
		t.Fatal(err)
	}
	c, err := s.Update(t.Context(), "ada", func(tx *store.Tx) error {
		_, err := tx.Create(notes, &noteWithStars{Text: "mine", Stars: 1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Ada's commit is %d", c.Seq)
	adopt(t, s, conn)
	parts := 0
	entries, err := s.Entries(1, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	parts = len(entries) - 1
	if parts < 2 { // a turn that takes too long is tried with fewer
		t.Errorf("%d commits of another program", parts)
	}
	sum, count := 0, 0
	err = s.View(t.Context(), func(snap *store.Snapshot) error {
		return snap.Scan(notes, store.Range{}, func(image *record.Image) bool {
			copied, err := image.Copy()
			if err != nil {
				t.Error(err)
				return false
			}
			count++
			if stars := copied.(*noteWithStars).Stars; stars < 0 {
				sum++
			}
			return true
		})
	})
	if err != nil || count != 7001 || sum != 1000 {
		t.Errorf("%d notes, %d of them changed, %v", count, sum, err)
	}
	if found, err := log.Compare(t.Context(), s); err != nil || len(found.Differences) > 0 {
		t.Errorf("the tables and the replica: %v, %v", found, err)
	}
}
