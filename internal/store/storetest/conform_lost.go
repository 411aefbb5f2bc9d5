package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// ConformLosses tests a kind of log that may lose commits. open makes an empty log and
// returns, beside what it returns for [Conform], two functions: keep has the log remember its
// state, and lose takes it back to that, as a failover to a server does that lacks what was
// appended since.
func ConformLosses(t *testing.T, open func(t *testing.T) (log func() store.Log, keep, lose func())) {
	for name, test := range map[string]func(*testing.T, *losing){
		"AheadOfTheFork":  testAhead,
		"NothingIsLost":   testNothingLost,
		"OthersWereFirst": testOthersFirst,
		"AtTheStart":      testLostAtStart,
		"Transactions":    testLostTransactions,
	} {
		t.Run(name, func(t *testing.T) {
			log, keep, lose := open(t)
			test(t, &losing{suite{t: t, log: log}, keep, lose})
		})
	}
}

type losing struct {
	suite
	keep, lose func()
}

// catchUp waits until each member has what the others have. One that is ahead of a fork may
// make a commit of its own.
func catchUp(members ...*member) {
	for range 2 {
		for _, m := range members {
			m.t.Helper()
			if err := m.Reach(m.t.Context(), math.MaxUint64); !errors.Is(err, store.ErrNoCommit) {
				m.t.Fatal(err)
			}
		}
	}
}

// equal fails the test unless all members hold the same.
func (s *losing) equal(members ...*member) {
	s.t.Helper()
	from := uint64(1)
	for _, m := range members {
		from = max(from, m.LogStart())
	}
	first := members[0].holds(from)
	for i, m := range members[1:] {
		if other := m.holds(from); !bytes.Equal(first, other) {
			at := 0
			for at < min(len(first), len(other)) && first[at] == other[at] {
				at++
			}
			s.t.Errorf("store %d of %d commits holds\n%.200s\nwhere store 0 of %d holds\n%.200s", i+1, m.Seq(), other[at:], members[0].Seq(), first[at:])
		}
	}
}

// testAhead lets stores have commits that the log loses. They go back, and what was lost is
// no commit of the history for anybody.
func testAhead(t *testing.T, s *losing) {
	a, b := s.open(), s.open()
	hot := a.create("hot", "kept").ID
	a.create("kept", "kept")
	catchUp(a, b)
	s.keep()
	fork := a.Seq()
	feed := a.Feed(fork + 2)
	lost := []uint64{a.create("lost", "lost").Version}
	if err := a.add(hot); err != nil {
		t.Fatal(err)
	}
	lost = append(lost, a.Seq())
	b.reach(a)
	if !a.once(record.NewID()) {
		t.Fatal("a call of a new key did not take effect")
	}
	s.lose()
	if a.create("kept again", "kept") == nil || b.create("lost", "kept") == nil {
		t.Error("a value of a record that was lost is still taken")
	}
	catchUp(a, b)
	for _, m := range []*member{a, b} {
		if balance, groups := m.balances(hot); balance != 0 || groups["kept"] != 4 || len(groups) != 1 {
			t.Errorf("balance %d, groups %v", balance, groups)
		}
		if err := m.Reach(t.Context(), fork); err != nil {
			t.Errorf("the fork: %v", err)
		}
		for _, seq := range lost {
			if err := m.Reach(t.Context(), seq); !errors.Is(err, store.ErrNoCommit) {
				t.Errorf("the lost commit %d: %v", seq, err)
			}
			if c, err := m.CommitAt(t.Context(), seq); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the lost commit %d: %+v, %v", seq, c, err)
			}
		}
		if before := m.Before(m.Seq()); m.Before(before) < fork && before != fork {
			t.Errorf("before %d comes %d", m.Seq(), before)
		}
		if n := m.Count(0, m.Seq()); n < fork+2 || n > fork+4 {
			t.Errorf("there are %d commits", n)
		}
		if err := m.ViewAt(t.Context(), fork, func(*store.Snapshot) error { return nil }); err != nil {
			t.Errorf("the state of the fork: %v", err)
		}
	}
	if c, err := feed.Next(t.Context()); !errors.Is(err, store.ErrNoCommit) || !errors.Is(err, store.ErrExpired) {
		t.Errorf("a feed that has come to a lost commit goes on with %+v, %v", c, err)
	}
	s.equal(a, b, s.open())
}

// testNothingLost begins a lineage after all that was appended. Who has a position keeps it.
func testNothingLost(t *testing.T, s *losing) {
	a, b := s.open(), s.open()
	id := a.create("a", "g").ID
	catchUp(a, b)
	s.keep()
	fork := a.Seq()
	feed := b.Feed(fork)
	s.lose()
	if err := a.add(id); err != nil {
		t.Fatal(err)
	}
	catchUp(a, b)
	c, err := feed.Next(t.Context())
	if err != nil || c.Seq != a.Seq() || len(c.Changes) != 1 {
		t.Errorf("the feed goes on with %+v, %v; the newest is %d", c, err, a.Seq())
	}
	if n := b.Count(0, b.Seq()); n != fork+1 {
		t.Errorf("there are %d commits, want %d", n, fork+1)
	}
	if err := b.Reach(t.Context(), fork); err != nil {
		t.Error(err)
	}
	s.equal(a, b, s.open())
}

// testOthersFirst lets one store append to the new lineage before the other, which is ahead of
// the fork, has noticed it.
func testOthersFirst(t *testing.T, s *losing) {
	a := s.open()
	id := a.create("a", "g").ID
	s.keep()
	for range 5 {
		if err := a.add(id); err != nil {
			t.Fatal(err)
		}
	}
	path := a.path
	lost := a.Seq()
	a.close()
	s.lose()
	b := s.open()
	for range 8 {
		if err := b.add(id); err != nil {
			t.Fatal(err)
		}
	}
	a = s.openAt(path)
	catchUp(a, b)
	if balance, _ := a.balances(id); balance != 8 {
		t.Errorf("the balance is %d", balance)
	}
	for _, m := range []*member{a, b} {
		if err := m.Reach(t.Context(), lost); !errors.Is(err, store.ErrNoCommit) {
			t.Errorf("the lost commit: %v", err)
		}
	}
	s.equal(a, b)
}

// testLostAtStart opens the file of a store that is ahead, alone.
func testLostAtStart(t *testing.T, s *losing) {
	a := s.open()
	s.keep()
	a.create("a", "g")
	path, lost := a.path, a.Seq()
	a.close()
	s.lose()
	a = s.openAt(path)
	if _, groups := a.balances(""); len(groups) != 0 {
		t.Errorf("it has %v", groups)
	}
	if a.Seq() <= lost {
		t.Errorf("its newest commit is %d, and %d was lost", a.Seq(), lost)
	}
	if err := a.Reach(t.Context(), lost); !errors.Is(err, store.ErrNoCommit) {
		t.Errorf("the lost commit: %v", err)
	}
	s.equal(a, s.open())
}

// RandomLosses lets stores write, come and go, while the log loses commits again and again. open is that of
// [ConformLosses].
func RandomLosses(t *testing.T, open func(t *testing.T) (log func() store.Log, keep, lose func())) {
	log, keep, lose := open(t)
	s := &losing{suite{t: t, log: log}, keep, lose}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	members := []*member{s.open(), s.open(), s.open()}
	seen := map[uint64]string{} // what a number has stood for
	for round := range 3 {
		write := func() {
			for range random.IntN(6) {
				m := members[random.IntN(len(members))]
				image := m.create(fmt.Sprint("owner", random.IntN(30)), fmt.Sprint("g", random.IntN(3)))
				if image == nil {
					continue
				}
				if was := seen[image.Version]; was != "" && was != string(image.ID) {
					t.Fatalf("commit %d has two meanings", image.Version)
				}
				seen[image.Version] = string(image.ID)
			}
		}
		write()
		s.keep()
		write()
		if i := random.IntN(len(members)); random.IntN(2) == 0 {
			path := members[i].path
			members[i].close()
			s.lose()
			write2 := members[(i+1)%len(members)].create(fmt.Sprint("round", round), "g")
			if write2 == nil {
				t.Error("a new owner was refused")
			}
			members[i] = s.openAt(path)
		} else {
			s.lose()
		}
		write()
		catchUp(members...)
		s.equal(members...)
	}
	s.equal(append(members, s.open())...)
}

// testLostTransactions lets transactions commit that have read what was lost.
func testLostTransactions(t *testing.T, s *losing) {
	a, b := s.open(), s.open()
	id := a.create("a", "g").ID
	catchUp(a, b)
	s.keep()
	if err := a.add(id); err != nil {
		t.Fatal(err)
	}
	a.create("lost", "g")
	b.reach(a)
	got, scanned := b.Begin("test"), b.Begin("test")
	if _, err := got.Update(b.accounts, id, func(v any) error { v.(*account).Balance += 10; return nil }); err != nil {
		t.Fatal(err)
	}
	count := 0
	if err := scanned.View(t.Context(), func(snap *store.Snapshot) error {
		return snap.Scan(b.accounts, store.Range{Index: b.accounts.Field("group")}, func(*record.Image) bool { count++; return true })
	}); err != nil || count != 2 {
		t.Fatalf("%d accounts, %v", count, err)
	}
	if _, err := scanned.Create(b.accounts, &account{Owner: fmt.Sprint(count)}); err != nil {
		t.Fatal(err)
	}
	s.lose()
	for _, tx := range []*store.Tx{got, scanned} {
		if c, err := tx.Commit(context.Background()); !errors.Is(err, store.ErrConflict) {
			t.Errorf("after what it has read was lost: %+v, %v", c, err)
		}
	}
	if balance, _ := b.balances(id); balance != 0 {
		t.Errorf("the balance is %d", balance)
	}
}
