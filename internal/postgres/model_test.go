//go:build linux

package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// A seat is what the programs of the model write: a value that is unique, one that may be
// missing, and one with a rule.
type seat struct {
	record.Record
	Place string  `json:"place" tower:"unique"`
	Guest *string `json:"guest"`
	Row   int     `json:"row" tower:"index" validate:"min=0"`
}

// A hall is the plain model: seats by id, each as "place guest row".
type hall map[string]plainSeat

type plainSeat struct {
	place, guest string // guest "-": none
	row          int
}

func (h hall) taken(place, but string) bool {
	for id, s := range h {
		if s.place == place && id != but {
			return true
		}
	}
	return false
}

// A sqlProgram writes random statements in a transaction, and notes what they should leave.
type sqlProgram struct {
	*testing.T
	rand *rand.Rand
	tx   pgx.Tx
	hall hall
}

// statement executes one statement within a savepoint. It returns what PostgreSQL says of it.
func (p *sqlProgram) statement(sql string, args ...any) string {
	p.Helper()
	err := pgx.BeginFunc(p.Context(), p.tx, func(inner pgx.Tx) error {
		_, err := inner.Exec(p.Context(), sql, args...)
		return err
	})
	var sent *pgconn.PgError
	if errors.As(err, &sent) {
		return sent.Code
	}
	if err != nil {
		p.Fatalf("%s: %v", sql, err)
	}
	return ""
}

func (p *sqlProgram) expect(sql, want string, args ...any) {
	p.Helper()
	if got := p.statement(sql, args...); got != want {
		p.Fatalf("%s %v: PostgreSQL says %q, want %q", sql, args, got, want)
	}
}

func (p *sqlProgram) place() string { return fmt.Sprint("p", p.rand.IntN(12)) }

// some returns the id of a seat, which may not be there.
func (p *sqlProgram) some() string {
	ids := slices.Sorted(maps.Keys(p.hall))
	if len(ids) == 0 || p.rand.IntN(10) == 0 {
		return string(record.NewID())
	}
	return ids[p.rand.IntN(len(ids))]
}

const (
	unique = "23505"
	broken = "23514" // a check
)

func (p *sqlProgram) step() {
	p.Helper()
	switch p.rand.IntN(9) {
	case 0, 1:
		p.insert()
	case 2: // a row that is there gives way
		id, place := string(record.NewID()), p.place()
		p.expect("INSERT INTO seats (id, place, row) VALUES ($1, $2, 1) ON CONFLICT (place) DO UPDATE SET row = seats.row + 1", "", id, place)
		for other, s := range p.hall {
			if s.place == place {
				s.row++
				p.hall[other] = s
				return
			}
		}
		p.hall[id] = plainSeat{place, "-", 1}
	case 3:
		id, place := p.some(), p.place()
		s, there := p.hall[id]
		want := ""
		if there && p.hall.taken(place, id) {
			want = unique
		}
		p.expect("UPDATE seats SET place = $2 WHERE id = $1", want, id, place)
		if s.place = place; there && want == "" {
			p.hall[id] = s
		}
	case 4: // several at once
		p.expect("UPDATE seats SET guest = CASE WHEN row % 2 = 0 THEN NULL ELSE 'g' || row END, row = row + 1 WHERE row < 3", "")
		for id, s := range p.hall {
			if s.row < 3 {
				if s.guest = "-"; s.row%2 != 0 {
					s.guest = fmt.Sprint("g", s.row)
				}
				s.row++
				p.hall[id] = s
			}
		}
	case 5:
		id := p.some()
		want := ""
		if _, there := p.hall[id]; there {
			want = broken
		}
		p.expect("UPDATE seats SET row = -1 WHERE id = $1", want, id)
	case 6: // another key
		id, to := p.some(), string(record.NewID())
		p.expect("UPDATE seats SET id = $2 WHERE id = $1", "", id, to)
		if s, there := p.hall[id]; there {
			delete(p.hall, id)
			p.hall[to] = s
		}
	case 7:
		id := p.some()
		p.expect("DELETE FROM seats WHERE id = $1", "", id)
		delete(p.hall, id)
	case 8:
		if p.rand.IntN(6) == 0 {
			p.expect("TRUNCATE seats", "")
			clear(p.hall)
		}
	}
}

// insert adds several seats in one statement: all or none.
func (p *sqlProgram) insert() {
	p.Helper()
	var values []string
	added := hall{}
	want := ""
	for range 1 + p.rand.IntN(3) {
		id, s := string(record.NewID()), plainSeat{p.place(), "-", p.rand.IntN(5)}
		if p.hall.taken(s.place, "") || added.taken(s.place, "") {
			want = unique
		}
		guest := "NULL"
		if p.rand.IntN(2) == 0 {
			s.guest, guest = "", "''"
		}
		added[id] = s
		values = append(values, fmt.Sprintf("('%s', '%s', %s, %d)", id, s.place, guest, s.row))
	}
	p.expect("INSERT INTO seats (id, place, guest, row) VALUES "+strings.Join(values, ", "), want)
	if want == "" {
		maps.Copy(p.hall, added)
	}
}

// seats returns what a store has.
func seats(t *testing.T, s *store.Store, m *record.Model) hall {
	t.Helper()
	all := hall{}
	err := s.View(t.Context(), func(snap *store.Snapshot) (err error) {
		scanned := snap.All(m, "", func(image *record.Image) bool {
			var copied any
			if copied, err = image.Copy(); err != nil {
				return false
			}
			one := copied.(*seat)
			guest := "-"
			if one.Guest != nil {
				guest = *one.Guest
			}
			all[string(image.ID)] = plainSeat{one.Place, guest, one.Row}
			return true
		})
		return errors.Join(err, scanned)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestForeignModel has a program write random SQL, beside two nodes that write too, and compares
// what the nodes have with a plain model after each transaction.
func TestForeignModel(t *testing.T) {
	address := pgtest.Shared(t).Database(t)
	m := model(t, "seats", &seat{})
	one, log := openStore(t, address, m)
	two, _ := openStore(t, address, m)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	known := hall{}
	for n := range 60 {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := &sqlProgram{T: t, rand: random, tx: tx, hall: maps.Clone(known)}
		for range 1 + random.IntN(6) {
			p.step()
		}
		if random.IntN(4) == 0 {
			err = tx.Rollback(t.Context())
		} else if err = tx.Commit(t.Context()); err == nil {
			known = p.hall
		}
		if err != nil {
			t.Fatal(err)
		}
		if n%3 == 0 {
			s := []*store.Store{one, two}[random.IntN(2)]
			c, err := s.Update(t.Context(), "node", func(tx *store.Tx) error {
				_, err := tx.Create(m, &seat{Place: fmt.Sprint("node", n), Row: n})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			known[string(c.Changes[0].ID)] = plainSeat{fmt.Sprint("node", n), "-", n}
		}
		adopt(t, one, conn)
		if err := errors.Join(one.Reach(t.Context(), two.Seq()), two.Reach(t.Context(), one.Seq())); err != nil {
			t.Fatal(err)
		}
		for i, s := range []*store.Store{one, two} {
			if got := seats(t, s, m); !maps.Equal(got, known) {
				t.Fatalf("after transaction %d store %d has\n%v\nwant\n%v", n, i+1, got, known)
			}
		}
	}
	if found, err := log.Compare(t.Context(), one); err != nil || len(found.Differences) > 0 {
		t.Errorf("the tables and the replica: %v, %v", found, err)
	}
}
