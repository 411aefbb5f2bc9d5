package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

// titles returns the posts of a snapshot as "title:likes", in the order of ids.
func titles(t *testing.T, b *blog, view func(context.Context, func(*Snapshot) error) error) string {
	t.Helper()
	var all []string
	err := view(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(b.posts, Range{}, func(image *record.Image) bool {
			all = append(all, fmt.Sprintf("%s:%v@%d", image.Value(b.posts.Field("title")).Text(), image.Value(b.posts.Field("likes")), image.Version))
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestAnUntrackedViewIsNotRemembered(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("a", 1)
	tx := b.Begin("test")
	if _, err := tx.Create(b.posts, &post{Title: "mine"}); err != nil {
		t.Fatal(err)
	}
	if got := titles(t, b, tx.ViewUntracked); got != "a:1@1 mine:0@0" {
		t.Errorf("it shows %s", got)
	}
	b.like(p, 2)
	if got := titles(t, b, tx.ViewUntracked); got != "a:2@2 mine:0@0" {
		t.Errorf("then it shows %s", got)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := tx.ViewUntracked(t.Context(), nil); errorText(err) != "the transaction has ended" {
		t.Error(err)
	}
}

func TestAForkIsKeptOrForgotten(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("a", 1)
	tx := b.Begin("test")
	first, second := tx.Fork(), tx.Fork()
	for _, fork := range []*Tx{first, second} {
		if err := setLikes(fork, b.posts, p.ID, 5); err != nil {
			t.Fatal(err)
		}
	}
	if got := titles(t, b, tx.ViewUntracked); got != "a:1@1" {
		t.Errorf("before a join it shows %s", got)
	}
	if err := tx.Join(first); err != nil {
		t.Fatal(err)
	}
	if err := tx.Join(second); !errors.Is(err, ErrConflict) {
		t.Errorf("the second: %v", err)
	}
	if got := titles(t, b, tx.ViewUntracked); got != "a:5@0" {
		t.Errorf("after it %s", got)
	}
	third := tx.Fork()
	if err := third.Delete(b.posts, p.ID); err != nil {
		t.Fatal(err)
	}
	if got := titles(t, b, tx.ViewUntracked); got != "a:5@0" {
		t.Errorf("what a fork does is seen before its join: %s", got)
	}
	// Two forks that write different records can both be joined.
	fourth, fifth := tx.Fork(), tx.Fork()
	for i, fork := range []*Tx{fourth, fifth} {
		if _, err := fork.Create(b.posts, &post{Title: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Join(fork); err != nil {
			t.Error(err)
		}
	}
	if err := setLikes(fifth, b.posts, p.ID, 1); err == nil {
		t.Error("a fork that was joined goes on")
	}
	c, err := tx.Commit(t.Context())
	if err != nil || len(c.Changes) != 3 {
		t.Errorf("%+v: %v", c, err)
	}
	if err := tx.Join(tx.Fork()); err == nil {
		t.Error("a transaction that has ended is joined")
	}
}

func TestAPreviewIsOnTopOfAnyCommit(t *testing.T) {
	b := newBlog(t, Options{})
	p, q := b.write("a", 1), b.write("b", 2)
	tx := b.Begin("test")
	if err := errors.Join(setLikes(tx, b.posts, p.ID, 7), tx.Delete(b.posts, q.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Create(b.posts, &post{Title: "c"}); err != nil {
		t.Fatal(err)
	}
	b.like(p, 3)
	for seq, want := range map[uint64]string{
		1: "#2 update create → a:7@2 c:0@2", // b does not exist yet
		2: "#3 update delete create → a:7@3 c:0@3",
		3: "#4 update delete create → a:7@4 c:0@4",
	} {
		c, err := tx.Preview(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("#%d", c.Seq)
		for _, change := range c.Changes {
			got += " " + change.Op.String()
		}
		got += " → " + titles(t, b, func(ctx context.Context, fn func(*Snapshot) error) error { return b.ViewWith(ctx, c, fn) })
		if got != want {
			t.Errorf("after %d: %s; want %s", seq, got, want)
		}
	}
	if got := titles(t, b, b.View); got != "a:3@3 b:2@2" || b.Seq() != 3 {
		t.Errorf("the store has %s", got)
	}
}

func TestConflictsOfATransaction(t *testing.T) {
	b := newBlog(t, Options{})
	p, q, r, s := b.write("a", 1), b.write("b", 2), b.write("c", 3), b.write("d", 4)
	tx := b.Begin("test")
	for _, id := range []record.ID{p.ID, q.ID, r.ID, s.ID} {
		if err := setLikes(tx, b.posts, id, 9); err != nil {
			t.Fatal(err)
		}
	}
	if moved, err := tx.Conflicts(t.Context()); err != nil || moved != nil {
		t.Errorf("nothing moved: %v, %v", moved, err)
	}
	b.like(p, 5)
	b.like(q, 5)
	b.do(func(tx *Tx) error { return tx.Delete(b.posts, q.ID) })
	b.like(p, 6)
	_, err := tx.Commit(t.Context())
	if !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	moved, err := tx.Conflicts(t.Context())
	got := map[record.ID]uint64{}
	for _, m := range moved {
		got[m.ID] = m.Later.Seq
	}
	if err != nil || len(got) != 2 || got[p.ID] != 8 || got[q.ID] != 7 {
		t.Errorf("%v, %v", got, err)
	}

	// A transaction that was refused is still open.
	b.like(p, 1)
	other := b.Begin("test")
	if err := other.View(t.Context(), func(snap *Snapshot) error {
		return snap.Scan(b.posts, Range{Index: b.posts.Field("likes"), Min: &Bound{Value: record.IntValue(4)}}, func(*record.Image) bool { return true })
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Create(b.posts, &post{Title: "e", Likes: 1}); err != nil {
		t.Fatal(err)
	}
	b.write("in the range", 8)
	if _, err := other.Commit(t.Context()); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	moved, err = other.Conflicts(t.Context())
	if err != nil || len(moved) != 1 || moved[0].ID != "" || moved[0].Later.Seq != 10 {
		t.Errorf("%v, %v", moved, err)
	}
	if got := titles(t, b, other.ViewUntracked); !strings.Contains(got, "e:1") {
		t.Errorf("the refused transaction shows %s", got)
	}
}

func TestACommitIsReadFromTheLog(t *testing.T) {
	b := newBlog(t, Options{LogBytes: 1})
	b.write("a", 1)
	for i := range 5 {
		b.write(fmt.Sprint(i), i)
	}
	b.close()
	b.open(Options{LogBytes: 1})
	for seq, want := range map[uint64]string{
		0: "commit 0: not found; the first is 1",
		1: "commit 1: no longer in the log",
		7: "commit 7: not found; the newest is 6",
	} {
		if _, err := b.CommitAt(t.Context(), seq); errorText(err) != want {
			t.Errorf("%d: %v", seq, err)
		}
	}
}

// A transaction of many writes costs in proportion to them, however each is forked.
func TestForksDoNotCopyWhatTheTransactionHolds(t *testing.T) {
	b := newBlog(t, Options{})
	allocated := func(writes int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		tx := b.Begin("test")
		for range writes {
			fork := tx.Fork()
			if _, err := fork.Create(b.posts, &post{Title: "x"}); err != nil {
				t.Fatal(err)
			}
			if err := tx.Join(fork); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := allocated(500), allocated(4000)
	if ratio := float64(many) / float64(few); ratio > 2*8 { // a copy for each write makes it 64
		t.Errorf("8 times as many writes allocate %.1f times as much", ratio)
	}
}
