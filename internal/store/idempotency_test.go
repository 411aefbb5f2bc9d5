package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
)

func (b *blog) once(scope string, key record.ID, request string) *Attempt {
	b.t.Helper()
	once, err := NewAttempt(scope, key, []byte(request))
	if err != nil {
		b.t.Fatal(err)
	}
	return once
}

// writeOnce creates a post as part of a run.
func (b *blog) writeOnce(once *Attempt, title string) (Commit, error) {
	return b.Update(context.Background(), "test", func(tx *Tx) error {
		tx.SetAttempt(once)
		_, err := tx.Create(b.posts, &post{Title: title})
		return err
	})
}

func (b *blog) applied(once *Attempt) *Applied {
	b.t.Helper()
	applied, err := b.Applied(once)
	if err != nil {
		b.t.Fatal(err)
	}
	return applied
}

func (b *blog) count() (n int) {
	b.t.Helper()
	if err := b.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(b.posts, Range{}, func(*record.Image) bool { n++; return true })
	}); err != nil {
		b.t.Fatal(err)
	}
	return n
}

func TestACallTakesEffectOnce(t *testing.T) {
	b := newBlog(t, Options{})
	key := record.NewID()
	first := b.once("ada", key, "hi")
	if applied := b.applied(first); applied != nil {
		t.Fatalf("before: %+v", applied)
	}
	commit, err := b.writeOnce(first, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.writeOnce(first, "b"); err != nil {
		t.Errorf("the second commit of one run: %v", err)
	}
	var again *AppliedError
	if _, err := b.writeOnce(b.once("ada", key, "hi"), "c"); !errors.As(err, &again) || again.Seq != commit.Seq || again.Answer != nil {
		t.Errorf("another run: %v", err)
	}
	b.SaveAnswer(first, []byte("done"))
	for _, when := range []string{"at once", "after the store was opened again"} {
		if _, err := b.writeOnce(b.once("ada", key, "ho"), "d"); !errors.Is(err, ErrOtherRequest) {
			t.Errorf("%s, another request: %v", when, err)
		}
		if _, err := b.Applied(b.once("ada", key, "ho")); !errors.Is(err, ErrOtherRequest) {
			t.Errorf("%s, asked about another request: %v", when, err)
		}
		if applied := b.applied(b.once("ada", key, "hi")); applied == nil || applied.Seq != commit.Seq || string(applied.Answer) != "done" {
			t.Errorf("%s it is known that %+v", when, applied)
		}
		b.close()
		b.open(Options{})
	}
	if n := b.count(); n != 2 {
		t.Errorf("there are %d posts", n)
	}
	if _, err := b.writeOnce(b.once("bob", key, "hi"), "e"); err != nil {
		t.Errorf("the key of another user: %v", err)
	}
	if _, err := NewAttempt("ada", "k", nil); err == nil || !strings.Contains(err.Error(), `"k" is not a key`) {
		t.Errorf("a bad key: %v", err)
	}
}

func TestWhatCommitsNothingAppliesNoKey(t *testing.T) {
	b := newBlog(t, Options{})
	once := b.once("", record.NewID(), "hi")
	for _, fn := range []func(tx *Tx) error{
		func(tx *Tx) error { return nil },
		func(tx *Tx) error { return errors.New("no") },
		func(tx *Tx) error { _, err := tx.Create(b.posts, &post{}); return err },
	} {
		_, _ = b.Update(context.Background(), "test", func(tx *Tx) error { tx.SetAttempt(once); return fn(tx) })
	}
	if applied := b.applied(once); applied != nil {
		t.Errorf("it is known that %+v", applied)
	}
}

func TestRunsAtTheSameTime(t *testing.T) {
	b := newBlog(t, Options{})
	key := record.NewID()
	var runs sync.WaitGroup
	done := make(chan error, 20)
	for range cap(done) {
		runs.Go(func() {
			_, err := b.writeOnce(b.once("ada", key, "hi"), "a")
			done <- err
		})
	}
	runs.Wait()
	close(done)
	committed := 0
	for err := range done {
		var applied *AppliedError
		if err == nil {
			committed++
		} else if !errors.As(err, &applied) || applied.Seq != 1 {
			t.Error(err)
		}
	}
	if n := b.count(); n != 1 || committed != 1 {
		t.Errorf("%d runs made %d posts", committed, n)
	}
}

// An answer is written alone if no commit comes.
func TestAnAnswerIsWrittenSoon(t *testing.T) {
	b := newBlog(t, Options{})
	key := record.NewID()
	once := b.once("ada", key, "hi")
	if _, err := b.writeOnce(once, "a"); err != nil {
		t.Fatal(err)
	}
	b.SaveAnswer(once, []byte("done"))
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, waits := b.answers.get(once.Key()); !waits {
			break
		}
		if time.Since(start) > time.Minute {
			t.Fatal("it is not")
		}
	}
	if applied := b.applied(once); string(applied.Answer) != "done" {
		t.Errorf("it is known that %+v", applied)
	}
	b.SaveAnswer(once, make([]byte, maxAnswer+1))
	if applied := b.applied(once); string(applied.Answer) != "done" {
		t.Error("an answer that is too long was kept")
	}
}

func TestKeysExpire(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := newBlog(t, Options{KeyAge: time.Hour, Now: func() time.Time { return now }})
	var keys []*Attempt
	for range 3 * trimMore {
		keys = append(keys, b.once("ada", record.NewID(), "hi"))
		if _, err := b.writeOnce(keys[len(keys)-1], "a"); err != nil {
			t.Fatal(err)
		}
	}
	known := func() (n int) {
		for _, once := range keys {
			if b.applied(once) != nil {
				n++
			}
		}
		return n
	}
	now = now.Add(time.Hour)
	b.write("in time", 0)
	if n := known(); n != len(keys) {
		t.Errorf("%d of %d keys are known after an hour", n, len(keys))
	}
	now = now.Add(time.Second)
	for _, want := range []int{len(keys) - 1 - trimMore, len(keys) - 2 - 2*trimMore, 0} {
		b.write("later", 0)
		if n := known(); n != want {
			t.Errorf("%d keys are known, not %d", n, want)
		}
	}
	if _, err := b.writeOnce(keys[0], "again"); err != nil {
		t.Errorf("a key that is forgotten: %v", err)
	}
}

func TestAnAnswerThatReplacesOneBeingWrittenIsKept(t *testing.T) {
	a := answers{waiting: map[string]waitingAnswer{}, wake: make(chan struct{}, 1)}
	a.add("key", waitingAnswer{data: []byte("one")})
	written := a.all()
	a.add("key", waitingAnswer{data: []byte("two")})
	a.drop(written)
	if w, waits := a.get("key"); !waits || string(w.data) != "two" {
		t.Errorf("%q waits: %v", w.data, waits)
	}
	a.drop(a.all())
	if _, waits := a.get("key"); waits {
		t.Error("a written answer still waits")
	}
}
