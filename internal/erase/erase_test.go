package erase

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/storetest"
)

type user struct {
	record.Record
	Email  string   `json:"email" tower:"unique"`
	Role   string   `json:"role"`
	Secret string   `json:"secret" tower:"private"`
	Phones []string `json:"phones"`
}

type post struct {
	record.Record
	AuthorID record.ID `json:"authorId" tower:"ref=users,delete=cascade"`
	EditorID record.ID `json:"editorId" tower:"ref=users"`
	Title    string    `json:"title" tower:"index"`
	Body     string    `json:"body"`
}

type comment struct {
	record.Record
	PostID   record.ID `json:"postId" tower:"ref=posts,delete=cascade"`
	AuthorID record.ID `json:"authorId" tower:"ref=users,delete=clear"`
	Text     string    `json:"text"`
}

type lock struct {
	record.Record
	OwnerID record.ID   `json:"ownerId" tower:"ref=users,delete=refuse"`
	Others  []record.ID `json:"others"`
}

func models(t interface{ Fatal(...any) }) (all []*record.Model) {
	for name, prototype := range map[string]any{"users": &user{}, "posts": &post{}, "comments": &comment{}, "locks": &lock{}} {
		m, err := record.NewModel(name, prototype)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// A site is an application's data that is written at random, with what should be in it.
type site struct {
	t       *testing.T
	rng     *rand.Rand
	folder  string
	store   *store.Store
	archive *archive.Archiver

	users    map[record.ID]*user
	posts    map[record.ID]*post
	comments map[record.ID]*comment
	texts    map[string]record.ID // each with the user whom it belongs to
}

func (s *site) options() Options {
	return options(s.folder, s.archive)
}

func options(folder string, a Archive) Options {
	return Options{By: "test", App: "blog", Folder: folder, Data: filepath.Join(folder, "db", "test.db"), Archive: a,
		Delivered: func(context.Context, uint64) error { return nil }, Step: func(string) {}}
}

func open(t interface{ Fatal(...any) }, folder string, now func() time.Time, wrap func(archive.Place) archive.Place) (*store.Store, *archive.Archiver) {
	s, err := store.Open(filepath.Join(folder, "db", "test.db"), store.Options{Models: models(t), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s, archive.New(s, wrap(archive.Folder(filepath.Join(folder, "archive"))),
		archive.Options{App: "blog", Folder: filepath.Join(folder, "db"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

func newSite(t *testing.T) *site {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := &site{t: t, rng: rand.New(rand.NewPCG(seed, 0)), folder: t.TempDir(),
		users: map[record.ID]*user{}, posts: map[record.ID]*post{}, comments: map[record.ID]*comment{}, texts: map[string]record.ID{}}
	if err := os.Mkdir(filepath.Join(s.folder, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.open()
	return s
}

func (s *site) open() {
	s.store, s.archive = open(s.t, s.folder, time.Now, func(p archive.Place) archive.Place { return p })
	opened := s.store
	s.t.Cleanup(func() { _ = opened.Close() })
}

// text returns a text that nobody else has, which belongs to an owner.
func (s *site) text(owner record.ID) string {
	text := fmt.Sprintf("%s<%d>\n\"%d\"", strings.Repeat("é", s.rng.IntN(200)), s.rng.Uint64(), s.rng.Uint64())
	s.texts[text] = owner
	return text
}

func pick[T any](rng *rand.Rand, all map[record.ID]T) (found record.ID) {
	if len(all) == 0 {
		return ""
	}
	n := rng.IntN(len(all))
	ids := make([]record.ID, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	return ids[n]
}

// commit changes something.
func (s *site) commit() {
	s.t.Helper()
	_, err := s.store.Update(context.Background(), "test", func(tx *store.Tx) (err error) {
		author := pick(s.rng, s.users)
		switch at := s.rng.IntN(10); {
		case author == "" || at == 0:
			id := record.NewID()
			u := &user{Record: record.Record{ID: id}, Email: s.text(id), Role: "member", Secret: s.text(id), Phones: []string{s.text(id), "abc"}}
			_, err = tx.Create(s.store.Model("users"), u)
			s.users[id] = u
		case at < 4:
			p := &post{AuthorID: author, EditorID: pick(s.rng, s.users), Title: s.text(author), Body: s.text(author)}
			_, err = tx.Create(s.store.Model("posts"), p)
			s.posts[p.ID] = p
		case at < 7 && len(s.posts) > 0:
			id := pick(s.rng, s.posts)
			c := &comment{PostID: id, AuthorID: author, Text: s.text(s.posts[id].AuthorID)}
			_, err = tx.Create(s.store.Model("comments"), c)
			s.comments[c.ID] = c
		case at < 9 && len(s.posts) > 0:
			id := pick(s.rng, s.posts)
			text := s.text(s.posts[id].AuthorID)
			_, err = tx.Update(s.store.Model("posts"), id, func(rec any) error { rec.(*post).Title = text; return nil })
			s.posts[id].Title = text
		case len(s.comments) > 0:
			id := pick(s.rng, s.comments)
			err = tx.Delete(s.store.Model("comments"), id)
			delete(s.comments, id)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.rng.IntN(20) == 0 {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.archive.Run(ctx) // archives what is left
	}
}

// forgetUser takes a user out of what should be there.
func (s *site) forgetUser(id record.ID) {
	delete(s.users, id)
	for postID, p := range s.posts {
		if p.AuthorID == id {
			delete(s.posts, postID)
		} else if p.EditorID == id {
			p.EditorID = ""
		}
	}
	for commentID, c := range s.comments {
		if s.posts[c.PostID] == nil {
			delete(s.comments, commentID)
		} else if c.AuthorID == id {
			c.AuthorID = ""
		}
	}
}

// compare compares the store with what should be there.
func (s *site) compare() {
	s.t.Helper()
	n := 0
	err := s.store.View(context.Background(), func(snap *store.Snapshot) error {
		for _, m := range s.store.Models() {
			err := snap.Scan(m, store.Range{}, func(image *record.Image) bool {
				n++
				rec, _ := image.Record()
				var want, got any
				switch rec := rec.(type) {
				case *user:
					if w := s.users[image.ID]; w != nil {
						want, got = []any{w.Email, w.Secret}, []any{rec.Email, rec.Secret}
					}
				case *post:
					if w := s.posts[image.ID]; w != nil {
						want, got = []any{w.AuthorID, w.EditorID, w.Title, w.Body}, []any{rec.AuthorID, rec.EditorID, rec.Title, rec.Body}
					}
				case *comment:
					if w := s.comments[image.ID]; w != nil {
						want, got = []any{w.PostID, w.AuthorID, w.Text}, []any{rec.PostID, rec.AuthorID, rec.Text}
					}
				}
				if want == nil || fmt.Sprint(want) != fmt.Sprint(got) {
					s.t.Errorf("%s/%s is %v, want %v", m.Name, image.ID, got, want)
				}
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if want := len(s.users) + len(s.posts) + len(s.comments); err != nil || n != want {
		s.t.Errorf("there are %d records, want %d: %v", n, want, err)
	}
	if err := s.store.Check(context.Background()); err != nil {
		s.t.Error(err)
	}
}

// bytes returns all bytes of the site: of the store, of what is beside it and of the archive, plain
// and as they are stored.
func (s *site) bytes() []byte {
	s.t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(s.folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all.Write(content)
		if name := filepath.Ext(path); name == ".backup" || name == ".log" {
			return archive.Unpack(context.Background(), bytes.NewReader(content), func(plain io.Reader) error {
				_, err := io.Copy(&all, plain)
				return err
			})
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all.Bytes()
}

// traces returns how many of a user's ids and texts are in data.
func (s *site) traces(data []byte, id record.ID, posts, comments map[record.ID]bool) (n int) {
	has := func(text []byte) {
		if bytes.Contains(data, text) {
			n++
		}
	}
	has([]byte(id))
	for other := range posts {
		has([]byte(other))
	}
	for other := range comments {
		has([]byte(other))
	}
	for text, owner := range s.texts {
		if owner == id {
			asJSON, _ := json.Marshal(text)
			has([]byte(text))
			has(bytes.Trim(asJSON, `"`))
		}
	}
	return n
}

// belonging returns the posts of a user, and the comments on them.
func (s *site) belonging(id record.ID) (posts, comments map[record.ID]bool) {
	posts, comments = map[record.ID]bool{}, map[record.ID]bool{}
	for postID, p := range s.posts {
		if p.AuthorID == id {
			posts[postID] = true
		}
	}
	for commentID, c := range s.comments {
		if posts[c.PostID] {
			comments[commentID] = true
		}
	}
	return posts, comments
}

// fill makes a history, with an archive and an older copy of the store.
func (s *site) fill() {
	s.t.Helper()
	for i := range 120 {
		s.commit()
		if i == 20 || i == 80 {
			if _, err := s.archive.Renew(context.Background()); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	older := filepath.Join(s.folder, "db", "test.db.before-20260504")
	if _, err := archive.Copy(s.store, archive.Info{}, older); err != nil {
		s.t.Fatal(err)
	}
	backup := filepath.Join(s.folder, "blog-test-1.backup")
	if _, err := archive.Backup(context.Background(), s.store, archive.Info{App: "blog"}, backup, func(string, int64, int64) {}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.SetMark("ended/"+string(pick(s.rng, s.users)), time.Now().Add(time.Hour), func([]byte) []byte { return []byte("x") }); err != nil {
		s.t.Fatal(err)
	}
}

// A user is erased with everything, and everything else stays, in the archive as well.
func TestErase(t *testing.T) {
	s := newSite(t)
	s.fill()
	for range 3 {
		id := pick(s.rng, s.users)
		if err := s.store.SetMark("ended/"+string(id), time.Now().Add(time.Hour), func([]byte) []byte { return []byte("x") }); err != nil {
			t.Fatal(err)
		}
		posts, comments := s.belonging(id)
		before := s.traces(s.bytes(), id, posts, comments)
		key := record.Key{Model: s.store.Model("users"), ID: id}
		plan, err := NewPlan(context.Background(), s.store, key, s.options())
		if err != nil || plan.Deleted["users"] != 1 || plan.Deleted["posts"] != len(posts) || plan.Deleted["comments"] != len(comments) {
			t.Fatalf("%+v, %v; the user has %d posts with %d comments", plan, err, len(posts), len(comments))
		}
		proof, err := Run(context.Background(), s.store, key, s.options())
		if err != nil {
			t.Fatal(err)
		}
		if proof.IDs != 1+len(posts)+len(comments) || proof.Texts < 3 || proof.Short < 1 || len(proof.Shared) < 1 || proof.Files < 2 {
			t.Errorf("%+v", proof)
		}
		s.forgetUser(id)
		s.compare()
		if n := s.traces(s.bytes(), id, posts, comments); n > 0 || before < 5 {
			t.Errorf("%d traces of %s are left, of %d", n, id, before)
		}
		for range 10 {
			s.commit()
		}
		s.restore()
	}
	if files, _ := filepath.Glob(filepath.Join(s.folder, "db", "*")); len(files) > 3 { // the store, and who holds it
		t.Errorf("there are %v", files)
	}
}

// restore compares what the archive restores with the store.
func (s *site) restore() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.archive.Run(ctx)
	path := filepath.Join(s.t.TempDir(), "restored.db")
	restored, err := archive.Restore(context.Background(), archive.Folder(filepath.Join(s.folder, "archive")), archive.Point{}, path, func(string, int64, int64) {})
	if err != nil || restored.Seq != s.store.Seq() {
		s.t.Fatalf("%+v, %v; the store is at %d", restored, err, s.store.Seq())
	}
	file, err := store.OpenFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	got, err := file.Digest(context.Background())
	want, err2 := s.store.Digest(context.Background(), s.store.Seq())
	if err != nil || err2 != nil || got != want {
		s.t.Errorf("the archive restores %s, want %s: %v, %v", got, want, err, err2)
	}
}

// What prevents an erasure is said before anything is changed.
func TestBlocked(t *testing.T) {
	s := newSite(t)
	s.fill()
	id := pick(s.rng, s.users)
	key := record.Key{Model: s.store.Model("users"), ID: id}
	other := &lock{Others: []record.ID{id}}
	owned := &lock{OwnerID: id}
	create := func(rec any) {
		t.Helper()
		if _, err := s.store.Update(context.Background(), "test", func(tx *store.Tx) error {
			_, err := tx.Create(s.store.Model("locks"), rec)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	create(other)
	create(owned)
	seq := s.store.Seq()
	_, err := Run(context.Background(), s.store, key, s.options())
	var blocked *BlockedError
	want := fmt.Sprintf("ownerId of locks/%s refers to users/%s with delete=refuse; delete or change it first; locks/%s has an id that is erased in others", owned.ID, id, other.ID)
	if !errors.As(err, &blocked) || err.Error() != want || s.store.Seq() != seq {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := NewPlan(context.Background(), s.store, record.Key{Model: key.Model, ID: record.NewID()}, s.options()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a user that does not exist: %v", err)
	}
	if _, err := os.Stat(journalPath(s.options().Data)); err == nil {
		t.Error("there is a journal")
	}
}

// A store that shares its log is refused: others have the log too.
func TestSharedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := store.Open(path, store.Options{Models: models(t), Log: storetest.NewLog().Node()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = NewPlan(context.Background(), s, record.Key{Model: s.Model("users"), ID: record.NewID()}, options(filepath.Dir(path), nil))
	var blocked *BlockedError
	if !errors.As(err, &blocked) || !strings.Contains(err.Error(), "shared with other nodes") {
		t.Error(err)
	}
}

// More records than one commit takes are erased in several.
func TestManyRecords(t *testing.T) {
	for _, b := range []store.Belongings{
		{Deleted: make([]record.Key, mostAtOnce+10)},
		{Deleted: make([]record.Key, 10), Cleared: make([]store.Reference, mostAtOnce-3)},
		{Deleted: make([]record.Key, 10), Cleared: make([]store.Reference, 3*mostAtOnce)},
		{Deleted: make([]record.Key, 1)},
	} {
		deleted, cleared := len(b.Deleted), len(b.Cleared)
		for steps := 0; deleted+cleared > 0; steps++ {
			p := firstOf(store.Belongings{Deleted: b.Deleted[:deleted], Cleared: b.Cleared[:cleared]})
			deleted, cleared = deleted-len(p.Deleted), cleared-len(p.Cleared)
			if n := len(p.Deleted) + len(p.Cleared); n == 0 || n > mostAtOnce || deleted == 0 && cleared > 0 || steps > 10 {
				t.Fatalf("a part has %d and %d records, %d and %d are left", len(p.Deleted), len(p.Cleared), deleted, cleared)
			}
		}
	}
}

func TestNeedles(t *testing.T) {
	n := newNeedles([]string{"01JDA7Q4Z3M8X2V6K9T5B1C0RA"}, []string{"a<b>\n", "quoted \"", strings.Repeat("long", 100)}, nil)
	for text, want := range map[string]bool{
		"a<b>\n": true, `x a\u003cb\u003e\n`: true, `a<b>\n`: true, "a<b>": false, `quoted \"`: true, "quoted": false,
		"x01JDA7Q4Z3M8X2V6K9T5B1C0RAx": true, strings.Repeat("long", 16): true, "": false, "abc": false,
	} {
		if n.in([]byte(text)) != want {
			t.Errorf("%q: %v", text, !want)
		}
		for _, before := range []int{0, window - 3, window + n.longest - 2} { // at the seams of what is searched at once
			found := false
			if _, err := n.search(strings.NewReader(strings.Repeat("-", before)+text), func(int) { found = true }); err != nil || found != want {
				t.Errorf("%q after %d bytes: %v, %v", text, before, found, err)
			}
		}
	}
}

// A dyingPlace may end the process before it changes something.
type dyingPlace struct {
	archive.Place
	point func()
}

func (d dyingPlace) Put(ctx context.Context, name string, content io.Reader, size int64) error {
	d.point()
	return d.Place.Put(ctx, name, content, size)
}

func (d dyingPlace) Delete(ctx context.Context, name string) error {
	d.point()
	return d.Place.Delete(ctx, name)
}

// eraseUntilKilled is the process that erases a user, and kills itself at a point of it.
func eraseUntilKilled(folder, id string, last int64) {
	var points atomic.Int64
	point := func() {
		if points.Add(1) == last {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {}
		}
	}
	now := func() time.Time {
		point()
		return time.Now()
	}
	s, a := open(dying{}, folder, now, func(p archive.Place) archive.Place { return dyingPlace{p, point} })
	o := options(folder, a)
	o.Step = func(string) { point() }
	if _, err := Run(context.Background(), s, record.Key{Model: s.Model("users"), ID: record.ID(id)}, o); err != nil {
		panic(err)
	}
	if err := s.Close(); err != nil {
		panic(err)
	}
	fmt.Println("erased")
}

type dying struct{}

func (dying) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func TestMain(m *testing.M) {
	if folder := os.Getenv("TOWER_TEST_ERASE"); folder != "" {
		last, _ := strconv.ParseInt(os.Getenv("TOWER_TEST_POINT"), 10, 64)
		eraseUntilKilled(folder, os.Getenv("TOWER_TEST_USER"), last)
		return
	}
	os.Exit(m.Run())
}

// An erasure that is killed at random points is completed by another.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	s := newSite(t)
	s.fill()
	id := pick(s.rng, s.users)
	posts, comments := s.belonging(id)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	kills := 0
	for {
		cmd := exec.Command(os.Args[0])
		point := 1 + s.rng.IntN(16)
		if kills > 12 {
			point = 0
		}
		cmd.Env = append(os.Environ(), "TOWER_TEST_ERASE="+s.folder, "TOWER_TEST_USER="+string(id), fmt.Sprint("TOWER_TEST_POINT=", point))
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "panic") || kills > 20 {
			t.Fatalf("killed at point %d: %s, %v", point, out, err)
		}
		if err == nil {
			break
		}
		kills++
	}
	t.Logf("it was killed %d times", kills)
	s.open()
	s.forgetUser(id)
	s.compare()
	if n := s.traces(s.bytes(), id, posts, comments); n > 0 {
		t.Errorf("%d traces of %s are left", n, id)
	}
	s.restore()
}
