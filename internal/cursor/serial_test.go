package cursor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An asked is what a transaction asked, and what it was told.
type asked struct {
	question question
	scope    Scope
	found    string
	count    int
}

// ask asks at random, and returns how many records there were.
func ask(t testing.TB, tx *store.Tx, m *record.Model, q question) (asked, error) {
	a := asked{question: q, scope: scopeOf(t, &q, m)}
	err := tx.View(context.Background(), func(snap *store.Snapshot) error {
		images, err := Fetch(snap, a.scope)
		a.found = describeImages(images)
		return err
	})
	if err == nil { // the count may be of a later state: what was found must be so still
		err = tx.View(context.Background(), func(snap *store.Snapshot) (err error) {
			a.count, err = Count(snap, a.scope)
			return err
		})
	}
	return a, err
}

// writeBy changes a thing, makes or deletes one, by what was counted.
func writeBy(r *rand.Rand, tx *store.Tx, m *record.Model, n int, ids, users []record.ID) error {
	var err error
	switch id := pick(r, ids); r.IntN(6) {
	case 0:
		x := &thing{}
		x.fill(r, users)
		x.Slug = nil
		x.Count = n
		_, err = tx.Create(m, x)
	case 1:
		err = tx.Delete(m, id)
	default:
		_, err = tx.Update(m, id, func(rec any) error {
			x := rec.(*thing)
			x.touch(r, users)
			x.Slug, x.Codes = nil, []int{n, r.Int()}
			return nil
		})
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Whatever transactions ask at the same time, each was told what it would have
// been told alone, in the order of the commits.
func TestTransactionsAreSerial(t *testing.T) {
	r, m := seeded(t), newModels(t)
	st := openStore(t, m, store.Options{})
	users, ids := fillStore(t, r, st, m, 60)
	from := st.Seq()

	var mu sync.Mutex
	told := map[uint64][]asked{}
	transact := func(r *rand.Rand) {
		var all []asked
		seed := r.Uint64()
		c, err := st.Update(context.Background(), "test", func(tx *store.Tx) error {
			r := rand.New(rand.NewPCG(seed, 0)) // a further try asks the same
			all = nil
			for range 1 + r.IntN(3) {
				a, err := ask(t, tx, m.things, randomQuestion(r, ids, users))
				if err != nil {
					return err
				}
				all = append(all, a)
			}
			return writeBy(r, tx, m.things, all[0].count, ids, users)
		})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if told[c.Seq] = all; c.Seq == 0 {
			delete(told, 0)
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
	replay(t, st, m.things, from, told)
}

// replay follows the commits after from, and asks before each what its
// transaction asked.
func replay(t *testing.T, st *store.Store, m *record.Model, from uint64, told map[uint64][]asked) {
	t.Helper()
	var all, newest map[record.ID]*record.Image
	ctx := context.Background()
	view := func(seq uint64, into *map[record.ID]*record.Image) {
		if err := st.ViewAt(ctx, seq, func(snap *store.Snapshot) error { *into = everything(t, snap, m); return nil }); err != nil {
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
		for _, a := range told[seq] {
			want := a.question.answer(all)
			if found := describeImages(want); a.found != found || a.count != len(want) {
				t.Fatalf("the transaction of commit %d asked for %s and was told %s(%d); before that commit it is %s(%d)",
					seq, a.scope, a.found, a.count, found, len(want))
			}
		}
		for _, change := range c.Changes {
			if delete(all, change.ID); change.After != nil {
				all[change.ID] = change.After
			}
		}
	}
	if len(told) < 20 || len(all) != len(newest) {
		t.Fatalf("%d commits lead to %d things, not %d", len(told), len(all), len(newest))
	}
	for id, img := range newest {
		if all[id] == nil || all[id].Version != img.Version {
			t.Errorf("%s is of commit %d, and the commits lead to %v", id, img.Version, all[id])
		}
	}
}

// A question conflicts with those changes that could change its answer, whether
// there is an index for it or not.
func TestQuestionsConflictWithWhatTouchesThem(t *testing.T) {
	m := newModels(t)
	st := openStore(t, m, store.Options{})
	four := make([]*thing, 4)
	for i := range four {
		four[i] = &thing{Count: i, Size: uint8(i), Title: fmt.Sprint("t", i)}
		create(t, st, m.things, four[i])
	}
	for _, c := range []struct {
		name     string
		question question
		change   func(*thing) // of a thing with Count and Size 2; nil creates such a one
		conflict bool
	}{
		{"an index, and a record in the range", question{where: map[string]any{"count": map[string]any{"gte": 2.0}}}, func(x *thing) { x.Ratio++ }, true},
		{"an index, and a record that leaves", question{where: map[string]any{"count": map[string]any{"gte": 2.0}}}, func(x *thing) { x.Count = 0 }, true},
		{"an index, and a record elsewhere", question{where: map[string]any{"count": 1.0}}, func(x *thing) { x.Ratio++ }, false},
		{"an index, and a phantom", question{where: map[string]any{"count": 2.0}}, nil, true},
		{"an index, and a new record elsewhere", question{where: map[string]any{"count": 1.0}}, nil, false},
		{"no index, and a record of it", question{where: map[string]any{"size": 2.0}}, func(x *thing) { x.Ratio++ }, true},
		{"no index, and a record that comes", question{where: map[string]any{"size": 7.0}}, func(x *thing) { x.Size = 7 }, true},
		{"no index, and a record that leaves", question{where: map[string]any{"size": 2.0}}, func(x *thing) { x.Size = 7 }, true},
		{"no index, and a record elsewhere", question{where: map[string]any{"size": 1.0}}, func(x *thing) { x.Ratio++ }, false},
		{"no index, and a phantom", question{where: map[string]any{"size": 2.0}}, nil, true},
		{"no index, and a new record elsewhere", question{where: map[string]any{"size": 1.0}}, nil, false},
		{"an index and more, and a record that fits one only", question{where: map[string]any{"count": 2.0, "title": "t9"}}, func(x *thing) { x.Ratio++ }, false},
		{"all", question{}, nil, true},
		{"the first in order, and one behind it", question{order: []string{"count"}, limit: 1}, func(x *thing) { x.Ratio++ }, false},
		{"the first in order, and one that comes before", question{order: []string{"count"}, limit: 1}, func(x *thing) { x.Count = -1 }, true},
		{"the last in order, and a phantom behind it", question{order: []string{"-count"}, limit: 1}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			two := *four[2]
			commit(t, st, func(tx *store.Tx) error { // as it was in the beginning
				_, err := tx.Update(m.things, two.ID, func(rec any) error {
					fresh := two
					fresh.Record = rec.(*thing).Record
					*rec.(*thing) = fresh
					return nil
				})
				return err
			})
			fetched, counted := st.Begin("fetched"), st.Begin("counted")
			scope := scopeOf(t, &c.question, m.things)
			err := fetched.View(t.Context(), func(snap *store.Snapshot) error { _, err := Fetch(snap, scope); return err })
			err2 := counted.View(t.Context(), func(snap *store.Snapshot) error { _, err := Count(snap, scope); return err })
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			var made record.ID
			commit(t, st, func(tx *store.Tx) error {
				if c.change == nil {
					x := &thing{Count: 2, Size: 2}
					_, err := tx.Create(m.things, x)
					made = x.ID
					return err
				}
				_, err := tx.Update(m.things, two.ID, func(rec any) error { c.change(rec.(*thing)); return nil })
				return err
			})
			for _, tx := range []*store.Tx{fetched, counted} {
				if tx == counted && c.question.limit > 0 {
					continue // how many there are, up to the limit, may be told from any of them
				}
				if _, err := tx.Create(m.users, &user{Name: c.name + fmt.Sprint(tx == counted)}); err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Commit(t.Context()); errors.Is(err, store.ErrConflict) != c.conflict || err != nil && !c.conflict {
					t.Errorf("counted %t: %v", tx == counted, err)
				}
			}
			if made != "" {
				commit(t, st, func(tx *store.Tx) error { return tx.Delete(m.things, made) })
			}
		})
	}
}
