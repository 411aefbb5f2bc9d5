package store

import (
	"fmt"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestMarks(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b := newBlog(t, Options{Now: func() time.Time { return now }})
	set := func(name, more string, keep time.Duration) {
		t.Helper()
		err := b.SetMark(name, now.Add(keep), func(text []byte) []byte { return append(text, more...) })
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(name, want string) {
		t.Helper()
		if text, err := b.Mark(name); err != nil || string(text) != want {
			t.Errorf("the mark %s is %q, not %q (%v)", name, text, want, err)
		}
	}
	expect("a", "")
	set("a", "one", time.Hour)
	set("a", " two", 2*time.Hour)
	set("b", "three", time.Hour)
	expect("a", "one two")
	b.close()
	b.open(Options{Now: func() time.Time { return now }})
	expect("a", "one two")
	now = now.Add(90 * time.Minute)
	expect("a", "one two")
	expect("b", "")
	set("c", "four", time.Hour) // removes what has expired
	if n := b.entries(marksBucket); n != 2 {
		t.Errorf("the file has %d marks, not a and c", n)
	}
	if b.Seq() != 0 {
		t.Errorf("marks were committed as %d", b.Seq())
	}
}

func TestExpiredMarksAreRemoved(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b := newBlog(t, Options{Now: func() time.Time { return now }})
	for i := range 100 {
		now = now.Add(time.Minute)
		if err := b.SetMark(fmt.Sprint("mark ", i), now.Add(10*time.Minute), func([]byte) []byte { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.entries(marksBucket); n != 10 {
		t.Errorf("the file has %d marks, not those of ten minutes", n)
	}
}

// A file of an earlier version held the key of cookies.
func TestSecretsLeaveTheFile(t *testing.T) {
	b := newBlog(t, Options{})
	err := b.db.Load().Update(func(btx *bolt.Tx) error {
		secrets, err := btx.CreateBucket(secretsBucket)
		if err != nil {
			return err
		}
		return secrets.Put([]byte("cookies"), []byte("hush"))
	})
	if err != nil {
		t.Fatal(err)
	}
	b.close()
	b.open(Options{})
	_ = b.read(func(btx *bolt.Tx) error {
		if btx.Bucket(secretsBucket) != nil {
			t.Error("the file still has secrets")
		}
		return nil
	})
}

// entries returns the number of entries of a bucket.
func (b *blog) entries(bucket []byte) (n int) {
	b.t.Helper()
	err := b.read(func(btx *bolt.Tx) error {
		return btx.Bucket(bucket).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}
