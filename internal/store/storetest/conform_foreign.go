package storetest

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Program writes the accounts of the suite to the tables of a log as other programs do, each
// time in a transaction of its own.
type Program interface {
	// Put makes an account, or changes its owner and its group.
	Put(id record.ID, owner, group string) error
	// Add adds one to an account's balance in the tables.
	Add(id record.ID) error
	Delete(id record.ID) error
}

// ConformForeign tests a kind of log whose tables other programs write to. open makes an empty
// log like that of [Conform]. begin is called when a store has opened it.
func ConformForeign(t *testing.T, open func(t *testing.T) (log func() store.Log, begin func(accounts *record.Model) Program)) {
	for name, test := range map[string]func(*testing.T, *suite, func(*record.Model) Program){
		"Adopts":       testAdopts,
		"HotRow":       testHotRow,
		"WithoutNodes": testWithoutNodes,
		"BeforeAll":    testBeforeAll,
	} {
		t.Run(name, func(t *testing.T) {
			log, begin := open(t)
			test(t, &suite{t, log}, begin)
		})
	}
}

// accounts returns all accounts of a store, by id.
func (m *member) all() map[record.ID]account {
	m.t.Helper()
	all := map[record.ID]account{}
	err := m.View(m.t.Context(), func(snap *store.Snapshot) error {
		return snap.Scan(m.accounts, store.Range{}, func(image *record.Image) bool {
			v, err := image.Record()
			if err != nil {
				m.t.Error(err)
				return false
			}
			all[image.ID] = *v.(*account)
			return true
		})
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return all
}

// settled waits until the stores have numbered what programs have written, and all have it.
func settled(t *testing.T, members ...*member) {
	t.Helper()
	// A commit of each store comes after all that programs have written before.
	for _, m := range members {
		if _, err := m.Note(t.Context(), "settled"); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range members {
		for _, other := range members {
			m.reach(other)
		}
	}
}

// testAdopts makes, changes and deletes records in another program. Each is one commit, by
// another program, in the feed of each store.
func testAdopts(t *testing.T, s *suite, begin func(*record.Model) Program) {
	a, b := s.open(), s.open()
	p := begin(a.accounts)
	feed := b.Feed(b.Seq())
	id := record.NewID()
	next := func(op store.Op) store.Change {
		t.Helper()
		c, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.By != store.AnotherProgram || len(c.Changes) != 1 || c.Changes[0].ID != id || c.Changes[0].Op != op {
			t.Fatalf("the feed has %+v", c)
		}
		return c.Changes[0]
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(p.Put(id, "ada", "g"))
	made := next(store.Create)
	must(a.Reach(t.Context(), b.Seq()))
	if got := a.all()[id]; got.Owner != "ada" || got.Group != "g" {
		t.Errorf("the store has %+v", got)
	}
	must(a.add(id))
	if c, err := feed.Next(t.Context()); err != nil || c.By != "test" {
		t.Fatalf("%+v, %v", c, err)
	}
	must(p.Put(id, "bob", "h"))
	changed := next(store.Update)
	if got, err := changed.After.Record(); err != nil || got.(*account).Balance != 1 || got.(*account).Owner != "bob" {
		t.Errorf("it was changed to %s, %v", changed.After.JSON, err)
	}
	if bytes.Equal(made.After.JSON, changed.After.JSON) {
		t.Error("nothing was changed")
	}
	if b.create("bob", "g") != nil {
		t.Error("the owner of another program's account was given a second one")
	}
	must(p.Delete(id))
	next(store.Delete)
	if b.create("bob", "g") == nil {
		t.Error("the owner is free, and was refused")
	}
	settled(t, a, b)
	late := s.open()
	if got, want := late.holds(late.LogStart()), a.holds(late.LogStart()); !bytes.Equal(got, want) {
		t.Errorf("a late store has\n%s\nwant\n%s", got, want)
	}
}

// testHotRow adds to one balance in stores and in programs at once. No addition is lost.
func testHotRow(t *testing.T, s *suite, begin func(*record.Model) Program) {
	members := []*member{s.open(), s.open()}
	p := begin(members[0].accounts)
	hot := members[0].create("hot", "g").ID
	members[1].reach(members[0])
	var added atomic.Int64
	var all sync.WaitGroup
	for _, m := range members {
		for range 3 {
			all.Go(func() {
				for range 15 {
					switch err := m.add(hot); {
					case err == nil:
						added.Add(1)
					case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrMoved):
						t.Error(err)
					}
				}
			})
		}
	}
	for range 2 {
		all.Go(func() {
			for range 25 {
				if err := p.Add(hot); err != nil {
					t.Error(err)
					return
				}
				added.Add(1)
			}
		})
	}
	all.Wait()
	settled(t, members...)
	members = append(members, s.open())
	want := members[0].holds(1)
	for i, m := range members {
		if balance := m.all()[hot].Balance; int64(balance) != added.Load() {
			t.Errorf("%d was added, store %d has %d", added.Load(), i, balance)
		}
		if got := m.holds(1); !bytes.Equal(got, want) {
			t.Errorf("store %d has\n%s\nwant\n%s", i, got, want)
		}
	}
}

// testWithoutNodes writes while no store is open. The first one that opens numbers it.
func testWithoutNodes(t *testing.T, s *suite, begin func(*record.Model) Program) {
	a := s.open()
	p := begin(a.accounts)
	id := a.create("a", "g").ID
	seq := a.Seq()
	a.close()
	if err := errors.Join(p.Add(id), p.Add(id)); err != nil {
		t.Fatal(err)
	}
	b := s.open()
	settled(t, b)
	if got := b.all()[id].Balance; got != 2 || b.Seq() != seq+3 {
		t.Errorf("the balance is %d, at commit %d after %d", got, b.Seq(), seq)
	}
}

// testBeforeAll writes while no store is open. The first one that opens has no file: it builds
// its replica without what has no number, and numbers it then.
func testBeforeAll(t *testing.T, s *suite, begin func(*record.Model) Program) {
	a := s.open()
	p := begin(a.accounts)
	changed, deleted, made, brief := a.create("changed", "g").ID, a.create("deleted", "g").ID, record.NewID(), record.NewID()
	foreign := record.NewID()
	if err := p.Put(foreign, "foreign", "g"); err != nil {
		t.Fatal(err)
	}
	settled(t, a)
	seq := a.Seq()
	a.close()
	if err := errors.Join(p.Add(changed), p.Put(made, "made", "h"), p.Add(changed), p.Delete(deleted), p.Put(brief, "brief", "h"), p.Delete(brief), p.Delete(foreign)); err != nil {
		t.Fatal(err)
	}
	b := s.open()
	feed := b.Feed(seq)
	settled(t, b)
	want := []struct {
		op store.Op
		id record.ID
	}{{store.Update, changed}, {store.Create, made}, {store.Update, changed}, {store.Delete, deleted}, {store.Create, brief}, {store.Delete, brief}, {store.Delete, foreign}}
	for _, w := range want {
		c, err := feed.Next(t.Context())
		if err != nil || len(c.Changes) != 1 || c.Changes[0].Op != w.op || c.Changes[0].ID != w.id {
			t.Errorf("the feed has %+v, want %v of %s: %v", c, w.op, w.id, err)
		}
	}
	a = s.openAt(a.path)
	settled(t, a, b)
	if got, want := b.holds(1), a.holds(1); !bytes.Equal(got, want) {
		t.Errorf("the store that was built has\n%s\nwant\n%s", got, want)
	}
}
