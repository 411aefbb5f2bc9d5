package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// hold stops the writer until release is called.
func (b *blog) hold() (release func()) {
	b.t.Helper()
	btx, err := b.db.Load().Begin(true)
	if err != nil {
		b.t.Fatal(err)
	}
	return func() {
		if err := btx.Rollback(); err != nil {
			b.t.Error(err)
		}
	}
}

// waiting returns when the writer, which is stopped, has taken one transaction and n more
// wait.
func (b *blog) waiting(n int) {
	for len(b.queue) < n {
		runtime.Gosched()
	}
}

// writes returns how many transactions bbolt has committed.
func (b *blog) writes() (n int) {
	b.t.Helper()
	if err := b.read(func(btx *bolt.Tx) error { n = btx.ID(); return nil }); err != nil {
		b.t.Fatal(err)
	}
	return n
}

func TestWaitingTransactionsAreWrittenTogether(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("p", 0)
	before := b.writes()
	release := b.hold()
	var wg sync.WaitGroup
	wg.Go(func() { b.write("q", 0) })
	errs := make([]error, 10)
	for i := range errs {
		wg.Go(func() {
			tx := b.Begin("test")
			if i < 5 { // one of these is first, the others fail
				errs[i] = setLikes(tx, b.posts, p.ID, i+1)
			} else {
				_, errs[i] = tx.Create(b.users, &user{Name: "u", Email: fmt.Sprint(i % 2)}) // two may have their value
			}
			if errs[i] == nil {
				_, errs[i] = tx.Commit(context.Background())
			}
		})
	}
	b.waiting(len(errs))
	release()
	wg.Wait()
	conflicts, taken := 0, 0
	for _, err := range errs {
		switch {
		case errors.Is(err, ErrConflict):
			conflicts++
		case errorText(err) == "users: email is already taken":
			taken++
		case err != nil:
			t.Error(err)
		}
	}
	if conflicts != 4 || taken != 3 || b.Seq() != 1+1+1+2 {
		t.Errorf("%d conflicts, %d taken, at %d", conflicts, taken, b.Seq())
	}
	if n := b.writes() - before; n != 1 {
		t.Errorf("written in %d transactions", n)
	}
}

func TestManyWritersAndReaders(t *testing.T) {
	b := newBlog(t, Options{})
	b.ring.maxCount = 16 // so that slow readers read the log
	const writers, each = 16, 40
	ctx := context.Background()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			likes := map[record.ID]int64{}
			feed := b.Feed(0)
			for seq := uint64(1); seq <= writers*each; seq++ {
				c, err := feed.Next(ctx)
				if err != nil || c.Seq != seq || len(c.Changes) != 1 {
					t.Errorf("%v instead of %d: %v", c, seq, err)
					return
				}
				after := c.Changes[0].After
				was := likes[after.ID]
				if likes[after.ID] = after.Value(b.posts.Field("likes")).Any().(int64); likes[after.ID] != was+1 {
					t.Errorf("%s has %d likes after %d", after.ID, likes[after.ID], was)
					return
				}
			}
		})
	}
	for range writers {
		wg.Go(func() {
			p := b.write("mine", 1)
			for n := 2; n <= each; n++ {
				b.like(p, n)
			}
		})
	}
	wg.Wait()
	feed := b.Feed(0) // a late reader
	for seq := uint64(1); seq <= writers*each; seq++ {
		if c, err := feed.Next(ctx); err != nil || c.Seq != seq {
			t.Fatalf("%v instead of %d: %v", c, seq, err)
		}
	}
}

func TestManyWritersOfOneRecord(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("p", 0)
	const writers, each = 16, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				b.do(func(tx *Tx) error {
					_, err := tx.Update(b.posts, p.ID, func(rec any) error { rec.(*post).Likes++; return nil })
					return err
				})
			}
		})
	}
	wg.Wait()
	image, err := b.Begin("test").Get(b.posts, p.ID)
	if err != nil || decodePost(t, image).Likes != writers*each {
		t.Errorf("%s: %v", image.JSON, err)
	}
}

func TestCommitsAreGivenUp(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("p", 0)
	ctx, cancel := context.WithCancel(context.Background())
	release := b.hold()
	var writing, waiting sync.WaitGroup
	writing.Go(func() { b.write("q", 0) })
	like := func() {
		tx := b.Begin("test")
		err := setLikes(tx, b.posts, p.ID, 1)
		if err == nil {
			_, err = tx.Commit(ctx)
		}
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	waiting.Go(like)
	b.waiting(1)
	cancel()
	waiting.Wait()
	like()
	release()
	writing.Wait()
	if c := b.like(p, 2); decodePost(t, c.Changes[0].Before).Likes != 0 || c.Seq != 3 {
		t.Errorf("one was committed before %d", c.Seq)
	}
}

func TestTheDiskIsFull(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("p", 0)
	b.db.Load().MaxSize = 1 << 20
	long := strings.Repeat("x", 100_000)
	var err error
	for range 100 {
		tx := b.Begin("test")
		if _, err = tx.Create(b.posts, &post{Title: "t", Tags: []string{long}}); err == nil {
			_, err = tx.Commit(context.Background())
		}
		if err != nil {
			break
		}
	}
	if !errors.Is(err, berrors.ErrMaxSizeReached) || !strings.HasPrefix(err.Error(), "commit: ") {
		t.Fatal(err)
	}
	seq := b.Seq()
	b.db.Load().MaxSize = 0
	if c := b.like(p, 1); c.Seq != seq+1 {
		t.Errorf("commit %d follows %d", c.Seq, seq)
	}
}

// bbolt may return an error after its pages have reached the disk.
func TestACommitThatWasReportedAsFailed(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("p", 0)
	tx := b.Begin("lost")
	if err := setLikes(tx, b.posts, p.ID, 1); err != nil {
		t.Fatal(err)
	}
	lost := b.prepare(tx, tx.changes())
	if err := b.db.Load().Update(func(btx *bolt.Tx) error {
		batch := b.newBatch(btx)
		_, err := batch.apply(lost)
		return errors.Join(err, batch.head.write(btx))
	}); err != nil {
		t.Fatal(err)
	}
	feed := b.Feed(1)
	if c := b.like(p, 2); c.Seq != 3 || decodePost(t, c.Changes[0].Before).Likes != 1 {
		t.Errorf("%+v", c)
	}
	for seq := uint64(2); seq <= 3; seq++ {
		if c, err := feed.Next(context.Background()); err != nil || c.Seq != seq {
			t.Errorf("%v instead of %d: %v", c, seq, err)
		}
	}
}

func TestCloseLetsCommitsEnd(t *testing.T) {
	b := newBlog(t, Options{})
	const writers = 8
	acknowledged := make([]int, writers)
	var wg, begun sync.WaitGroup
	begun.Add(writers)
	for i := range writers {
		wg.Go(func() {
			p := b.write("p", 0)
			begun.Done()
			for {
				_, err := b.Update(context.Background(), p.Title, func(tx *Tx) error {
					return setLikes(tx, b.posts, p.ID, acknowledged[i]+1)
				})
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged[i]++
			}
		})
	}
	begun.Wait()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	b.open(Options{})
	total := 0
	for _, n := range acknowledged {
		total += n
	}
	if got := int(b.Seq()) - writers; got != total {
		t.Errorf("%d were acknowledged, %d are there", total, got)
	}
}
