package cursor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An asked is what a transaction asked, and the answer.
type asked struct {
	question querytest.Question
	scope    query.Scope
	found    string
	count    int
}

// ask asks a random question and returns how many records there were.
func ask(t testing.TB, tx *store.Tx, m *record.Model, q querytest.Question) (asked, error) {
	a := asked{question: q, scope: scopeOf(t, &q, m)}
	err := tx.View(context.Background(), func(snap *store.Snapshot) error {
		images, err := query.Fetch(snap, a.scope)
		a.found = querytest.DescribeImages(images)
		return err
	})
	if err == nil { // the count may be of a later state: what was found must be unchanged
		err = tx.View(context.Background(), func(snap *store.Snapshot) (err error) {
			a.count, err = query.Count(snap, a.scope)
			return err
		})
	}
	return a, err
}

// writeBy changes, creates or deletes a thing, depending on n.
func writeBy(r *rand.Rand, tx *store.Tx, m *record.Model, n int, ids, users []record.ID) error {
	var err error
	switch id := querytest.Pick(r, ids); r.IntN(6) {
	case 0:
		x := &querytest.Thing{}
		x.Fill(r, users)
		x.Slug = nil
		x.Count = n
		_, err = tx.Create(m, x)
	case 1:
		err = tx.Delete(m, id)
	default:
		_, err = tx.Update(m, id, func(rec any) error {
			x := rec.(*querytest.Thing)
			x.Touch(r, users)
			x.Slug, x.Codes = nil, []int{n, r.Int()}
			return nil
		})
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Transactions that ask concurrently get the answers that they would get if they ran alone,
// in the order of the commits.
func TestTransactionsAreSerial(t *testing.T) {
	r, m := querytest.Rand(t), querytest.NewModels(t)
	st := querytest.OpenStore(t, m, store.Options{})
	users, ids := querytest.FillStore(t, r, st, m, 60)
	from := st.Seq()

	var mu sync.Mutex
	answers := map[uint64][]asked{}
	transact := func(r *rand.Rand) {
		var all []asked
		seed := r.Uint64()
		c, err := st.Update(context.Background(), "test", func(tx *store.Tx) error {
			r := rand.New(rand.NewPCG(seed, 0)) // a retry asks the same
			all = nil
			for range 1 + r.IntN(3) {
				a, err := ask(t, tx, m.Things, querytest.RandomQuestion(r, ids, users))
				if err != nil {
					return err
				}
				all = append(all, a)
			}
			return writeBy(r, tx, m.Things, all[0].count, ids, users)
		})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if answers[c.Seq] = all; c.Seq == 0 {
			delete(answers, 0)
		}
	}
	var writers sync.WaitGroup
	for range 6 {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		writers.Go(func() {
			for range 40 {
				transact(own)
			}
		})
	}
	writers.Wait()
	replay(t, st, m.Things, from, answers)
}

// replay follows the commits after from, and asks before each of them what its transaction
// asked.
func replay(t *testing.T, st *store.Store, m *record.Model, from uint64, answers map[uint64][]asked) {
	t.Helper()
	var all, newest map[record.ID]*record.Image
	ctx := context.Background()
	view := func(seq uint64, into *map[record.ID]*record.Image) {
		if err := st.ViewAt(ctx, seq, func(snap *store.Snapshot) error { *into = querytest.AllImages(t, snap, m); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	view(from, &all)
	view(st.Seq(), &newest)
	feed := st.Feed(from)
	for seq := from + 1; seq <= st.Seq(); seq++ {
		c, err := feed.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range answers[seq] {
			want := a.question.Answer(all)
			if found := querytest.DescribeImages(want); a.found != found || a.count != len(want) {
				t.Fatalf("the transaction of commit %d asked for %s and got %s(%d); before that commit it is %s(%d)",
					seq, a.scope, a.found, a.count, found, len(want))
			}
		}
		for _, change := range c.Changes {
			if delete(all, change.ID); change.After != nil {
				all[change.ID] = change.After
			}
		}
	}
	if len(answers) < 20 || len(all) != len(newest) {
		t.Fatalf("%d commits lead to %d things, not %d", len(answers), len(all), len(newest))
	}
	for id, img := range newest {
		if all[id] == nil || all[id].Version != img.Version {
			t.Errorf("%s is of commit %d, and the commits lead to %v", id, img.Version, all[id])
		}
	}
}

// A question conflicts with the changes that could change its answer, whether an index
// serves it or not.
func TestQuestionsConflictWithWhatTouchesThem(t *testing.T) {
	m := querytest.NewModels(t)
	st := querytest.OpenStore(t, m, store.Options{})
	four := make([]*querytest.Thing, 4)
	for i := range four {
		four[i] = &querytest.Thing{Count: i, Size: uint8(i), Title: fmt.Sprint("t", i)}
		querytest.Create(t, st, m.Things, four[i])
	}
	for _, c := range []struct {
		name     string
		question querytest.Question
		change   func(*querytest.Thing) // of a thing with Count and Size 2; nil creates one
		conflict bool
	}{
		{"an index, and a record in the range", querytest.Question{Where: map[string]any{"count": map[string]any{"gte": 2.0}}}, func(x *querytest.Thing) { x.Ratio++ }, true},
		{"an index, and a record that leaves", querytest.Question{Where: map[string]any{"count": map[string]any{"gte": 2.0}}}, func(x *querytest.Thing) { x.Count = 0 }, true},
		{"an index, and a record elsewhere", querytest.Question{Where: map[string]any{"count": 1.0}}, func(x *querytest.Thing) { x.Ratio++ }, false},
		{"an index, and a phantom", querytest.Question{Where: map[string]any{"count": 2.0}}, nil, true},
		{"an index, and a new record elsewhere", querytest.Question{Where: map[string]any{"count": 1.0}}, nil, false},
		{"no index, and a record of it", querytest.Question{Where: map[string]any{"size": 2.0}}, func(x *querytest.Thing) { x.Ratio++ }, true},
		{"no index, and a record that comes", querytest.Question{Where: map[string]any{"size": 7.0}}, func(x *querytest.Thing) { x.Size = 7 }, true},
		{"no index, and a record that leaves", querytest.Question{Where: map[string]any{"size": 2.0}}, func(x *querytest.Thing) { x.Size = 7 }, true},
		{"no index, and a record elsewhere", querytest.Question{Where: map[string]any{"size": 1.0}}, func(x *querytest.Thing) { x.Ratio++ }, false},
		{"no index, and a phantom", querytest.Question{Where: map[string]any{"size": 2.0}}, nil, true},
		{"no index, and a new record elsewhere", querytest.Question{Where: map[string]any{"size": 1.0}}, nil, false},
		{"an index and more, and a record that fits one only", querytest.Question{Where: map[string]any{"count": 2.0, "title": "t9"}}, func(x *querytest.Thing) { x.Ratio++ }, false},
		{"all", querytest.Question{}, nil, true},
		{"the first in order, and one behind it", querytest.Question{Order: []string{"count"}, Limit: 1}, func(x *querytest.Thing) { x.Ratio++ }, false},
		{"the first in order, and one that comes before", querytest.Question{Order: []string{"count"}, Limit: 1}, func(x *querytest.Thing) { x.Count = -1 }, true},
		{"the last in order, and a phantom behind it", querytest.Question{Order: []string{"-count"}, Limit: 1}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			two := *four[2]
			querytest.Commit(t, st, func(tx *store.Tx) error { // restore the initial state
				_, err := tx.Update(m.Things, two.ID, func(rec any) error {
					fresh := two
					fresh.Record = rec.(*querytest.Thing).Record
					*rec.(*querytest.Thing) = fresh
					return nil
				})
				return err
			})
			fetched, counted := st.Begin("fetched"), st.Begin("counted")
			scope := scopeOf(t, &c.question, m.Things)
			err := fetched.View(t.Context(), func(snap *store.Snapshot) error { _, err := query.Fetch(snap, scope); return err })
			err2 := counted.View(t.Context(), func(snap *store.Snapshot) error { _, err := query.Count(snap, scope); return err })
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			var made record.ID
			querytest.Commit(t, st, func(tx *store.Tx) error {
				if c.change == nil {
					x := &querytest.Thing{Count: 2, Size: 2}
					_, err := tx.Create(m.Things, x)
					made = x.ID
					return err
				}
				_, err := tx.Update(m.Things, two.ID, func(rec any) error { c.change(rec.(*querytest.Thing)); return nil })
				return err
			})
			for _, tx := range []*store.Tx{fetched, counted} {
				if tx == counted && c.question.Limit > 0 {
					continue // a count up to the limit may follow from any of them
				}
				if _, err := tx.Create(m.Users, &querytest.User{Name: c.name + fmt.Sprint(tx == counted)}); err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Commit(t.Context()); errors.Is(err, store.ErrConflict) != c.conflict || err != nil && !c.conflict {
					t.Errorf("counted %t: %v", tx == counted, err)
				}
			}
			if made != "" {
				querytest.Commit(t, st, func(tx *store.Tx) error { return tx.Delete(m.Things, made) })
			}
		})
	}
}
