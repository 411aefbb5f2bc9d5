//go:build linux

package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// A program writes the accounts of the suite by SQL.
type program struct{ pool *pgxpool.Pool }

func (p *program) exec(sql string, args ...any) error {
	_, err := p.pool.Exec(context.Background(), sql, args...)
	return err
}

func (p *program) Put(id record.ID, owner, group string) error {
	return p.exec(`INSERT INTO accounts (id, owner, "group") VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, "group" = excluded."group"`, string(id), owner, group)
}

func (p *program) Add(id record.ID) error {
	return p.exec("UPDATE accounts SET balance = balance + 1 WHERE id = $1", string(id))
}

func (p *program) Delete(id record.ID) error {
	return p.exec("DELETE FROM accounts WHERE id = $1", string(id))
}

func TestConformForeign(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server *pgtest.Server) {
		storetest.ConformForeign(t, func(t *testing.T) (func() store.Log, func(*record.Model) storetest.Program) {
			address := server.Database(t)
			begin := func(*record.Model) storetest.Program {
				pool, err := pgxpool.New(context.Background(), address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(pool.Close)
				return &program{pool}
			}
			return func() store.Log { return open(t, address, Options{}) }, begin
		})
	})
}
