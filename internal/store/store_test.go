package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestRecordsAreKeptInOrder(t *testing.T) {
	users, posts := mustModel(t, "users", &user{}), mustModel(t, "posts", &post{})
	path := filepath.Join(t.TempDir(), "a", "b.db")
	s, err := Open(path, Options{Models: []*Model{users, posts}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	ada := &user{Name: "Ada", Email: "ada@example.org", Hash: "x"}
	c, err := s.Update(ctx, "test", func(tx *Tx) error {
		if _, err := tx.Create(users, ada); err != nil {
			return err
		}
		for i := range 5 {
			if _, err := tx.Create(posts, &post{Title: "t", Likes: 10 - i, AuthorID: ada.ID}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || c.Seq != 1 || len(c.Changes) != 6 {
		t.Fatal(c, err)
	}
	if _, err := s.Update(ctx, "test", func(tx *Tx) error {
		_, err := tx.Create(users, &user{Name: "Bob", Email: "ada@example.org"})
		return err
	}); err == nil || err.Error() != "users: email is already taken" {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, Options{Models: []*Model{users, posts}}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	likes := func(seq uint64) (n []int64) {
		if err := s.ViewAt(ctx, seq, func(snap *Snapshot) error {
			return snap.Scan(posts, Range{Index: posts.Field("likes"), Reverse: true, Min: &Bound{Value: IntValue(7), Open: true}}, func(i *Image) bool {
				n = append(n, i.Value(posts.Field("likes")).Any().(int64))
				return true
			})
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := likes(1); len(n) != 3 || n[0] != 10 || n[2] != 8 {
		t.Fatal(n)
	}
	if n := likes(0); len(n) != 0 {
		t.Fatal(n)
	}
	f := s.Feed(0)
	if c, err := f.Next(ctx); err != nil || c.Seq != 1 || len(c.Changes) != 6 || c.By != "test" {
		t.Fatal(c, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Next(ctx); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
