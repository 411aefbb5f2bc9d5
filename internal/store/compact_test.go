package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

func quiet(int64, int64) {}

// contents returns every key of the file with its value, by the path of its buckets.
func contents(t *testing.T, read func(func(*bolt.Tx) error) error) map[string]string {
	t.Helper()
	all := map[string]string{}
	var walk func(path string, bucket *bolt.Bucket) error
	walk = func(path string, bucket *bolt.Bucket) error {
		return bucket.ForEach(func(k, v []byte) error {
			if v == nil {
				return walk(path+"|"+string(k), bucket.Bucket(k))
			}
			all[path+"|"+string(k)] = string(v)
			return nil
		})
	}
	if err := read(func(btx *bolt.Tx) error {
		return btx.ForEach(func(name []byte, bucket *bolt.Bucket) error { return walk(string(name), bucket) })
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCompactKeepsEveryKey(t *testing.T) {
	w := writeAtRandom(t, rand.New(rand.NewPCG(1, 0)), 40)
	s := w.store
	if err := s.SetMark("mark", time.Now().Add(time.Hour), func([]byte) []byte { return []byte("text") }); err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare("key", Table{From: "users", To: "people"}, []Row{{ID: "a", Version: 1, Public: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	s.compactKeys = 3
	before := contents(t, s.read)
	var last int64
	sizes, err := s.Compact(context.Background(), func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil || sizes.Before == 0 || sizes.After == 0 {
		t.Fatal(sizes, err)
	}
	if after := contents(t, s.read); !maps.Equal(before, after) {
		t.Errorf("%d keys became %d", len(before), len(after))
	}
	w.commit(t, rand.New(rand.NewPCG(2, 0)))
	before = contents(t, s.read)
	if err := errors.Join(s.Check(context.Background()), s.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := OpenFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Compact(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	if after := contents(t, file.db.View); !maps.Equal(before, after) {
		t.Errorf("%d keys became %d", len(before), len(after))
	}
	if err := file.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestCompactReturnsSpace(t *testing.T) {
	b := newBlog(t, Options{LogBytes: 1})
	for range 4 {
		var ids []record.ID
		b.do(func(tx *Tx) error {
			for range 500 {
				p := &post{Title: strings.Repeat("t", 140)}
				if _, err := tx.Create(b.posts, p); err != nil {
					return err
				}
				ids = append(ids, p.ID)
			}
			return nil
		})
		b.do(func(tx *Tx) error {
			for _, id := range ids[1:] {
				if err := tx.Delete(b.posts, id); err != nil {
					return err
				}
			}
			return nil
		})
	}
	sizes, err := b.Compact(context.Background(), quiet)
	info, err2 := os.Stat(b.path)
	if err != nil || err2 != nil || sizes.After > sizes.Before/2 || info.Size() != sizes.After {
		t.Errorf("%+v, and the file has %d bytes: %v, %v", sizes, info.Size(), err, err2)
	}
}

// TestCompactWhileInUse compacts again and again while writers, readers of old and new
// states, feeds, marks, calls and copies use the store. What they see must be what one
// file would have shown.
func TestCompactWhileInUse(t *testing.T) {
	b := newBlog(t, Options{LogBytes: 200_000})
	b.compactKeys, b.ring.maxCount = 60, 16
	ctx := context.Background()
	const writers, compactions = 4, 10
	var done atomic.Bool
	var users, compacting sync.WaitGroup
	titles := func(snap *Snapshot) (all []string, err error) {
		err = collect(snap, b.posts, Range{}, &all)
		slices.Sort(all)
		return all, err
	}
	want := make([]map[string]bool, writers)
	for i := range writers {
		want[i] = map[string]bool{}
		users.Go(func() {
			var ids []record.ID
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for n := 0; !done.Load(); n++ {
				title, id := fmt.Sprint(i, "/", n), record.NewID()
				once, err := NewAttempt("ada", id, []byte("POST /posts"))
				if err != nil {
					t.Error(err)
					return
				}
				_, err = b.Update(ctx, "test", func(tx *Tx) error {
					tx.SetAttempt(once)
					_, err := tx.Create(b.posts, &post{Record: record.Record{ID: id}, Title: title, Likes: n})
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				b.SaveAnswer(once, []byte(title))
				if applied, err := b.Applied(once); err != nil || applied == nil || string(applied.Answer) != title {
					t.Errorf("the call of %s has taken effect: %+v, %v", title, applied, err)
					return
				}
				want[i][title] = true
				if ids = append(ids, id); len(ids) > 30 {
					at := rng.IntN(len(ids))
					if _, err := b.Update(ctx, "test", func(tx *Tx) error {
						image, err := tx.Get(b.posts, ids[at])
						if err != nil {
							return err
						}
						delete(want[i], image.Value(b.posts.Field("title")).Text())
						return tx.Delete(b.posts, ids[at])
					}); err != nil {
						t.Error(err)
						return
					}
					ids = slices.Delete(ids, at, at+1)
				}
				name := fmt.Sprint("mark ", n%50)
				var was string
				if err := b.SetMark(name, time.Now().Add(time.Hour), func(text []byte) []byte { was = string(text); return append(text[:0], title...) }); err != nil {
					t.Error(err)
					return
				}
				if text, err := b.Mark(name); err != nil || len(text) == 0 {
					t.Errorf("%s was %q and is %q, %v", name, was, text, err)
					return
				}
			}
		})
	}
	users.Go(func() { // a reader sees nothing older than what was acknowledged before
		for !done.Load() {
			before := b.Seq()
			if err := b.View(ctx, func(snap *Snapshot) error {
				if snap.Seq() < before {
					t.Errorf("the state of %d follows %d", snap.Seq(), before)
				}
				_, err := titles(snap)
				return err
			}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	users.Go(func() { // a state that is read twice is the same
		for !done.Load() {
			seq := b.Seq()
			var states [2][]string
			for i := range states {
				err := b.ViewAt(ctx, seq, func(snap *Snapshot) (err error) {
					states[i], err = titles(snap)
					return err
				})
				if err != nil && !errors.Is(err, ErrExpired) {
					t.Error(err)
					return
				} else if err != nil {
					states[0], states[1] = nil, nil
				}
			}
			if !slices.Equal(states[0], states[1]) {
				t.Errorf("commit %d left %v, and then %v", seq, states[0], states[1])
				return
			}
		}
	})
	users.Go(func() {
		feed := b.Feed(0)
		for seq := uint64(1); !done.Load(); seq++ {
			c, err := feed.Next(ctx)
			if errors.Is(err, ErrExpired) {
				seq = b.Seq()
				feed = b.Feed(seq)
				continue
			}
			if err != nil || c.Seq != seq {
				t.Errorf("the feed has %d, not %d: %v", c.Seq, seq, err)
				return
			}
		}
	})
	users.Go(func() { // copies are whole
		for n := 0; !done.Load(); n++ {
			path := filepath.Join(t.TempDir(), fmt.Sprint(n, ".db"))
			file, err := os.Create(path)
			if err == nil {
				err = errors.Join(b.CopyTo(func(uint64, int64) (io.Writer, error) { return file, nil }), file.Close())
			}
			if err != nil {
				t.Error(err)
				return
			}
			copied, err := OpenFile(path)
			if err == nil {
				err = errors.Join(copied.Check(ctx), copied.Close(), os.Remove(path))
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 2 {
		compacting.Go(func() {
			for range compactions / 2 {
				if _, err := b.Compact(ctx, quiet); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	compacting.Wait()
	done.Store(true)
	b.write("end", 0) // for the feed
	users.Wait()
	all := []string{"end"}
	for _, of := range want {
		all = slices.AppendSeq(all, maps.Keys(of))
	}
	slices.Sort(all)
	check := func() (digest string) {
		t.Helper()
		var found []string
		err := b.View(ctx, func(snap *Snapshot) (err error) {
			found, err = titles(snap)
			return err
		})
		if !slices.Equal(found, all) {
			t.Errorf("there are %d posts, want %d", len(found), len(all))
		}
		digest, err2 := b.Digest(ctx, b.Seq())
		if err := errors.Join(err, err2, b.Check(ctx)); err != nil {
			t.Fatal(err)
		}
		return digest
	}
	first := check()
	if _, err := b.Compact(ctx, quiet); err != nil {
		t.Fatal(err)
	}
	if again := check(); again != first {
		t.Error("the last compaction has changed the records")
	}
	t.Logf("%d commits beside %d compactions", b.Seq(), compactions)
}

func TestCompactEnds(t *testing.T) {
	b := newBlog(t, Options{})
	for range 20 {
		b.write("p", 0)
	}
	b.compactKeys = 1
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := b.Compact(ctx, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(compactPath(b.path)); !errors.Is(err, os.ErrNotExist) {
		t.Error("it has left its file")
	}
	b.write("q", 0)
	closed := make(chan error, 1)
	var once sync.Once
	_, err := b.Compact(context.Background(), func(int64, int64) {
		once.Do(func() { go func() { closed <- b.Close() }() })
		<-b.closing
	})
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(compactPath(b.path), []byte("of a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.open(Options{})
	if _, err := os.Stat(compactPath(b.path)); !errors.Is(err, os.ErrNotExist) {
		t.Error("what a crash has left is still there")
	}
	if n := len(b.titles(b.Seq(), Range{})); n != 21 {
		t.Errorf("%d posts", n)
	}
}

// TestOpenWaitsForTheFileWithTheName opens a file that is in use and is replaced meanwhile:
// it must not get the old one, which no longer has a name.
func TestOpenWaitsForTheFileWithTheName(t *testing.T) {
	b := newBlog(t, Options{})
	b.write("p", 0)
	opened := make(chan error, 1)
	waits := make(chan struct{})
	go func() {
		first := true
		db, err := openNamed(b.path, bolt.Options{Timeout: time.Minute}, func(path string, flag int, mode os.FileMode) (*os.File, error) {
			file, err := os.OpenFile(path, flag, mode)
			if first {
				first = false
				close(waits)
			}
			return file, err
		})
		if err == nil {
			err = errors.Join(db.View(func(btx *bolt.Tx) error {
				if seq := readHead(btx).seq; seq != 2 {
					return fmt.Errorf("it is the file of commit %d", seq)
				}
				return nil
			}), db.Close())
		}
		opened <- err
	}()
	<-waits
	if _, err := b.Compact(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	b.write("q", 0)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}
