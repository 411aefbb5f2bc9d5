package store

import (
	"context"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

func TestAMeterCountsWhatIsRead(t *testing.T) {
	b := newBlog(t, Options{})
	var id record.ID
	c := b.do(func(tx *Tx) error {
		for range 10 {
			created, err := tx.Create(b.posts, &post{Title: "Hi", Likes: 1})
			if err != nil {
				return err
			}
			id = created.ID
		}
		return nil
	})
	b.do(func(tx *Tx) error { return tx.Delete(b.posts, id) })
	var m Meter
	all := func(snap *Snapshot) error {
		return snap.Scan(b.posts, Range{Index: b.posts.Field("likes")}, func(*record.Image) bool { return true })
	}
	for _, want := range []int{9, 19} {
		if err := b.View(m.Context(context.Background()), all); err != nil {
			t.Fatal(err)
		}
		if want == 19 {
			break
		}
		if m.Examined() != want {
			t.Fatalf("examined %d, want %d", m.Examined(), want)
		}
		if err := b.ViewAt(m.Context(context.Background()), c.Seq, func(snap *Snapshot) error {
			_, err := snap.Get(b.posts, id)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if m.Examined() != 19 {
		t.Errorf("examined %d, want 19", m.Examined())
	}
}
