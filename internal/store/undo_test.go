package store

import (
	"errors"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

// undo undoes a commit in one of its own.
func (b *blog) undo(c Commit) (Commit, error) {
	return b.Update(b.t.Context(), "undo", func(tx *Tx) error { return tx.Undo(b.t.Context(), c) })
}

func TestUndo(t *testing.T) {
	b := newBlog(t, Options{})
	ada := &user{Name: "Ada", Email: "ada@x", Hash: "secret"}
	b.do(func(tx *Tx) error {
		_, err := tx.Create(b.users, ada)
		return err
	})
	p, gone := b.write("a", 1), b.write("gone", 2)
	before := titles(t, b, b.View)
	mixed := b.do(func(tx *Tx) error {
		_, err := tx.Create(b.posts, &post{Title: "new"})
		_, failed := tx.Update(b.users, ada.ID, func(rec any) error {
			rec.(*user).Name, rec.(*user).Hash = "Eve", "stolen"
			return nil
		})
		return errors.Join(err, failed, setLikes(tx, b.posts, p.ID, 9), tx.Delete(b.posts, gone.ID))
	})
	b.do(func(tx *Tx) error { // of another field
		_, err := tx.Update(b.posts, p.ID, func(rec any) error {
			rec.(*post).Published = true
			return nil
		})
		return err
	})
	undone, err := b.undo(mixed)
	if err != nil || len(undone.Changes) != 4 {
		t.Fatalf("%+v: %v", undone, err)
	}
	if got := titles(t, b, b.View); got != "a:1@6 gone:2@6" || before != "a:1@2 gone:2@3" {
		t.Errorf("before %s, after %s", before, got)
	}
	tx := b.Begin("test")
	image, err := tx.Get(b.users, ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := image.Record()
	if err != nil || rec.(*user).Name != "Ada" || rec.(*user).Hash != "secret" {
		t.Errorf("%+v: %v", rec, err)
	}
	image, err = tx.Get(b.posts, p.ID)
	if err != nil || !image.Value(b.posts.Field("published")).Any().(bool) {
		t.Errorf("the field that a later commit set: %s, %v", image.JSON, err)
	}
	image, err = tx.Get(b.posts, gone.ID)
	if err != nil || image.Value(b.posts.Field("createdAt")) != record.TimeValue(gone.CreatedAt) {
		t.Errorf("the deleted record: %s, %v", image.JSON, err)
	}
	if _, err := b.undo(undone); err != nil {
		t.Errorf("an undo cannot be undone: %v", err)
	}
	if got := titles(t, b, b.View); got != "a:9@7 new:0@7" {
		t.Errorf("after the undo of the undo: %s", got)
	}
}

func TestWhatCannotBeUndone(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("a", 1)  // 1
	liked := b.like(p, 2) // 2
	b.like(p, 3)          // 3
	later := b.like(p, 4) // 4
	made, err := b.CommitAt(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	where := "posts/" + string(p.ID)
	for _, c := range []struct {
		undo Commit
		err  string
	}{
		{made, where + " has been changed since, by commit 4 (test)"},
		{liked, where + ": likes has been changed since, by commit 4 (test)"},
	} {
		_, err := b.undo(c.undo)
		var contradicted *ContradictedError
		if !errors.As(err, &contradicted) || err.Error() != c.err {
			t.Errorf("%v; want %s", err, c.err)
		}
	}
	if _, err := b.undo(later); err != nil {
		t.Error(err)
	}
	deleted := b.do(func(tx *Tx) error { return tx.Delete(b.posts, p.ID) })
	if _, err := b.undo(liked); errorText(err) != where+" has been changed since, by commit 6 (test)" {
		t.Error(err)
	}
	if _, err := b.undo(deleted); err != nil {
		t.Error(err)
	}
	if _, err := b.undo(deleted); errorText(err) != where+" has been changed since, by commit 7 (undo)" {
		t.Error(err)
	}
	if got := titles(t, b, b.View); got != "a:3@7" || b.Seq() != 7 {
		t.Errorf("in the end there is %s", got)
	}
	tx := b.Begin("test")
	if err := setLikes(tx, b.posts, p.ID, 8); err != nil {
		t.Fatal(err)
	}
	if err := tx.Undo(t.Context(), deleted); errorText(err) != where+" has been changed since, by commit 7 (undo)" {
		t.Errorf("within a transaction: %v", err)
	}
}
