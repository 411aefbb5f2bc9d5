package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
)

func TestCreateFillsTheRecord(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 123_456_789, time.FixedZone("here", 3600))
	b := newBlog(t, Options{Now: func() time.Time { return now }})
	tx := b.Begin("test")
	p := &post{Title: "a", Tags: []string{"x"}}
	image, err := tx.Create(b.posts, p)
	if err != nil {
		t.Fatal(err)
	}
	want := now.UTC().Truncate(time.Microsecond)
	if _, err := record.ParseID(string(p.ID)); err != nil || p.CreatedAt != want || p.UpdatedAt != want || image.ID != p.ID {
		t.Errorf("it is filled with %+v: %v", p.Record, err)
	}
	p.Title, p.Tags[0] = "changed", "changed"
	if image, err = tx.Get(b.posts, p.ID); err != nil || !strings.Contains(string(image.JSON), `"title":"a"`) || !strings.Contains(string(image.JSON), `["x"]`) {
		t.Errorf("the transaction holds %s: %v", image.JSON, err)
	}
	if _, err := b.Begin("test").Get(b.posts, p.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("it is there before its commit: %v", err)
	}
	c, err := tx.Commit(context.Background())
	if err != nil || c.Seq != 1 || c.At != want || c.By != "test" {
		t.Fatalf("%+v: %v", c, err)
	}
	if image, err = b.Begin("test").Get(b.posts, p.ID); err != nil || image.Version != 1 {
		t.Errorf("%+v: %v", image, err)
	}
}

func TestWhatIsNotCreated(t *testing.T) {
	b := newBlog(t, Options{})
	there := b.write("there", 0)
	long := strings.Repeat("ä", 513)
	for _, c := range []struct {
		model  *record.Model
		record any
		err    string
	}{
		{b.posts, &post{}, "posts: title is required"},
		{b.posts, &post{Title: "a", Record: record.Record{ID: "x"}}, "posts: id is not an id"},
		{b.posts, &post{Title: "a", Record: record.Record{ID: there.ID}}, "posts: id is already taken"},
		{b.posts, &post{Title: "a", AuthorID: record.NewID()}, "posts: authorId does not exist"},
		{b.posts, &post{AuthorID: "x", Record: record.Record{ID: "x"}}, "posts: authorId does not exist; id is not an id; title is required"},
		{b.users, &user{Name: "Ada", Email: long}, "users: email is too long to be indexed: at most 1024 bytes"},
		{b.posts, &user{}, "a *store.user is not a record of posts"},
		{b.posts, post{}, "a store.post is not a record of posts"},
		{b.posts, nil, "a <nil> is not a record of posts"},
		{mustModel(t, "others", &post{}), &post{Title: "a"}, "the store was opened without the model others"},
	} {
		before := fmt.Sprintf("%+v", c.record)
		tx := b.Begin("test")
		if _, err := tx.Create(c.model, c.record); errorText(err) != c.err {
			t.Errorf("%+v: %v, not %s", c.record, err, c.err)
		}
		if after := fmt.Sprintf("%+v", c.record); after != before {
			t.Errorf("%s was left as %s", before, after)
		}
		if c, err := tx.Commit(context.Background()); err != nil || c.Seq != 0 {
			t.Errorf("%v was committed: %v", c, err)
		}
	}
	var invalid *record.InvalidError
	if _, err := b.Begin("test").Create(b.posts, &post{}); !errors.As(err, &invalid) || invalid.Model != "posts" || len(invalid.Problems.Map()["title"]) != 1 {
		t.Errorf("%#v", err)
	}
}

func TestUpdate(t *testing.T) {
	now := time.UnixMicro(1_000_000).UTC()
	b := newBlog(t, Options{Now: func() time.Time { return now }})
	p := b.write("a", 1)
	now = now.Add(time.Second)
	c := b.like(p, 2)
	got := decodePost(t, c.Changes[0].After)
	if got.Likes != 2 || got.Title != "a" || got.ID != p.ID || got.CreatedAt != p.CreatedAt || got.UpdatedAt != now {
		t.Errorf("%+v", got)
	}
	if was := decodePost(t, c.Changes[0].Before); was.Likes != 1 || was.UpdatedAt != p.UpdatedAt || c.Changes[0].Op != Update {
		t.Errorf("%+v", was)
	}
}

func decodePost(t *testing.T, image *record.Image) *post {
	t.Helper()
	rec, err := image.Record()
	if err != nil {
		t.Fatal(err)
	}
	return rec.(*post)
}

func TestWhatIsNotUpdated(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("a", 1)
	tx := b.Begin("test")
	failed := errors.New("failed")
	for _, c := range []struct {
		name string
		fn   func(*post) error
		err  string
	}{
		{"its id", func(p *post) error { p.ID = record.NewID(); return nil }, "posts: id cannot be changed"},
		{"all of it", func(p *post) error { *p = post{Title: "b"}; return nil }, "posts: createdAt cannot be changed; id cannot be changed"},
		{"against a rule", func(p *post) error { p.Title = ""; return nil }, "posts: title is required"},
		{"a reference", func(p *post) error { p.AuthorID = record.NewID(); return nil }, "posts: authorId does not exist"},
		{"in vain", func(p *post) error { p.Likes = 7; return failed }, "failed"},
		{"nothing", func(p *post) error { return nil }, ""},
		{"the time of the update", func(p *post) error { p.UpdatedAt = time.Now(); return nil }, ""},
	} {
		if _, err := tx.Update(b.posts, p.ID, func(rec any) error { return c.fn(rec.(*post)) }); errorText(err) != c.err {
			t.Errorf("%s: %v, not %s", c.name, err, c.err)
		}
	}
	if _, err := tx.Update(b.posts, record.NewID(), nil); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := tx.Delete(b.posts, record.NewID()); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if c, err := tx.Commit(context.Background()); err != nil || c.Seq != 0 {
		t.Errorf("%v was committed: %v", c, err)
	}
}

func TestCommitsHoldNetChanges(t *testing.T) {
	b := newBlog(t, Options{})
	kept, gone, back := b.write("kept", 1), b.write("gone", 1), b.write("back", 1)
	made := &post{Title: "made"}
	c := b.do(func(tx *Tx) error {
		short := &post{Title: "short"}
		_, err := tx.Create(b.posts, short)
		_, err2 := tx.Create(b.posts, made)
		return errors.Join(err, err2,
			setLikes(tx, b.posts, made.ID, 5),
			tx.Delete(b.posts, gone.ID),
			setLikes(tx, b.posts, kept.ID, 2), setLikes(tx, b.posts, kept.ID, 1),
			tx.Delete(b.posts, short.ID),
			tx.Delete(b.posts, back.ID),
			func() error {
				_, err := tx.Create(b.posts, &post{Record: record.Record{ID: back.ID}, Title: "back again"})
				return err
			}())
	})
	var got []string
	for _, ch := range c.Changes {
		got = append(got, fmt.Sprint(ch.Op, " ", ch.ID))
	}
	want := []string{fmt.Sprint("create ", made.ID), fmt.Sprint("delete ", gone.ID), fmt.Sprint("update ", back.ID)}
	if !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	if p := decodePost(t, c.Changes[0].After); p.Likes != 5 {
		t.Errorf("%+v", p)
	}
}

func TestATransactionSeesItsOwnWrites(t *testing.T) {
	b := newBlog(t, Options{})
	first, second := b.write("first", 1), b.write("second", 2)
	tx := b.Begin("test")
	third := &post{Title: "third", Likes: 0}
	if _, err := tx.Create(b.posts, third); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tx.Delete(b.posts, first.ID), setLikes(tx, b.posts, second.ID, -1)); err != nil {
		t.Fatal(err)
	}
	var titles []string
	if err := tx.View(context.Background(), func(snap *Snapshot) error {
		if _, err := snap.Get(b.posts, first.ID); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if image, err := snap.Get(b.posts, third.ID); err != nil || image.ID != third.ID {
			t.Error(err)
		}
		return collect(snap, b.posts, Range{Index: b.posts.Field("likes")}, &titles)
	}); err != nil || !slices.Equal(titles, []string{"second", "third"}) {
		t.Errorf("it sees %v: %v", titles, err)
	}
	if _, err := tx.Get(b.posts, first.ID); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if got := b.titles(b.Seq(), Range{}); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("others see %v", got)
	}
}

func TestReferences(t *testing.T) {
	b := newBlog(t, Options{})
	ada := &user{Name: "Ada"}
	p := &post{Title: "t"}
	b.do(func(tx *Tx) error { // to a record of the same transaction
		_, err := tx.Create(b.users, ada)
		p.AuthorID = ada.ID
		_, err2 := tx.Create(b.posts, p)
		return errors.Join(err, err2)
	})
	b.do(func(tx *Tx) error { return tx.Delete(b.users, ada.ID) })
	b.like(p, 3) // a reference that has become invalid may stay
}

func TestReferencesToItself(t *testing.T) {
	items := mustModel(t, "items", &item{})
	b := newBlog(t, Options{Models: []*record.Model{items}})
	id := record.NewID()
	b.do(func(tx *Tx) error {
		_, err := tx.Create(items, &item{Record: record.Record{ID: id}, Parent: id})
		return err
	})
}

func TestUniqueValues(t *testing.T) {
	items := mustModel(t, "items", &item{})
	b := newBlog(t, Options{Models: []*record.Model{items}})
	x, y, empty := "x", "y", ""
	create := func(tx *Tx, code *string) (record.ID, error) {
		it := &item{Code: code}
		_, err := tx.Create(items, it)
		return it.ID, err
	}
	set := func(tx *Tx, id record.ID, code *string) error {
		_, err := tx.Update(items, id, func(rec any) error {
			rec.(*item).Code = code
			return nil
		})
		return err
	}
	var ids []record.ID
	b.do(func(tx *Tx) error { // null any number of times, other values once
		for _, code := range []*string{&x, &y, nil, nil, &empty} {
			id, err := create(tx, code)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	b.do(func(tx *Tx) error { return errors.Join(set(tx, ids[0], &y), set(tx, ids[1], &x)) }) // exchanged
	b.do(func(tx *Tx) error {                                                                 // given up and taken
		_, err := create(tx, &y)
		return errors.Join(err, tx.Delete(items, ids[0]))
	})
	for name, fn := range map[string]func(tx *Tx) error{
		"taken":       func(tx *Tx) error { _, err := create(tx, &x); return err },
		"empty":       func(tx *Tx) error { return set(tx, ids[2], &empty) },
		"taken twice": func(tx *Tx) error { z := "z"; return errors.Join(set(tx, ids[2], &z), set(tx, ids[3], &z)) },
		"given up and taken twice": func(tx *Tx) error {
			return errors.Join(set(tx, ids[1], nil), set(tx, ids[2], &x), set(tx, ids[3], &x))
		},
	} {
		var invalid *record.InvalidError
		if _, err := b.Update(context.Background(), "test", fn); !errors.As(err, &invalid) || err.Error() != "items: code is already taken" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllUniqueValuesOfARecordThatAreTaken(t *testing.T) {
	type account struct {
		record.Record
		Name  string `json:"name" tower:"unique"`
		Email string `json:"email" tower:"unique"`
	}
	accounts := mustModel(t, "accounts", &account{})
	b := newBlog(t, Options{Models: []*record.Model{accounts}})
	create := func(tx *Tx) error {
		_, err := tx.Create(accounts, &account{Name: "ada", Email: "ada@example.org"})
		return err
	}
	b.do(create)
	if _, err := b.Update(context.Background(), "test", create); errorText(err) != "accounts: email is already taken; name is already taken" {
		t.Error(err)
	}
}

func TestEndedTransactions(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("a", 0)
	tx := b.Begin("test")
	if _, err := tx.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, got := tx.Get(b.posts, p.ID)
	_, created := tx.Create(b.posts, &post{Title: "b"})
	_, updated := tx.Update(b.posts, p.ID, nil)
	_, committed := tx.Commit(context.Background())
	viewed := tx.View(context.Background(), nil)
	for _, err := range []error{got, created, updated, committed, viewed, tx.Delete(b.posts, p.ID)} {
		if errorText(err) != "the transaction has ended" {
			t.Error(err)
		}
	}
}

func TestStoreUpdate(t *testing.T) {
	b := newBlog(t, Options{})
	p := b.write("a", 0)
	failed := errors.New("failed")
	if _, err := b.Update(context.Background(), "test", func(tx *Tx) error {
		return errors.Join(setLikes(tx, b.posts, p.ID, 3), failed)
	}); !errors.Is(err, failed) || b.Seq() != 1 {
		t.Errorf("%v, at %d", err, b.Seq())
	}
	tries := 0
	c := b.do(func(tx *Tx) error {
		if err := setLikes(tx, b.posts, p.ID, 10); err != nil {
			return err
		}
		if tries++; tries < 3 {
			b.like(p, tries)
		}
		return nil
	})
	if tries != 3 || c.Seq != 4 {
		t.Errorf("committed as %d at try %d", c.Seq, tries)
	}
	tries = 0
	if _, err := b.Update(context.Background(), "test", func(tx *Tx) error {
		tries++
		b.like(p, tries)
		_, err := tx.Get(b.posts, p.ID)
		b.like(p, -tries)
		return errors.Join(err, setLikes(tx, b.posts, p.ID, 0))
	}); !errors.Is(err, ErrConflict) || !strings.HasPrefix(err.Error(), "gave up after ") || tries != maxTries {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// What a transaction reads at different moments may be of different states. If it fails
// because of that, it runs again; it fails once if what it read is as it was.
func TestAnOvertakenTransactionDoesNotFail(t *testing.T) {
	b := newBlog(t, Options{})
	b.write("old", 0)
	newest := func(tx *Tx) (id record.ID, err error) {
		err = tx.View(t.Context(), func(snap *Snapshot) error {
			return snap.Scan(b.posts, Range{}, func(image *record.Image) bool {
				id = image.ID
				return true
			})
		})
		return id, err
	}
	tries := 0
	b.do(func(tx *Tx) error {
		id, err := newest(tx)
		if tries++; tries == 1 {
			b.do(func(other *Tx) error { return other.Delete(b.posts, id) })
			b.write("new", 0)
		}
		return errors.Join(err, tx.Delete(b.posts, id))
	})
	if tries != 2 {
		t.Errorf("it ran %d times", tries)
	}

	kept := b.write("kept", 0)
	failed := errors.New("failed")
	for name, test := range map[string]struct {
		meanwhile func(try int)
		tries     int
	}{
		"nothing changes":               {func(int) {}, 1},
		"something else changes":        {func(int) { b.do(func(tx *Tx) error { _, err := tx.Create(b.users, &user{Name: "x"}); return err }) }, 1},
		"what was read changes":         {func(try int) { b.like(kept, try) }, maxTries},
		"what was read changes at once": {func(try int) { b.like(kept, 100) }, 2},
	} {
		tries := 0
		_, err := b.Update(t.Context(), "test", func(tx *Tx) error {
			_, err := tx.Get(b.posts, kept.ID)
			tries++
			test.meanwhile(tries)
			return errors.Join(err, failed)
		})
		if !errors.Is(err, failed) || tries != test.tries {
			t.Errorf("%s: %v after %d tries, not %d", name, err, tries, test.tries)
		}
	}
}
