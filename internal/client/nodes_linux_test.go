package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// TestClientsOfNodesConverge is TestClientsConverge with three nodes that share a database. The
// storm leads clients from one to another, kills nodes, and other programs write to the
// tables.
func TestClientsOfNodesConverge(t *testing.T) {
	seed, length := stormOf(t)
	address := pgtest.Start(t).Database(t)
	var nodes []serverProcess
	for range 3 {
		nodes = append(nodes, serverProcess{Data: address, Folder: t.TempDir(), Addr: freeAddr(t)})
	}
	h := newHarness(t, seed, nodes...)
	h.startPages(2)
	h.startNode(3)
	programs := make(chan error, 2)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for i := range uint64(cap(programs)) {
		go func() { programs <- h.writeTables(ctx, address, rand.New(rand.NewPCG(seed, 10+i))) }()
	}
	h.rage(length)
	stop()
	for range cap(programs) {
		if err := <-programs; err != nil {
			t.Error(err)
		}
	}
	h.calm()
	h.compare()
}

// writeTables writes chores as another program does, until ctx ends. Each transaction makes a
// mark, as those of clients do.
func (h *harness) writeTables(ctx context.Context, address string, random *rand.Rand) error {
	conn, err := pgx.Connect(h.t.Context(), address)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for n := 0; ctx.Err() == nil; n++ {
		token := fmt.Sprint("program", random.Uint64())
		err := pgx.BeginFunc(h.t.Context(), conn, func(tx pgx.Tx) error {
			if err := writeChore(h.t.Context(), tx, random); err != nil {
				return err
			}
			_, err := tx.Exec(h.t.Context(), "INSERT INTO marks (token) VALUES ($1)", token)
			return err
		})
		var conflict *pgconn.PgError
		switch {
		case err == nil:
			h.mu.Lock()
			h.done[token] = true
			h.mu.Unlock()
		case !errors.As(err, &conflict) || conflict.Code != "40P01": // a deadlock with the other one
			return err
		}
	}
	return nil
}

func writeChore(ctx context.Context, tx pgx.Tx, random *rand.Rand) (err error) {
	some := "(SELECT id FROM chores ORDER BY random() LIMIT 1)"
	switch random.IntN(4) {
	case 0:
		_, err = tx.Exec(ctx, "INSERT INTO chores (owner_id, title, rank, done, shared) VALUES ($1, 'iron', $2, $3, $4)",
			string(choreUsers[random.IntN(len(choreUsers))]), random.IntN(6), random.IntN(2) == 0, random.IntN(2) == 0)
	case 1:
		_, err = tx.Exec(ctx, "DELETE FROM chores WHERE id = "+some)
	default:
		_, err = tx.Exec(ctx, "UPDATE chores SET rank = $1, shared = NOT shared WHERE id = "+some, random.IntN(6))
	}
	return err
}
