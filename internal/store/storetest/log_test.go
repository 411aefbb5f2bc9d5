package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/store"
)

func open(l *Log) func() store.Log { return func() store.Log { return l.Node() } }

func TestConform(t *testing.T) {
	Conform(t, func(*testing.T) func() store.Log { return open(NewLog()) })
}

// TestConformWithSnapshots keeps so few commits that stores begin with a snapshot.
func TestConformWithSnapshots(t *testing.T) {
	l := NewLog()
	l.Keep = 5
	testLateAndAbsent(t, &suite{t, open(l)})
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

// TestALogThatCannotBeReached fails writes, says so, and hinders no reads.
func TestALogThatCannotBeReached(t *testing.T) {
	l := NewLog()
	var away atomic.Bool
	gone := errors.New("the log cannot be reached")
	l.Fail = func(Point) error {
		if away.Load() {
			return gone
		}
		return nil
	}
	m := (&suite{t, open(l)}).open()
	id := m.create("a", "g").ID
	away.Store(true)
	if err := m.add(id); !errors.Is(err, gone) {
		t.Errorf("a write: %v", err)
	}
	if balance, groups := m.balances(id); balance != 0 || groups["g"] != 1 {
		t.Errorf("balance %d, groups %v", balance, groups)
	}
	away.Store(false)
	if err := m.add(id); err != nil {
		t.Error(err)
	}
}
