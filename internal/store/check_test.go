package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

func TestCheckFinds(t *testing.T) {
	likes := []byte("indexes/posts.likes")
	records := []byte("records/posts")
	for _, c := range []struct {
		name   string
		damage func(b *blog, btx *bolt.Tx, id record.ID) error
		want   string
	}{
		{"a missing index entry", func(b *blog, btx *bolt.Tx, id record.ID) error {
			return btx.Bucket(likes).Delete(append(record.IntValue(2).AppendKey(nil), id...))
		}, "posts/ID is not in the index likes\nthe index likes of posts has 1 entries for 2 records"},
		{"a needless index entry", func(b *blog, btx *bolt.Tx, id record.ID) error {
			return btx.Bucket(likes).Put(append(record.IntValue(7).AppendKey(nil), id...), nil)
		}, "the index likes of posts has 3 entries for 2 records"},
		{"a record of the future", func(b *blog, btx *bolt.Tx, id record.ID) error {
			data := append([]byte(nil), btx.Bucket(records).Get([]byte(id))...)
			data[7] = 9
			return btx.Bucket(records).Put([]byte(id), data)
		}, "posts/ID was written by commit 9, the newest is 3\nposts/ID is of commit 9, in the log of 3"},
		{"a record that is cut short", func(b *blog, btx *bolt.Tx, id record.ID) error {
			data := append([]byte(nil), btx.Bucket(records).Get([]byte(id))[:20]...)
			return btx.Bucket(records).Put([]byte(id), data)
		}, "posts/ID: the entry is cut short"},
		{"a missing commit", func(b *blog, btx *bolt.Tx, id record.ID) error {
			return btx.Bucket(logBucket).Delete(seqKey(2))
		}, "the log has commit 3 where 2 belongs\nthe log has SIZE bytes, its header states SIZE"},
		{"a missing newest commit", func(b *blog, btx *bolt.Tx, id record.ID) error {
			return btx.Bucket(logBucket).Delete(seqKey(3))
		}, "the log ends at commit 2, the newest is 3\nthe log has SIZE bytes, its header states SIZE\nposts/ID is of commit 3, in the log of 1"},
		{"a commit that is cut short", func(b *blog, btx *bolt.Tx, id record.ID) error {
			data := append([]byte(nil), btx.Bucket(logBucket).Get(seqKey(2))...)
			return btx.Bucket(logBucket).Put(seqKey(2), append(data[:len(data)-20], make([]byte, 20)...)[:len(data)-1])
		}, "read commit 2 from the log: the entry is cut short\nthe log has SIZE bytes, its header states SIZE"},
		{"a mark without its age", func(b *blog, btx *bolt.Tx, id record.ID) error {
			return btx.Bucket(marksBucket).Put([]byte("x"), make([]byte, 9))
		}, "there are 1 marks, and ages of 0"},
		{"an age without its mark", func(b *blog, btx *bolt.Tx, id record.ID) error {
			return btx.Bucket(marksAgeBucket).Put(append(make([]byte, 8), "x"...), nil)
		}, "the mark \"x\" does not match its age\nthere are 0 marks, and ages of 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &blog{t: t, posts: mustModel(t, "posts", &post{}), users: mustModel(t, "users", &user{}), path: t.TempDir() + "/x.db"}
			b.open(Options{})
			defer b.Close()
			p := b.write("a", 1)
			b.write("b", 1)
			b.like(p, 2)
			if err := b.Check(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := b.db.Load().Update(func(btx *bolt.Tx) error { return c.damage(b, btx, p.ID) }); err != nil {
				t.Fatal(err)
			}
			found := errorText(b.Check(context.Background()))
			found = strings.ReplaceAll(found, string(p.ID), "ID")
			for _, want := range strings.Split(c.want, "\n") {
				if !strings.Contains(found, strings.Split(want, "SIZE")[0]) {
					t.Errorf("it does not report %q but\n%s", want, found)
				}
			}
			if got, want := strings.Count(found, "\n"), strings.Count(c.want, "\n"); got != want {
				t.Errorf("it reports more:\n%s", found)
			}
		})
	}
}

func TestCheckIsGivenUp(t *testing.T) {
	b := newBlog(t, Options{})
	b.write("a", 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
