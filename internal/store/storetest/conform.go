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

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An account is a record of the suite.
type account struct {
	record.Record
	Owner   string `json:"owner" tower:"unique"`
	Group   string `json:"group" tower:"index"`
	Balance int    `json:"balance"`
	Secret  string `json:"secret" tower:"private"`
}

// Conform tests a kind of log. open makes an empty log, and returns a function that returns
// it once more for each store that shares it.
func Conform(t *testing.T, open func(t *testing.T) func() store.Log) {
	for name, test := range map[string]func(*testing.T, *suite){
		"Answers":        testAnswers,
		"Reach":          testReach,
		"LateAndAbsent":  testLateAndAbsent,
		"FilesOfTheLog":  testFiles,
		"FollowsAtRest":  testFollows,
		"ConflictsStand": testConflicts,
		"Marks":          testMarks,
		"Secrets":        testSecrets,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{t: t, log: open(t)}
			test(t, s)
		})
	}
}

// A suite opens the stores of a test.
type suite struct {
	t   *testing.T
	log func() store.Log
}

// A member is a store that shares the log.
type member struct {
	*store.Store
	t        *testing.T
	path     string
	accounts *record.Model
}

func (s *suite) open() *member {
	s.t.Helper()
	return s.openAt(filepath.Join(s.t.TempDir(), "replica.db"))
}

func (s *suite) openAt(path string) *member {
	s.t.Helper()
	accounts, err := record.NewModel("accounts", &account{})
	if err != nil {
		s.t.Fatal(err)
	}
	st, err := store.Open(path, store.Options{Models: []*record.Model{accounts}, Log: s.log()})
	if err != nil {
		s.t.Fatal(err)
	}
	m := &member{st, s.t, path, accounts}
	s.t.Cleanup(m.close)
	return m
}

// close closes the store. Its file must be in order.
func (m *member) close() {
	if err := m.Check(context.Background()); err != nil && !errors.Is(err, store.ErrClosed) {
		m.t.Errorf("check %s: %v", m.path, err)
	}
	if err := m.Close(); err != nil {
		m.t.Error(err)
	}
}

// create makes an account. It returns nil if its owner has one.
func (m *member) create(owner, group string) *record.Image {
	m.t.Helper()
	c, err := m.Update(m.t.Context(), "test", func(tx *store.Tx) error {
		_, err := tx.Create(m.accounts, &account{Owner: owner, Group: group, Secret: "of " + owner})
		return err
	})
	var invalid *record.InvalidError
	if errors.As(err, &invalid) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return c.Changes[0].After
}

// add adds one to the balance of an account.
func (m *member) add(id record.ID) error {
	_, err := m.Update(m.t.Context(), "test", func(tx *store.Tx) error {
		_, err := tx.Update(m.accounts, id, func(v any) error { v.(*account).Balance++; return nil })
		return err
	})
	return err
}

// reach waits until the store has what another has.
func (m *member) reach(other *member) {
	m.t.Helper()
	if err := m.Reach(m.t.Context(), other.Seq()); err != nil {
		m.t.Fatal(err)
	}
}

// holds returns all that a store holds: records with their versions, the index of groups,
// and the log from a commit on.
func (m *member) holds(from uint64) []byte {
	m.t.Helper()
	return holds(m.t, m.Store, m.accounts, from)
}

func holds(t *testing.T, s *store.Store, accounts *record.Model, from uint64) []byte {
	t.Helper()
	var all bytes.Buffer
	err := s.View(context.Background(), func(snap *store.Snapshot) error {
		for _, index := range []*record.Field{nil, accounts.Field("group")} {
			err := snap.Scan(accounts, store.Range{Index: index}, func(image *record.Image) bool {
				fmt.Fprintln(&all, image.ID, image.Version, string(image.JSON), string(image.Private))
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for seq := from; seq <= s.Seq(); {
		entries, err := s.Entries(seq, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			fmt.Fprintf(&all, "%d %x %x %x\n", e.Seq, e.Data, e.Key, e.Call[:min(32, len(e.Call))])
			seq = e.Seq + 1
		}
	}
	return all.Bytes()
}

// balances returns the balance of an account, and how many accounts each group has.
func (m *member) balances(id record.ID) (balance int, groups map[string]int) {
	m.t.Helper()
	groups = map[string]int{}
	err := m.View(m.t.Context(), func(snap *store.Snapshot) error {
		return snap.Scan(m.accounts, store.Range{}, func(image *record.Image) bool {
			v, err := image.Record()
			if err != nil {
				m.t.Error(err)
				return false
			}
			a := v.(*account)
			groups[a.Group]++
			if a.ID == id {
				balance = a.Balance
			}
			return true
		})
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return balance, groups
}

// Converges lets several stores do at once what goes wrong when one does not know of
// the others: a unique value is made once, no increment is lost, a call takes effect once,
// and what a transaction has scanned holds when it commits. open is that of [Conform].
func Converges(t *testing.T, open func(t *testing.T) func() store.Log) {
	s := &suite{t: t, log: open(t)}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	members := []*member{s.open(), s.open(), s.open()}
	hot := members[0].create("hot", "g").ID
	for _, m := range members[1:] {
		m.reach(members[0])
	}
	keys := make([]record.ID, 20)
	for i := range keys {
		keys[i] = record.NewID()
	}
	var made, added, applied atomic.Int64
	var all sync.WaitGroup
	for i, m := range members {
		for w := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(4*i+w)))
			all.Go(func() {
				for range 40 {
					switch random.IntN(4) {
					case 0:
						if m.create(fmt.Sprint("owner", random.IntN(40)), "g") != nil {
							made.Add(1)
						}
					case 1:
						if err := m.add(hot); err == nil {
							added.Add(1)
						} else if !errors.Is(err, store.ErrConflict) {
							t.Error(err)
						}
					case 2:
						if m.once(keys[random.IntN(len(keys))]) {
							applied.Add(1)
						}
					case 3:
						m.atMostTen()
					}
				}
			})
		}
	}
	all.Wait()
	for _, m := range members {
		for _, other := range members {
			m.reach(other)
		}
	}
	first := members[0].holds(1)
	for i, m := range append(members[1:], s.open()) { // the last one begins with all that there is
		if other := m.holds(1); !bytes.Equal(first, other) {
			t.Errorf("store %d differs:\n%s\nwant\n%s", i+1, other, first)
		}
	}
	balance, groups := members[2].balances(hot)
	if int64(balance) != added.Load() || int64(groups["g"]) != made.Load()+1 || int64(groups["once"]) != applied.Load() || groups["ten"] != 10 {
		t.Errorf("%d was added, the balance is %d; %d were made, there are %d; %d calls took effect, there are %d; of at most ten there are %d",
			added.Load(), balance, made.Load(), groups["g"]-1, applied.Load(), groups["once"], groups["ten"])
	}
}

// once makes an account in a call with this key, and returns whether this run of it took
// effect.
func (m *member) once(key record.ID) bool {
	m.t.Helper()
	attempt, err := store.NewAttempt("user", key)
	if err != nil {
		m.t.Error(err)
		return false
	}
	tx := m.Begin("once")
	tx.SetAttempt(attempt)
	if _, err := tx.Create(m.accounts, &account{Owner: string(record.NewID()), Group: "once"}); err != nil {
		m.t.Error(err)
	}
	_, err = tx.Commit(m.t.Context())
	var before *store.AppliedError
	if err != nil && !errors.As(err, &before) {
		m.t.Error(err)
	}
	return err == nil
}

// atMostTen makes an account in a group that has less than ten.
func (m *member) atMostTen() {
	m.t.Helper()
	_, err := m.Update(m.t.Context(), "test", func(tx *store.Tx) error {
		count := 0
		err := tx.View(m.t.Context(), func(snap *store.Snapshot) error {
			ten := &store.Bound{Value: record.StringValue("ten")}
			return snap.Scan(m.accounts, store.Range{Index: m.accounts.Field("group"), Min: ten, Max: ten}, func(*record.Image) bool {
				count++
				return true
			})
		})
		if err != nil || count >= 10 {
			return err
		}
		_, err = tx.Create(m.accounts, &account{Owner: string(record.NewID()), Group: "ten"})
		return err
	})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		m.t.Error(err)
	}
}
