//go:build linux

package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// TestWhatAnExpectedTurnMeets lets something come in between on a log that was alone for some
// turns: the server refuses the append, and the next turn says what has come.
func TestWhatAnExpectedTurnMeets(t *testing.T) {
	server := pgtest.Shared(t)
	for name, meet := range map[string]func(t *testing.T, other *pgx.Conn, at *position, address string) (sees func(store.Turn, []store.Entry) bool){
		"a commit of another node": func(t *testing.T, _ *pgx.Conn, at *position, address string) func(store.Turn, []store.Entry) bool {
			other := begun(t, address)
			their := *at
			their.append(t, other)
			return func(_ store.Turn, tail []store.Entry) bool { return len(tail) == 1 && tail[0].Seq == their.Seq }
		},
		"a server that took over": func(t *testing.T, other *pgx.Conn, at *position, _ string) func(store.Turn, []store.Entry) bool {
			execute(t, other, "UPDATE tower.turn SET format = format")
			return func(turn store.Turn, _ []store.Entry) bool { return turn.Next() > at.Seq+1 }
		},
		"a write of another program": func(t *testing.T, other *pgx.Conn, _ *position, _ string) func(store.Turn, []store.Entry) bool {
			execute(t, other, "INSERT INTO notes (text) VALUES ('foreign')")
			return func(turn store.Turn, _ []store.Entry) bool { return len(turn.Foreign()) == 1 }
		},
		"a change of the tables": func(t *testing.T, other *pgx.Conn, _ *position, _ string) func(store.Turn, []store.Entry) bool {
			execute(t, other, "UPDATE tower.shape SET version = version + 1")
			return func(store.Turn, []store.Entry) bool { return true }
		},
		"nothing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			address := server.Database(t)
			l := begun(t, address)
			at := &position{}
			for range calmTurns + 1 {
				at.append(t, l)
			}
			turn, _, err := l.Turn(t.Context(), at.Position)
			if err != nil || l.expected(at.Position) == nil {
				t.Fatalf("no turn is expected: %v", err)
			}
			if meet == nil {
				at.appendTo(t, turn)
				return
			}
			other, err := pgx.Connect(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close(context.Background())
			sees := meet(t, other, at, address)
			if err := turn.Append(t.Context(), at.next(turn), nil); !errors.Is(err, store.ErrMoved) {
				t.Errorf("the append says %v", err)
			}
			turn, tail, err := l.Turn(t.Context(), at.Position)
			if err != nil {
				t.Fatal(err)
			}
			defer turn.End()
			if !sees(turn, tail) {
				t.Errorf("the next turn has %d commits, %d transactions and goes on with %d", len(tail), len(turn.Foreign()), turn.Next())
			}
		})
	}
}

// begun returns a log that has begun with notes.
func begun(t *testing.T, address string) *Log {
	t.Helper()
	l := open(t, address, Options{Migrate: true})
	notes, err := record.NewModel("notes", &note{})
	if err == nil {
		_, err = l.Begin(t.Context(), []*record.Model{notes})
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// A position is that of a node which makes commits without changes.
type position struct{ store.Position }

// next returns the next commit.
func (p *position) next(turn store.Turn) []store.Appended {
	data := make([]byte, 8) // its time
	return []store.Appended{{Entry: store.Entry{Seq: turn.Next(), After: p.Seq, Tag: p.Tag + 1, Data: data}}}
}

func (p *position) append(t *testing.T, l *Log) {
	t.Helper()
	turn, _, err := l.Turn(t.Context(), p.Position)
	if err != nil {
		t.Fatal(err)
	}
	p.appendTo(t, turn)
}

func (p *position) appendTo(t *testing.T, turn store.Turn) {
	t.Helper()
	all := p.next(turn)
	if err := turn.Append(t.Context(), all, nil); err != nil {
		t.Fatal(err)
	}
	p.Seq, p.Tag = all[0].Seq, all[0].Tag
}

// TestANodeEndsInATurn has a node that has the turn stand still, as under SIGSTOP, and then one
// whose process is killed, so that the kernel closes its connection. The other one gets the turn,
// and nothing that the first one sends then is committed.
func TestANodeEndsInATurn(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	first, other := begun(t, address), begun(t, address)
	at := &position{}
	at.append(t, first)
	for name, end := range map[string]func(){
		"stands still": func() {},
		"is killed":    func() { first.writer.conn.PgConn().Conn().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			turn, _, err := first.Turn(t.Context(), at.Position)
			if err != nil {
				t.Fatal(err)
			}
			lost := at.next(turn)
			end()
			began := time.Now()
			err = store.ErrMoved
			for try := 0; errors.Is(err, store.ErrMoved) && try < 5; try++ {
				var theirs store.Turn
				if theirs, _, err = other.Turn(t.Context(), at.Position); err == nil {
					t.Logf("the other node has the turn after %v", time.Since(began))
					at.appendTo(t, theirs)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := turn.Append(t.Context(), lost, nil); err == nil {
				t.Error("it has made a commit without the turn")
			}
			turn, tail, err := first.Turn(t.Context(), store.Position{Seq: at.Seq - 1})
			if err != nil || len(tail) != 1 || tail[0].Tag != at.Tag {
				t.Fatalf("the log has %v, %v", tail, err)
			}
			turn.End()
		})
	}
}

// TestAProgramWritesToACalmLog has another program write while a node has nothing to append itself: no
// append would find what it wrote.
func TestAProgramWritesToACalmLog(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	l := begun(t, address)
	at := &position{}
	for range calmTurns + 1 {
		at.append(t, l)
	}
	other, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	execute(t, other, "INSERT INTO notes (text) VALUES ('foreign')")
	if tail, err := l.Tail(t.Context(), at.Position); len(tail) > 0 || err != nil || !l.Foreign() {
		t.Fatalf("the log has %d commits (%v), and other programs have written: %t", len(tail), err, l.Foreign())
	}
	turn, _, err := l.Turn(t.Context(), at.Position)
	if err != nil {
		t.Fatal(err)
	}
	defer turn.End()
	if n := len(turn.Foreign()); n != 1 {
		t.Errorf("the next turn has %d transactions", n)
	}
}
