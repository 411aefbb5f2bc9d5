package archive

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/migrate"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A note of a newer build, and one of a build that cannot do without what was dropped.
type newNote struct {
	record.Record
	Headline string `json:"headline" tower:"index"`
	Slug     string `json:"slug" tower:"index"`
}

func newNotes(t *testing.T) (*record.Model, []migrate.Migration) {
	t.Helper()
	m, err := record.NewModel("notes", &newNote{})
	if err != nil {
		t.Fatal(err)
	}
	return m, []migrate.Migration{{ID: "1", Steps: []migrate.Step{
		migrate.Renames("notes", "title", "headline"),
		migrate.Drops("notes", "secret"),
		{Effect: store.Effect{Kind: migrate.Fill, Model: "notes", Field: "slug"}, Apply: func(r *record.Raw) error {
			r.Members["slug"] = r.Members["headline"]
			return nil
		}},
	}}}
}

// reopen opens the store of the site by another build.
func (s *site) reopen(path string, o *migrate.Opening) error {
	s.t.Helper()
	if err := s.store.Close(); err != nil {
		s.t.Fatal(err)
	}
	options := o.Options(context.Background())
	options.Now = s.clock.Now
	opened, err := store.Open(path, options)
	if err == nil {
		s.store = opened
		s.t.Cleanup(func() { _ = opened.Close() })
	}
	return err
}

// An archive spans a migration: every commit before it, the migration itself and every commit
// after it can be restored, to what there was. A build that cannot do without what the
// migration has dropped is refused, and the archive goes on by the one that can.
func TestRestoreAcrossAMigration(t *testing.T) {
	for range 3 {
		s := newSite(t, 4000)
		path, ctx := filepath.Join(t.TempDir(), "own.db"), context.Background()
		s.open(path, 0)
		s.digests, s.times = nil, nil
		s.note()
		place := Folder(filepath.Join(t.TempDir(), "archive"))
		archive := func() {
			t.Helper()
			if err := s.archiver(place).archive(ctx); err != nil { // by another process each time
				t.Fatal(err)
			}
		}
		archive()
		for range 20 + s.rng.IntN(20) {
			s.commit()
			if s.rng.IntN(4) == 0 {
				archive()
			}
		}
		archive()

		m, all := newNotes(t)
		if err := s.reopen(path, &migrate.Opening{Models: []*record.Model{m}, Migrations: all, Run: true, Strict: true}); err != nil {
			t.Fatal(err)
		}
		migrated := len(s.digests)
		s.note()
		if s.store.Seq() != uint64(migrated) {
			t.Fatalf("the migration is commit %d, not %d", s.store.Seq(), migrated)
		}
		write := func(n int) {
			t.Helper()
			for range n {
				s.clock.Set(s.clock.Now().Add(1e9))
				_, err := s.store.Update(ctx, "test", func(tx *store.Tx) error {
					_, err := tx.Create(m, &newNote{Headline: fmt.Sprint(s.rng.Int64())})
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				s.note()
			}
		}
		write(s.rng.IntN(4)) // before the archive has seen the migration
		archive()
		write(s.rng.IntN(4))

		var refused *migrate.RefusedError
		err := s.reopen(path, &migrate.Opening{Models: []*record.Model{s.notes}, Strict: true})
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "notes.secret was dropped, by the migration 1") {
			t.Fatalf("the older build is not refused: %v", err)
		}
		if err := s.reopen(path, &migrate.Opening{Models: []*record.Model{m}, Migrations: all, Strict: true}); err != nil {
			t.Fatal(err)
		}
		write(2)
		archive()
		for want := 1; want < len(s.digests); want++ {
			s.check(want, func(path string) (Restored, error) {
				return Restore(ctx, place, Point{Seq: uint64(want)}, path, silent)
			})
		}
		s.check(len(s.digests)-1, func(path string) (Restored, error) { return Restore(ctx, place, Point{}, path, silent) })

		// What was restored from before the migration goes through it again.
		before := filepath.Join(t.TempDir(), "before.db")
		if _, err := Restore(ctx, place, Point{Seq: uint64(migrated - 1)}, before, silent); err != nil {
			t.Fatal(err)
		}
		again, err := store.Open(before, (&migrate.Opening{Models: []*record.Model{m}, Migrations: all, Run: true, Strict: true}).Options(ctx))
		if err != nil {
			t.Fatal(err)
		}
		if digest, err := again.Digest(ctx, again.Seq()); err != nil || digest != s.digests[migrated] {
			t.Errorf("migrated again, the records are others: %v", err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
