package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
)

func TestFeedWaits(t *testing.T) {
	b := newBlog(t, Options{})
	b.write("a", 0)
	feed := b.Feed(1)
	var wg sync.WaitGroup
	wg.Go(func() {
		if c, err := feed.Next(context.Background()); err != nil || c.Seq != 2 {
			t.Errorf("%v, %v", c, err)
		}
	})
	b.write("b", 0)
	wg.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		if _, err := feed.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	cancel()
	wg.Wait()
	wg.Go(func() {
		if _, err := feed.Next(context.Background()); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestTheRingIsBounded(t *testing.T) {
	b := newBlog(t, Options{})
	b.ring.maxCount = 3
	for range 10 {
		b.write("a", 0)
	}
	if n := len(b.ring.commits); n != 3 || b.ring.commits[0].Seq != 8 {
		t.Errorf("it has %d commits from %d", n, b.ring.commits[0].Seq)
	}
	size := 0
	for _, c := range b.ring.commits {
		size += c.size()
	}
	if size != b.ring.size {
		t.Errorf("its size is %d, its header states %d", size, b.ring.size)
	}
	b.ring.maxSize = 1
	b.write("a", 0)
	if n := len(b.ring.commits); n != 1 {
		t.Errorf("it has %d commits", n)
	}
	for seq, want := range map[uint64]int{0: 1, 9: 1, 10: 1, 11: 0, 12: 0} {
		if got := len(b.ring.since(seq)); got != want {
			t.Errorf("since %d it has %d commits, not %d", seq, got, want)
		}
	}
}

// TestOldStatesAreReadFromTheLogOnce checks that readers after a restart share what was
// read, as far as there is memory.
func TestOldStatesAreReadFromTheLogOnce(t *testing.T) {
	b := newBlog(t, Options{})
	for range 10 {
		b.write("a", 0)
	}
	b.close()
	b.open(Options{})
	inMemory := func(from, to uint64) {
		t.Helper()
		size := 0
		for i, c := range b.ring.commits {
			if size += c.size(); c.Seq != from+uint64(i) || len(c.Changes) == 0 {
				t.Errorf("commit %d is in the place of %d", c.Seq, from+uint64(i))
			}
		}
		if len(b.ring.commits) != int(to-from+1) || size != b.ring.size {
			t.Errorf("%d commits are in memory, of %d bytes by its account, not %d to %d of %d", len(b.ring.commits), b.ring.size, from, to, size)
		}
	}
	at := func(seq uint64) {
		t.Helper()
		if err := b.ViewAt(t.Context(), seq, func(snap *Snapshot) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	at(7)
	inMemory(8, 10)
	at(9)
	b.write("a", 0)
	inMemory(8, 11)
	at(4)
	inMemory(5, 11)
	b.ring.maxCount = 8
	at(1)
	inMemory(4, 11)
	b.write("a", 0)
	inMemory(5, 12)
}

func (b *blog) logBytes() (bytes, counted int) {
	b.t.Helper()
	tx, err := b.db.Load().Begin(false)
	if err != nil {
		b.t.Fatal(err)
	}
	defer tx.Rollback()
	cursor := tx.Bucket(logBucket).Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		counted += len(v)
	}
	return int(readHead(tx).bytes), counted
}

func TestTheLogIsBoundedInBytes(t *testing.T) {
	b := newBlog(t, Options{LogBytes: 5000})
	b.ring.maxCount = 1
	ctx := context.Background()
	for range 100 {
		b.write("a", 0)
	}
	size, counted := b.logBytes()
	if start := b.LogStart(); size != counted || size > 5000 || size < 4000 || start < 50 {
		t.Errorf("the log begins at %d and has %d bytes, its header states %d", start, counted, size)
	}
	start := b.LogStart()
	if c, err := b.Feed(start - 1).Next(ctx); err != nil || c.Seq != start {
		t.Errorf("%v, %v", c, err)
	}
	for _, seq := range []uint64{0, start - 2} {
		if _, err := b.Feed(seq).Next(ctx); !errors.Is(err, ErrExpired) {
			t.Errorf("after %d: %v", seq, err)
		}
		if err := b.ViewAt(ctx, seq, func(*Snapshot) error { return nil }); !errors.Is(err, ErrExpired) {
			t.Errorf("at %d: %v", seq, err)
		}
	}
	if n := len(b.titles(start-1, Range{})); n != int(start)-1 {
		t.Errorf("the oldest state has %d posts, not %d", n, start-1)
	}
	b.close()
	b.open(Options{LogBytes: 5000})
	if b.LogStart() != start {
		t.Errorf("the log begins at %d, not %d", b.LogStart(), start)
	}
}

func TestTheLogIsBoundedInAge(t *testing.T) {
	now := time.UnixMicro(1_000_000)
	b := newBlog(t, Options{LogAge: time.Hour, Now: func() time.Time { return now }})
	for range 100 {
		b.write("old", 0)
	}
	now = now.Add(time.Hour)
	b.write("still in time", 0)
	if b.LogStart() != 1 {
		t.Errorf("the log begins at %d", b.LogStart())
	}
	now = now.Add(time.Second)
	var starts []uint64
	for range 3 {
		b.write("new", 0)
		starts = append(starts, b.LogStart())
	}
	if want := []uint64{1 + trimMore + 1, 101, 101}; !slices.Equal(starts, want) {
		t.Errorf("the log begins at %d, not at %d", starts, want)
	}
}

// A feed that has fallen behind the log fails, also in the middle.
func TestASlowReaderIsLeftBehind(t *testing.T) {
	b := newBlog(t, Options{LogBytes: 1000})
	b.ring.maxCount = 1
	feed := b.Feed(0)
	b.write("a", 0)
	if c, err := feed.Next(context.Background()); err != nil || c.Seq != 1 {
		t.Fatalf("%v, %v", c, err)
	}
	for range 20 {
		b.write("a", 0)
	}
	if _, err := feed.Next(context.Background()); !errors.Is(err, ErrExpired) || err.Error() != "commit 2: no longer in the log" {
		t.Error(err)
	}
}

func TestAfter(t *testing.T) {
	b := newBlog(t, Options{})
	if at := b.After(0); !at.IsZero() {
		t.Errorf("there is no commit, and it was made at %s", at)
	}
	b.write("a", 0)
	b.write("b", 0)
	first, err := b.Feed(0).Next(t.Context())
	if at := b.After(0); err != nil || !at.Equal(first.At) {
		t.Errorf("the first commit was made at %s, not %s (%v)", at, first.At, err)
	}
	if at := b.After(b.Seq()); !at.IsZero() {
		t.Errorf("there is nothing after the newest commit, and it was made at %s", at)
	}
}

// What is forgotten is in no log and no memory, and its readers are told so. Later commits go on.
func TestForget(t *testing.T) {
	b := newBlog(t, Options{})
	call, err := NewAttempt("ada", record.NewID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Update(context.Background(), "test", func(tx *Tx) error {
		tx.SetAttempt(call)
		_, err := tx.Create(b.posts, &post{Title: "a secret"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b.SaveAnswer(call, []byte("the answer has a secret"))
	b.write("b", 0)
	b.write("c", 0)
	for name, text := range map[string]string{"of a secret": "x", "x": "of a secret", "other": "y"} {
		if err := b.SetMark(name, time.Now().Add(time.Hour), func([]byte) []byte { return []byte(text) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Forget(2, func(data []byte) bool { return bytes.Contains(data, []byte("secret")) }); err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(2) {
		if _, err := b.Feed(seq).Next(context.Background()); !errors.Is(err, ErrExpired) {
			t.Errorf("commit %d: %v", seq+1, err)
		}
	}
	if err := b.ViewAt(context.Background(), 1, func(*Snapshot) error { return nil }); !errors.Is(err, ErrExpired) {
		t.Errorf("the state after commit 1: %v", err)
	}
	if err := b.ViewAt(context.Background(), 2, func(*Snapshot) error { return nil }); err != nil {
		t.Errorf("the state after commit 2: %v", err)
	}
	if c, err := b.Feed(2).Next(context.Background()); err != nil || c.Seq != 3 || b.LogStart() != 3 {
		t.Errorf("%v, %v; the log starts at %d", c, err, b.LogStart())
	}
	if applied, err := b.Applied(call); err != nil || applied == nil || applied.Answer != nil {
		t.Errorf("of the call is known %+v, %v", applied, err)
	}
	for name, want := range map[string]string{"of a secret": "", "x": "", "other": "y"} {
		if text, err := b.Mark(name); err != nil || string(text) != want {
			t.Errorf("the mark %q is %q, %v", name, text, err)
		}
	}
	if err := b.Forget(3, func([]byte) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if b.LogStart() != 4 {
		t.Errorf("the log starts at %d", b.LogStart())
	}
	b.write("d", 0)
	if c, err := b.Feed(3).Next(context.Background()); err != nil || c.Seq != 4 {
		t.Errorf("%v, %v", c, err)
	}
}
