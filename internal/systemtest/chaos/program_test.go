//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A program writes to the tables in SQL, as psql does. It does the same deeds as clients.
type program struct {
	t       *testing.T
	name    string
	random  *rand.Rand
	address string
	conn    *pgx.Conn
	ledger
}

func newProgram(t *testing.T, name string, seed uint64, address string) *program {
	return &program{t: t, name: name, random: rand.New(rand.NewPCG(seed, 2)), address: address}
}

// work does deeds until stop is closed.
func (p *program) work(stop <-chan struct{}) {
	defer p.leave()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(p.random.IntN(200)) * time.Millisecond): // it would outrun the clients
		}
		p.try(random(p.random, fmt.Sprint(p.name, "-", n)))
	}
}

func (p *program) leave() {
	if p.conn != nil {
		_ = p.conn.Close(context.Background()) // it may have broken
		p.conn = nil
	}
}

// try does a deed once.
func (p *program) try(d deed) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if p.conn == nil || p.conn.IsClosed() {
		var err error
		if p.conn, err = pgx.Connect(ctx, p.address); err != nil {
			return // the database is away
		}
	}
	isolation := []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}[p.random.IntN(3)]
	tx, err := p.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: isolation})
	if err != nil {
		return
	}
	if err := do(ctx, tx, d); err != nil {
		_ = tx.Rollback(ctx)
		p.refused = append(p.refused, d.Name)
		return
	}
	var answer *pgconn.PgError
	switch err := tx.Commit(ctx); {
	case err == nil:
		p.done = append(p.done, d.Name)
	case errors.Is(err, pgx.ErrTxCommitRollback), errors.As(err, &answer) && !strings.HasPrefix(answer.Code, "57"):
		p.refused = append(p.refused, d.Name)
	default: // the connection broke, or the server shut down
		p.unsure = append(p.unsure, d.Name)
	}
}

var errNothing = errors.New("there is nothing to do")

// do does a deed in a transaction.
func do(ctx context.Context, tx pgx.Tx, d deed) error {
	if _, err := tx.Exec(ctx, "INSERT INTO deeds (name, kind) VALUES ($1, $2)", d.Name, d.Kind); err != nil {
		return err
	}
	var changed pgconn.CommandTag
	var err error
	switch d.Kind {
	case "take":
		changed, err = tx.Exec(ctx, "INSERT INTO tallies (name) VALUES ($1)", d.Slot)
	case "free":
		changed, err = tx.Exec(ctx, "DELETE FROM tallies WHERE name = $1", d.Slot)
	default:
		changed, err = tx.Exec(ctx, "UPDATE tallies SET n = n + 1 WHERE id = $1", string(hot))
	}
	if err == nil && changed.RowsAffected() != 1 {
		err = errNothing
	}
	return err
}
