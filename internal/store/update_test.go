package store

import (
	"context"
	"errors"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

// A note is a commit of its own in the log, and changes nothing.
func TestANoteIsACommit(t *testing.T) {
	b := newBlog(t, Options{})
	b.write("a", 1)
	before := b.Seq()
	feed := b.Feed(before)
	noted, err := b.Note(t.Context(), "somebody looked")
	if err != nil || noted.Seq != before+1 || noted.By != "somebody looked" || len(noted.Changes) != 0 {
		t.Fatalf("%+v %v", noted, err)
	}
	if next, err := feed.Next(t.Context()); err != nil || next.Seq != noted.Seq || next.At.IsZero() {
		t.Errorf("the feed has %+v %v", next, err)
	}
	after := b.write("b", 2)
	b.close()
	b.open(Options{})
	if again, err := b.CommitAt(t.Context(), noted.Seq); err != nil || again.By != noted.By || !again.At.Equal(noted.At) || len(again.Changes) != 0 {
		t.Errorf("%+v %v", again, err)
	}
	if got := b.titles(noted.Seq, Range{}); len(got) != 1 || b.Seq() != noted.Seq+1 || after.ID == "" {
		t.Errorf("%q at %d of %d", got, noted.Seq, b.Seq())
	}
	undone, err := b.undo(noted)
	if err != nil || undone.Seq != 0 {
		t.Errorf("undone as %+v %v", undone, err)
	}
}

func TestConflicts(t *testing.T) {
	likes := func(b *blog) *record.Field { return b.posts.Field("likes") }
	get := func(i int) func(*blog, *Tx, []*post) error {
		return func(b *blog, tx *Tx, p []*post) error { _, err := tx.Get(b.posts, p[i].ID); return err }
	}
	scan := func(r func(*blog) Range, limit int) func(*blog, *Tx, []*post) error {
		return func(b *blog, tx *Tx, _ []*post) error {
			return tx.View(context.Background(), func(snap *Snapshot) error {
				n := 0
				return snap.Scan(b.posts, r(b), func(*record.Image) bool { n++; return n < limit })
			})
		}
	}
	set := func(i, n int) func(*blog, []*post) { return func(b *blog, p []*post) { b.like(p[i], n) } }
	atLeast := func(n int64) func(*blog) Range {
		return func(b *blog) Range { return Range{Index: likes(b), Min: &Bound{Value: record.IntValue(n)}} }
	}
	least := func(b *blog) Range { return Range{Index: likes(b)} }
	most := func(b *blog) Range { return Range{Index: likes(b), Reverse: true} }
	byID := func(b *blog) Range { return Range{} }
	// The posts have 10, 20, 30 and 40 likes.
	for _, c := range []struct {
		name     string
		read     func(*blog, *Tx, []*post) error
		other    func(*blog, []*post)
		conflict bool
	}{
		{"a record that was read and changed", get(1), set(1, 0), true},
		{"a record that was read, and another one changed", get(1), set(2, 0), false},
		{"a record that was read and deleted", get(1), func(b *blog, p []*post) {
			b.do(func(tx *Tx) error { return tx.Delete(b.posts, p[1].ID) })
		}, true},
		{"a record that was missed and is there", func(b *blog, tx *Tx, p []*post) error {
			_, err := tx.Get(b.posts, missing)
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			return errors.Join(err, errors.New("it is there"))
		}, func(b *blog, p []*post) {
			b.do(func(tx *Tx) error {
				_, err := tx.Create(b.posts, &post{Record: record.Record{ID: missing}, Title: "there"})
				return err
			})
		}, true},
		{"a range, and a record in it changed", scan(atLeast(20), 100), set(2, 25), true},
		{"a range, and a record came in", scan(atLeast(20), 100), set(0, 25), true},
		{"a range, and a record left", scan(atLeast(20), 100), set(2, 5), true},
		{"a range, and a record outside changed", scan(atLeast(20), 100), set(0, 15), false},
		{"a range, and a record was created in it", scan(atLeast(20), 100), func(b *blog, _ []*post) { b.write("new", 20) }, true},
		{"a range, and a record was created outside", scan(atLeast(20), 100), func(b *blog, _ []*post) { b.write("new", 19) }, false},
		{"the first two, and the second changed", scan(least, 2), set(1, 25), true},
		{"the first two, and one came between", scan(least, 2), set(3, 15), true},
		{"the first two, and the third changed", scan(least, 2), set(2, 35), false},
		{"the last two, and the second changed", scan(most, 2), set(2, 35), true},
		{"the last two, and the second left", scan(most, 2), set(2, 5), true},
		{"the last two, and one came between", scan(most, 2), set(0, 35), true},
		{"the last two, and the third changed", scan(most, 2), set(1, 25), false},
		{"the first two by id, and the second changed", scan(byID, 2), set(1, 0), true},
		{"the first two by id, and the third changed", scan(byID, 2), set(2, 0), false},
		{"all, and another model changed", scan(byID, 100), func(b *blog, _ []*post) {
			b.do(func(tx *Tx) error { _, err := tx.Create(b.users, &user{Name: "Ada"}); return err })
		}, false},
		{"a range, too long ago", scan(atLeast(20), 100), func(b *blog, p []*post) {
			b.ring.maxCount = 1
			b.like(p[0], 1)
			b.like(p[0], 2)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBlog(t, Options{})
			p := []*post{b.write("a", 10), b.write("b", 20), b.write("c", 30), b.write("d", 40)}
			tx := b.Begin("test")
			if err := c.read(b, tx, p); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Create(b.posts, &post{Title: "mine"}); err != nil {
				t.Fatal(err)
			}
			c.other(b, p)
			seq := b.Seq()
			_, err := tx.Commit(context.Background())
			if c.conflict && !errors.Is(err, ErrConflict) || !c.conflict && err != nil {
				t.Errorf("%v", err)
			}
			if c.conflict && b.Seq() != seq {
				t.Error("something of it was committed")
			}
		})
	}
}

const missing = record.ID("01J00000000000000000000000")

func TestCreatesDoNotConflict(t *testing.T) {
	b := newBlog(t, Options{})
	one, other := b.Begin("one"), b.Begin("other")
	for _, tx := range []*Tx{one, other} {
		if _, err := tx.Create(b.posts, &post{Title: "t"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tx := range []*Tx{other, one} {
		if _, err := tx.Commit(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// A reference needs its record to exist, not to stay unchanged.
func TestReferencesConflictWithDeletes(t *testing.T) {
	b := newBlog(t, Options{})
	ada := &user{Name: "Ada"}
	b.do(func(tx *Tx) error { _, err := tx.Create(b.users, ada); return err })
	refer := func() *Tx {
		tx := b.Begin("test")
		if _, err := tx.Create(b.posts, &post{Title: "t", AuthorID: ada.ID}); err != nil {
			t.Fatal(err)
		}
		return tx
	}
	rename := func(rec any) error { rec.(*user).Name += "!"; return nil }

	tx, got, seen := refer(), refer(), refer()
	if _, err := got.Get(b.users, ada.ID); err != nil {
		t.Fatal(err)
	}
	if err := seen.View(context.Background(), func(snap *Snapshot) error {
		_, err := snap.Get(b.users, ada.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b.do(func(tx *Tx) error { _, err := tx.Update(b.users, ada.ID, rename); return err })
	if _, err := tx.Commit(context.Background()); err != nil {
		t.Error(err)
	}
	for _, tx := range []*Tx{got, seen} {
		if _, err := tx.Commit(context.Background()); !errors.Is(err, ErrConflict) {
			t.Error(err)
		}
	}
	tx = refer()
	b.do(func(tx *Tx) error { return tx.Delete(b.users, ada.ID) })
	if _, err := tx.Commit(context.Background()); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
}

func TestRangesOfAUniqueIndexConflict(t *testing.T) {
	b := newBlog(t, Options{})
	for _, email := range []string{"a", "b", "c"} {
		b.do(func(tx *Tx) error { _, err := tx.Create(b.users, &user{Name: email, Email: email}); return err })
	}
	var second record.ID
	tx := b.Begin("test")
	if err := tx.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(b.users, Range{Index: b.users.Field("email")}, func(image *record.Image) bool {
			second = image.ID
			return image.Value(b.users.Field("email")) != record.StringValue("b")
		})
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Create(b.posts, &post{Title: "t"}); err != nil {
		t.Fatal(err)
	}
	b.do(func(tx *Tx) error {
		_, err := tx.Update(b.users, second, func(rec any) error { rec.(*user).Name = "changed"; return nil })
		return err
	})
	if _, err := tx.Commit(context.Background()); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
}
