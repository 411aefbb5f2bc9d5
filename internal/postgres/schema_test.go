//go:build linux

package postgres

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

type note struct {
	record.Record
	Text string `json:"text"`
}

type noteWithStars struct {
	record.Record
	Text  string `json:"text"`
	Stars int    `json:"stars" tower:"index"`
}

func model(t *testing.T, name string, prototype any) *record.Model {
	t.Helper()
	m, err := record.NewModel(name, prototype)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// begin opens the log of a database for one model.
func begin(t *testing.T, address string, m *record.Model, o Options) error {
	t.Helper()
	_, err := open(t, address, o).Begin(context.Background(), []*record.Model{m})
	return err
}

func query[T any](t *testing.T, address, statement string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), statement).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

// TestModelsChange opens a database with records for a model that has another field. Without
// leave nothing is changed.
func TestModelsChange(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	notes := model(t, "notes", &note{})
	st, err := store.Open(filepath.Join(t.TempDir(), "replica.db"), store.Options{Models: []*record.Model{notes}, Log: open(t, address, Options{})})
	if err != nil {
		t.Fatal(err)
	}
	tx := st.Begin("test")
	if _, err := tx.Create(notes, &note{Text: "kept"}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	stars := model(t, "notes", &noteWithStars{})
	var misfit *MisfitError
	if err := begin(t, address, stars, Options{}); !errors.As(err, &misfit) || !strings.Contains(err.Error(), `ALTER TABLE "public"."notes" ADD COLUMN "stars" bigint`) {
		t.Errorf("a model with another field: %v", err)
	}
	columns := "SELECT count(*) FROM information_schema.columns WHERE table_name = 'notes' AND column_name = 'stars'"
	if query[int](t, address, columns) != 0 {
		t.Error("the table was changed")
	}
	for range 2 {
		if err := begin(t, address, stars, Options{Migrate: true}); err != nil {
			t.Fatal(err)
		}
	}
	if got := query[string](t, address, "SELECT text || stars FROM notes"); got != "kept0" {
		t.Errorf("the row has %q", got)
	}
	if err := begin(t, address, notes, Options{}); err != nil {
		t.Errorf("an older build beside the newer one: %v", err)
	}
}

// TestOthersTables refuses a database that has a table of a model's name, and changes nothing.
func TestOthersTables(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE notes (id text)"); err != nil {
		t.Fatal(err)
	}
	if err := begin(t, address, model(t, "notes", &note{}), Options{Migrate: true}); err == nil || !strings.Contains(err.Error(), "the database has a table notes, and no history") {
		t.Errorf("a table of others: %v", err)
	}
	if query[int](t, address, "SELECT count(*) FROM pg_namespace WHERE nspname = 'tower'") != 0 {
		t.Error("the schema tower was made")
	}
}

// TestANewerFormat refuses what a newer program has made.
func TestANewerFormat(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	notes := model(t, "notes", &note{})
	if err := begin(t, address, notes, Options{}); err != nil {
		t.Fatal(err)
	}
	query[int](t, address, "UPDATE tower.turn SET format = 99 RETURNING format")
	if err := begin(t, address, notes, Options{}); err == nil || !strings.Contains(err.Error(), "the format 99 of a newer program") {
		t.Errorf("a newer format: %v", err)
	}
}
