package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/towerkit/tower/internal/record"
)

// A blog is a store of users and posts. It is checked when it is closed.
type blog struct {
	*Store
	t            testing.TB
	users, posts *record.Model
	path         string
}

func newBlog(t testing.TB, o Options) *blog {
	t.Helper()
	b := &blog{t: t, users: mustModel(t, "users", &user{}), posts: mustModel(t, "posts", &post{}), path: filepath.Join(t.TempDir(), "blog.db")}
	b.open(o)
	t.Cleanup(b.close)
	return b
}

func (b *blog) open(o Options) {
	b.t.Helper()
	if o.Models == nil {
		o.Models = []*record.Model{b.users, b.posts}
	}
	s, err := Open(b.path, o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Store = s
}

func (b *blog) close() {
	b.t.Helper()
	if err := b.Check(context.Background()); err != nil && !errors.Is(err, ErrClosed) {
		b.t.Error(err)
	}
	if err := b.Close(); err != nil {
		b.t.Error(err)
	}
}

// do commits what fn does.
func (b *blog) do(fn func(tx *Tx) error) Commit {
	b.t.Helper()
	c, err := b.Update(context.Background(), "test", fn)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// write creates a post in a commit of its own.
func (b *blog) write(title string, likes int) *post {
	b.t.Helper()
	p := &post{Title: title, Likes: likes}
	b.do(func(tx *Tx) error {
		_, err := tx.Create(b.posts, p)
		return err
	})
	return p
}

// like sets a post's likes in a commit of its own.
func (b *blog) like(p *post, likes int) Commit {
	b.t.Helper()
	return b.do(func(tx *Tx) error { return setLikes(tx, b.posts, p.ID, likes) })
}

func setLikes(tx *Tx, posts *record.Model, id record.ID, likes int) error {
	_, err := tx.Update(posts, id, func(rec any) error {
		rec.(*post).Likes = likes
		return nil
	})
	return err
}

// titles returns the titles of the posts in a range of a state.
func (b *blog) titles(seq uint64, r Range) []string {
	b.t.Helper()
	var titles []string
	if err := b.ViewAt(context.Background(), seq, func(snap *Snapshot) error { return collect(snap, b.posts, r, &titles) }); err != nil {
		b.t.Fatal(err)
	}
	return titles
}

func collect(snap *Snapshot, posts *record.Model, r Range, titles *[]string) error {
	return snap.Scan(posts, r, func(image *record.Image) bool {
		*titles = append(*titles, image.Value(posts.Field("title")).Text())
		return true
	})
}

func TestScanRanges(t *testing.T) {
	b := newBlog(t, Options{})
	for i, title := range []string{"a", "b", "c", "d", "e"} {
		b.write(title, i/2) // likes 0 0 1 1 2
	}
	likes := b.posts.Field("likes")
	at := func(n int64) *Bound { return &Bound{Value: record.IntValue(n)} }
	beside := func(n int64) *Bound { return &Bound{Value: record.IntValue(n), Open: true} }
	first := b.posts.Field("id")
	var ids []record.Value
	if err := b.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(b.posts, Range{}, func(image *record.Image) bool {
			ids = append(ids, image.Value(first))
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		r    Range
		want []string
	}{
		{"all by id", Range{}, []string{"a", "b", "c", "d", "e"}},
		{"all backwards", Range{Reverse: true}, []string{"e", "d", "c", "b", "a"}},
		{"ids from", Range{Min: &Bound{Value: ids[1]}}, []string{"b", "c", "d", "e"}},
		{"ids after", Range{Min: &Bound{Value: ids[1], Open: true}}, []string{"c", "d", "e"}},
		{"ids to", Range{Max: &Bound{Value: ids[1]}, Reverse: true}, []string{"b", "a"}},
		{"ids before", Range{Max: &Bound{Value: ids[1], Open: true}}, []string{"a"}},
		{"one id", Range{Min: &Bound{Value: ids[1]}, Max: &Bound{Value: ids[1]}}, []string{"b"}},
		{"by likes", Range{Index: likes}, []string{"a", "b", "c", "d", "e"}},
		{"by likes backwards", Range{Index: likes, Reverse: true}, []string{"e", "d", "c", "b", "a"}},
		{"equal", Range{Index: likes, Min: at(1), Max: at(1)}, []string{"c", "d"}},
		{"equal backwards", Range{Index: likes, Min: at(1), Max: at(1), Reverse: true}, []string{"d", "c"}},
		{"at least", Range{Index: likes, Min: at(1)}, []string{"c", "d", "e"}},
		{"more", Range{Index: likes, Min: beside(1)}, []string{"e"}},
		{"at most", Range{Index: likes, Max: at(1), Reverse: true}, []string{"d", "c", "b", "a"}},
		{"less", Range{Index: likes, Max: beside(1), Reverse: true}, []string{"b", "a"}},
		{"between", Range{Index: likes, Min: beside(0), Max: beside(2)}, []string{"c", "d"}},
		{"nothing between", Range{Index: likes, Min: beside(1), Max: beside(1)}, nil},
		{"nothing between backwards", Range{Index: likes, Min: beside(1), Max: beside(1), Reverse: true}, nil},
		{"upside down", Range{Index: likes, Min: at(2), Max: at(0)}, nil},
		{"beyond", Range{Index: likes, Min: at(3), Reverse: true}, nil},
		{"all null", Range{Index: b.posts.Field("authorId"), Max: &Bound{}}, []string{"a", "b", "c", "d", "e"}},
		{"none null", Range{Index: b.posts.Field("authorId"), Min: &Bound{Open: true}}, nil},
	} {
		if got := b.titles(b.Seq(), c.r); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

func TestScanFails(t *testing.T) {
	b := newBlog(t, Options{})
	other := mustModel(t, "others", &post{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.write("a", 0)
	none := func(*record.Image) bool { return true }
	var kept *Snapshot
	err := b.View(ctx, func(snap *Snapshot) error {
		kept = snap
		if err := snap.Scan(b.posts, Range{Index: b.posts.Field("title")}, none); errorText(err) != "posts has no index on title" {
			t.Error(err)
		}
		if err := snap.Scan(other, Range{}, none); errorText(err) != "the store was opened without the model others" {
			t.Error(err)
		}
		if _, err := snap.Get(other, "x"); errorText(err) != "the store was opened without the model others" {
			t.Error(err)
		}
		if _, err := snap.Get(b.posts, "x"); !errors.Is(err, ErrNotFound) || err.Error() != "posts/x: not found" {
			t.Error(err)
		}
		cancel()
		if err := snap.Scan(b.posts, Range{}, none); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		return os.ErrInvalid
	})
	if err != os.ErrInvalid {
		t.Error(err)
	}
	if err := kept.Scan(b.posts, Range{}, none); errorText(err) != "the snapshot was used after its View had returned" {
		t.Error(err)
	}
	if err := b.View(ctx, func(*Snapshot) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestViewAt(t *testing.T) {
	b := newBlog(t, Options{})
	a := b.write("a", 1)      // 1
	b.write("b", 2)           // 2
	b.like(a, 3)              // 3
	b.do(func(tx *Tx) error { // 4
		if err := tx.Delete(b.posts, a.ID); err != nil {
			return err
		}
		_, err := tx.Create(b.posts, &post{Title: "c", Likes: 2})
		return err
	})
	byLikes := Range{Index: b.posts.Field("likes")}
	want := [][]string{nil, {"a"}, {"a", "b"}, {"b", "a"}, {"b", "c"}}
	check := func() {
		t.Helper()
		for seq, titles := range want {
			if got := b.titles(uint64(seq), byLikes); !slices.Equal(got, titles) {
				t.Errorf("at %d: %v, not %v", seq, got, titles)
			}
		}
	}
	check()
	b.close()
	b.open(Options{})
	check() // now from the log
	err := b.ViewAt(context.Background(), 5, func(*Snapshot) error { return nil })
	if errorText(err) != "view commit 5: the newest is 4" {
		t.Error(err)
	}
}

func TestModelsOfAStore(t *testing.T) {
	b := newBlog(t, Options{})
	if b.Model("posts") != b.posts || b.Model("x") != nil || !slices.Equal(b.Models(), []*record.Model{b.users, b.posts}) {
		t.Errorf("the models are %v", b.Models())
	}
	if _, err := record.ParseID(b.Epoch()); err != nil {
		t.Error(err)
	}
}

func TestAClosedStore(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("a", 0)
	ctx := context.Background()
	tx := b.Begin("test")
	if err := tx.Delete(b.posts, p.ID); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	_, got := b.Begin("test").Get(b.posts, p.ID)
	_, committed := tx.Commit(ctx)
	_, mark := b.Mark("x")
	_, next := b.Feed(0).Next(ctx)
	for name, err := range map[string]error{
		"View":   b.View(ctx, func(*Snapshot) error { return nil }),
		"ViewAt": b.ViewAt(ctx, 0, func(*Snapshot) error { return nil }),
		"Check":  b.Check(ctx), "Get": got, "Commit": committed, "Mark": mark, "Next": next,
		"SetMark": b.SetMark("x", time.Now(), func(text []byte) []byte { return text }),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// seen is a commit in a form that can be compared.
type seen struct {
	Op            string
	Model         string
	ID            record.ID
	Before, After string
}

func see(c Commit) []seen {
	var changes []seen
	for _, ch := range c.Changes {
		one := seen{Op: ch.Op.String(), Model: ch.Model.Name, ID: ch.ID}
		if ch.Before != nil {
			one.Before = string(ch.Before.JSON) + string(ch.Before.Private)
		}
		if ch.After != nil {
			one.After = string(ch.After.JSON) + string(ch.After.Private)
		}
		changes = append(changes, one)
	}
	return changes
}

func TestCommitsInTheLogAreThoseOfTheFeed(t *testing.T) {
	b := newBlog(t, Options{})
	ada := &user{Name: "Ada", Email: "a", Hash: "hush"}
	p := &post{Title: "t"}
	before := time.Now().Add(-time.Second)
	made := []Commit{
		b.do(func(tx *Tx) error {
			_, err := tx.Create(b.users, ada)
			return errors.Join(err, func() error { _, err := tx.Create(b.posts, p); return err }())
		}),
		b.like(p, 3),
		b.do(func(tx *Tx) error { return errors.Join(tx.Delete(b.posts, p.ID), tx.Delete(b.users, ada.ID)) }),
	}
	read := func() (all []Commit) {
		for feed := b.Feed(0); len(all) < len(made); {
			c, err := feed.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		return all
	}
	fromRing := read()
	b.close()
	b.open(Options{})
	for i, c := range read() {
		for _, other := range []Commit{made[i], fromRing[i]} {
			if diff := cmp.Diff(see(other), see(c)); diff != "" || c.Seq != other.Seq || !c.At.Equal(other.At) || c.By != other.By {
				t.Errorf("commit %d by %s at %s is %d by %s at %s in the log: %s", other.Seq, other.By, other.At, c.Seq, c.By, c.At, diff)
			}
		}
		if c.Seq != uint64(i+1) || c.By != "test" || c.At.Before(before) || c.At.After(time.Now()) {
			t.Errorf("commit %d is %d by %s at %s", i+1, c.Seq, c.By, c.At)
		}
	}
}
