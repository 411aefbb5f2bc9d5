package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

func open(l *Log) func() store.Log { return func() store.Log { return l.Node() } }

func TestConform(t *testing.T) {
	Conform(t, func(*testing.T) func() store.Log { return open(NewLog()) })
}

func TestConverges(t *testing.T) {
	Converges(t, func(*testing.T) func() store.Log { return open(NewLog()) })
}

// TestConformWithSnapshots keeps so few commits that stores begin with a snapshot.
func TestConformWithSnapshots(t *testing.T) {
	l := NewLog()
	l.Keep = 5
	testLateAndAbsent(t, &suite{t, open(l)})
}

// TestTheLogIsAwayInDoubt has a log break while it appends, and stay away. Who comes then is refused
// as soon as others are whom a log keeps waiting.
func TestTheLogIsAwayInDoubt(t *testing.T) {
	l := NewLog()
	var breaks, away atomic.Bool
	doubt := make(chan struct{})
	l.Fail = func(p Point) error {
		switch {
		case p == AfterAppend && breaks.CompareAndSwap(true, false):
			away.Store(true)
			close(doubt)
			return store.ErrUnknown
		case p == BeforeTurn && away.Load():
			return store.ErrAway
		}
		return nil
	}
	accounts, err := record.NewModel("accounts", &account{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "replica.db"), store.Options{Models: []*record.Model{accounts}, Log: l.Node(), LogWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	create := func(owner string) error {
		_, err := s.Update(context.Background(), "test", func(tx *store.Tx) error {
			_, err := tx.Create(accounts, &account{Owner: owner})
			return err
		})
		return err
	}
	if err := create("a"); err != nil {
		t.Fatal(err)
	}
	breaks.Store(true)
	first := make(chan error, 1)
	go func() { first <- create("b") }()
	<-doubt
	if err := create("c"); !errors.Is(err, store.ErrAway) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("who came then is told %v", err)
	}
	select {
	case err := <-first:
		t.Errorf("what is in doubt was answered: %v", err)
	default:
	}
	away.Store(false)
	if err := <-first; err != nil {
		t.Errorf("the log has the commit, and it says %v", err)
	}
	if err := create("c"); err != nil {
		t.Error(err)
	}
}

// TestTurnsAreLost fails turns at every point. What was acknowledged is there once, and what
// failed is not there.
func TestTurnsAreLost(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	l := NewLog()
	var failing atomic.Bool
	l.Fail = func(p Point) error {
		mu.Lock()
		defer mu.Unlock()
		if !failing.Load() || random.IntN(3) > 0 {
			return nil
		}
		switch p {
		case BeforeAppend:
			return []error{store.ErrMoved, store.ErrUnknown}[random.IntN(2)]
		case AfterAppend:
			return store.ErrUnknown
		}
		return nil
	}
	s := &suite{t, open(l)}
	members := []*member{s.open(), s.open()}
	id := members[0].create("a", "g").ID
	members[1].reach(members[0])
	failing.Store(true)
	var added, failed atomic.Int64
	var all sync.WaitGroup
	for i, m := range members {
		for w := range 3 {
			all.Go(func() {
				for k := range 15 {
					if k%3 == 0 && m.create(fmt.Sprint(i, w, k), "g") == nil {
						t.Error("a new owner was refused")
					}
					if err := m.add(id); err == nil {
						added.Add(1)
					} else {
						failed.Add(1)
					}
				}
			})
		}
	}
	all.Wait()
	failing.Store(false)
	for _, m := range members {
		for _, other := range members {
			m.reach(other)
		}
	}
	balance, groups := members[0].balances(id)
	if int64(balance) != added.Load() || groups["g"] != 1+2*3*5 {
		t.Errorf("%d were acknowledged, and the balance is %d; there are %d accounts; %d failed", added.Load(), balance, groups["g"], failed.Load())
	}
	if a, b := members[0].holds(1), members[1].holds(1); !bytes.Equal(a, b) {
		t.Errorf("they differ:\n%s\n%s", a, b)
	}
}

// TestALogThatCannotBeReached lets writes wait, and fails those that have waited for too
// long. It says so, and hinders no reads.
func TestALogThatCannotBeReached(t *testing.T) {
	l := NewLog()
	n := l.Node()
	m := (&suite{t, func() store.Log { return n }}).open()
	id := m.create("a", "g").ID
	gone := errors.New("the network is down")
	n.Away(gone)
	if err := m.add(id); !errors.Is(err, store.ErrAway) || !errors.Is(err, gone) {
		t.Errorf("a write: %v", err)
	}
	if err := m.Following(); !errors.Is(err, gone) {
		t.Errorf("the store follows: %v", err)
	}
	if lag := m.Lag(); lag < time.Second {
		t.Errorf("it has had all commits %s ago", lag)
	}
	if err := m.Reach(t.Context(), m.Seq()+1); !errors.Is(err, gone) {
		t.Errorf("a commit that it cannot have: %v", err)
	}
	if balance, groups := m.balances(id); balance != 0 || groups["g"] != 1 {
		t.Errorf("balance %d, groups %v", balance, groups)
	}
	added := make(chan error, 3)
	for range cap(added) {
		go func() { added <- m.add(id) }()
	}
	n.Away(nil)
	for range cap(added) {
		if err := <-added; err != nil && !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
	}
	if err := m.add(id); err != nil {
		t.Error(err)
	}
}

// TestAnAnswerWaitsForTheLog keeps the answer of a call that could not be written.
func TestAnAnswerWaitsForTheLog(t *testing.T) {
	l := NewLog()
	n := l.Node()
	a, b := (&suite{t, func() store.Log { return n }}).open(), (&suite{t, open(l)}).open()
	key := record.NewID()
	attempt, err := store.NewAttempt("user", key)
	if err != nil {
		t.Fatal(err)
	}
	tx := a.Begin("once")
	tx.SetAttempt(attempt)
	if _, err := tx.Create(a.accounts, &account{Owner: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := a.create("b", "g").ID
	n.Away(errors.New("the network is down"))
	a.SaveAnswer(attempt, []byte("the answer"))
	if err := a.add(id); !errors.Is(err, store.ErrAway) { // it would have taken the answer along
		t.Fatal(err)
	}
	n.Away(nil)
	b.reach(a)
	again, err := store.NewAttempt("user", key)
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; <-time.After(10 * time.Millisecond) {
		applied, err := b.Applied(again)
		if err != nil || applied == nil {
			t.Fatalf("%v, %v", applied, err)
		}
		if string(applied.Answer) == "the answer" {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatal("the answer is lost")
		}
	}
}

func TestConformRegistry(t *testing.T) {
	ConformRegistry(t, func(*testing.T) (a, b nodes.Registry) {
		l := NewLog()
		return l.Node(), l.Node()
	})
}

func TestConformForeign(t *testing.T) {
	ConformForeign(t, func(*testing.T) (func() store.Log, func(*record.Model) Program) {
		l := NewLog()
		return open(l), l.Program
	})
}

func TestConformLosses(t *testing.T) {
	ConformLosses(t, openLosing)
}

func TestRandomLosses(t *testing.T) { RandomLosses(t, openLosing) }

func openLosing(*testing.T) (log func() store.Log, keep, lose func()) {
	l, kept := NewLog(), 0
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.entries)
	}
	return open(l), func() { kept = count() }, func() { l.Lose(count() - kept) }
}
