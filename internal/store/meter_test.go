package store

import (
	"context"
	"errors"
	"strings"
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

func TestAReadWaitsBetweenItsParts(t *testing.T) {
	b := newBlog(t, Options{})
	b.do(func(tx *Tx) error {
		_, err := tx.Create(b.posts, &post{Title: "Hi"})
		return err
	})
	var log []string
	m := Meter{Part: func(context.Context) (func(), error) {
		log = append(log, "wait")
		return func() { log = append(log, "done") }, nil
	}}
	for range 3 {
		if err := b.ViewPart(m.Context(t.Context()), b.Seq(), func(snap *Snapshot) error {
			log = append(log, "read")
			return snap.Scan(b.posts, Range{}, func(*record.Image) bool { return true })
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := strings.Join(log, " "), "read wait read done wait read done"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	full := errors.New("full")
	m.Part = func(context.Context) (func(), error) { return nil, full }
	if err := b.ViewPart(m.Context(t.Context()), b.Seq(), func(*Snapshot) error { return nil }); err != full {
		t.Errorf("%v, want %v", err, full)
	}
}
