package storetest

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// testAnswers reads the answer of a call that ran in another store.
func testAnswers(t *testing.T, s *suite) {
	a, b := s.open(), s.open()
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
	a.SaveAnswer(attempt, []byte("the answer"))
	b.reach(a)
	again, err := store.NewAttempt("user", key)
	if err != nil {
		t.Fatal(err)
	}
	for { // the answer is written a moment later
		applied, err := b.Applied(again)
		if err != nil || applied == nil {
			t.Fatalf("%v, %v", applied, err)
		}
		if string(applied.Answer) == "the answer" {
			return
		}
		if applied.Answer != nil {
			t.Fatalf("the answer is %q", applied.Answer)
		}
	}
}

// testReach waits for a commit of another store, and not for one that nobody has made.
func testReach(t *testing.T, s *suite) {
	a, b := s.open(), s.open()
	made := a.create("a", "g")
	if err := b.Reach(t.Context(), made.Version); err != nil {
		t.Fatal(err)
	}
	if _, groups := b.balances(""); groups["g"] != 1 {
		t.Errorf("the other store has %v", groups)
	}
	if err := b.Reach(t.Context(), made.Version+1); !errors.Is(err, store.ErrNoCommit) {
		t.Errorf("a commit that nobody has made: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Reach(ended, made.Version+1); !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrNoCommit) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Reach(t.Context(), made.Version+1); !errors.Is(err, store.ErrClosed) {
		t.Errorf("of a closed store: %v", err)
	}
}

// testLateAndAbsent opens stores after others have written, and opens again one that was
// closed meanwhile.
func testLateAndAbsent(t *testing.T, s *suite) {
	a, b := s.open(), s.open()
	id := a.create("a", "g").ID
	b.reach(a)
	path := b.path
	b.close()
	for range 30 {
		if err := a.add(id); err != nil {
			t.Fatal(err)
		}
	}
	a.create("late", "h")
	for _, path := range []string{path, filepath.Join(t.TempDir(), "fresh.db")} {
		m := s.openAt(path)
		if m.Seq() != a.Seq() {
			t.Errorf("it opened at commit %d of %d", m.Seq(), a.Seq())
		}
		from := max(a.LogStart(), m.LogStart())
		if got, want := m.holds(from), a.holds(from); !bytes.Equal(got, want) {
			t.Errorf("it has\n%s\nwant\n%s", got, want)
		}
		if err := m.add(id); err != nil {
			t.Fatal(err)
		}
		a.reach(m)
	}
	if balance, groups := a.balances(id); balance != 32 || groups["h"] != 1 {
		t.Errorf("balance %d, groups %v", balance, groups)
	}
}

// testFiles refuses a file that is not the log's, and the log's file without the log.
func testFiles(t *testing.T, s *suite) {
	a := s.open()
	a.create("a", "g")
	path, models := a.path, store.Options{Models: []*record.Model{a.accounts}}
	a.close()
	if st, err := store.Open(path, models); err == nil || !strings.Contains(err.Error(), "is the replica of a log") {
		t.Errorf("a replica without its log: %v, %v", st, err)
	}
	alone := filepath.Join(t.TempDir(), "alone.db")
	st, err := store.Open(alone, models)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	models.Log = s.log()
	if st, err := store.Open(alone, models); err == nil || !strings.Contains(err.Error(), "has a history of its own") {
		t.Errorf("a file of its own with a log: %v, %v", st, err)
	}
}

// testFollows sees a commit of another store in a feed, without asking for it.
func testFollows(t *testing.T, s *suite) {
	a, b := s.open(), s.open()
	feed := b.Feed(b.Seq())
	made := a.create("a", "g")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := feed.Next(ctx)
	if err != nil || c.Seq != made.Version || c.By != "test" || len(c.Changes) != 1 || c.Changes[0].ID != made.ID || !bytes.Equal(c.Changes[0].After.JSON, made.JSON) {
		t.Errorf("the feed has %+v, %v", c, err)
	}
	if err := b.Following(); err != nil {
		t.Error(err)
	}
}

// testConflicts begins transactions in one store, and lets another commit first.
func testConflicts(t *testing.T, s *suite) {
	a, b := s.open(), s.open()
	id := a.create("a", "g").ID
	b.reach(a)
	tx := b.Begin("test")
	if _, err := tx.Update(b.accounts, id, func(v any) error { v.(*account).Balance = 100; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := a.add(id); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("after another store's update: %v", err)
	}
	taken := b.Begin("test")
	if _, err := taken.Create(b.accounts, &account{Owner: "b"}); err != nil {
		t.Fatal(err)
	}
	a.create("b", "g")
	var invalid *record.InvalidError
	if _, err := taken.Commit(t.Context()); !errors.As(err, &invalid) {
		t.Errorf("a unique value of another store's: %v", err)
	}
	if balance, groups := b.balances(id); balance != 1 || groups["g"] != 2 {
		t.Errorf("balance %d, groups %v", balance, groups)
	}
}

// testMarks sets marks in several stores at once, each of which adds to the text. All stores
// have them, also one that begins with a snapshot.
func testMarks(t *testing.T, s *suite) {
	members := []*member{s.open(), s.open()}
	until := time.Now().Add(time.Hour)
	feed := members[1].Feed(0)
	var all sync.WaitGroup
	for _, m := range members {
		for range 2 {
			all.Go(func() {
				for range 5 {
					if err := m.SetMark("ended/ada", until, func(text []byte) []byte { return append(text, 0) }); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	members[0].reach(members[1])
	members[1].reach(members[0])
	if err := members[1].SetMark("gone", time.Now(), func([]byte) []byte { return nil }); err != nil {
		t.Fatal(err)
	}
	members[0].reach(members[1])
	for i, m := range append(members, s.open()) {
		text, err := m.Mark("ended/ada")
		if err != nil || !bytes.Equal(text, make([]byte, 20)) {
			t.Errorf("store %d has %x: %v", i, text, err)
		}
		if gone, err := m.Mark("gone"); gone != nil || err != nil {
			t.Errorf("store %d has a mark that is no longer kept: %q, %v", i, gone, err)
		}
		if len(m.Models()) != 1 {
			t.Errorf("store %d has %d models", i, len(m.Models()))
		}
	}
	c, err := feed.Next(t.Context())
	if err != nil || len(c.Changes) != 1 {
		t.Fatalf("the feed has %+v, %v", c, err)
	}
	if name, text := store.ChangedMark(&c.Changes[0]); name != "ended/ada" || string(text) != "\x00" {
		t.Errorf("the first commit sets %q to %x", name, text)
	}
}

// testSecrets gives the first secret of a name to all who ask.
func testSecrets(t *testing.T, s *suite) {
	a, b := s.open(), s.open()
	for _, c := range []struct {
		m                 *member
		name, fresh, want string
	}{{a, "cookies", "first", "first"}, {b, "cookies", "second", "first"}, {b, "other", "third", "third"}, {a, "other", "fourth", "third"}} {
		if got, err := c.m.Secret(t.Context(), c.name, c.fresh); got != c.want || err != nil {
			t.Errorf("the secret %s is %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}
