package systemtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// TestEveryClientHoldsWhatItsUserMaySee makes random transactions by which posts
// change, change hands and go, and users gain and lose rights, while clients come
// and go. After each, every client must hold what a fresh query would give its
// user, values included; and no frame may ever have held a record that its user could not see at
// that commit.
func TestEveryClientHoldsWhatItsUserMaySee(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t, rand.New(rand.NewPCG(seed, 1)))
	for range steps(60) {
		w.transaction()
		w.comeAndGo()
		w.check()
	}
	for _, c := range w.clients {
		c.checkFrames()
	}
}

type world struct {
	t       *testing.T
	rand    *rand.Rand
	app     *towertest.App
	users   []*User
	posts   map[tower.ID]*Post
	seq     uint64
	sights  map[uint64]map[tower.ID]map[string]bool // seq → user → ids in sight
	clients []*watching
}

type watching struct {
	*towertest.Client
	world         *world
	user          *User
	posts, newest *towertest.Cursor
	people        *towertest.Cursor
	signed        *towertest.Cursor // with their authors
	howMany, last *towertest.Cursor // values
}

func newWorld(t *testing.T, random *rand.Rand) *world {
	w := &world{t: t, rand: random, app: openSample(t), posts: map[tower.ID]*Post{}, sights: map[uint64]map[tower.ID]map[string]bool{}}
	for i := range 4 {
		w.users = append(w.users, makeUser(t, w.app, fmt.Sprintf("user%d", i), i == 0))
	}
	w.note()
	return w
}

func sees(u *User, p *Post) bool { return p.Published || u != nil && (u.Editor || p.AuthorID == u.ID) }

// note remembers what everybody may see now.
func (w *world) note() {
	w.seq = w.app.Seq()
	sight := map[tower.ID]map[string]bool{"": {}}
	for _, u := range append([]*User{nil}, w.users...) {
		ids := map[string]bool{}
		for _, p := range w.posts {
			if sees(u, p) {
				ids[string(p.ID)] = true
			}
		}
		for _, other := range w.users {
			if u != nil && (u.Editor || other == u) {
				ids[string(other.ID)] = true
			}
		}
		if u == nil {
			sight[""] = ids
		} else {
			sight[u.ID] = ids
		}
	}
	w.sights[w.seq] = sight
}

func (w *world) transaction() {
	ctx := w.t.Context()
	next := map[tower.ID]*Post{}
	for id, p := range w.posts {
		next[id] = p
	}
	var demoted []*User
	err := w.app.Transaction(ctx, func(tx *tower.Tx) error {
		for range 1 + w.rand.IntN(4) {
			if err := w.step(tx, next, &demoted); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, u := range demoted {
		u.Editor = !u.Editor
	}
	w.posts = next
	w.note()
	if err := w.app.Wait(ctx, w.seq); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) step(tx *tower.Tx, posts map[tower.ID]*Post, flipped *[]*User) error {
	ctx := w.t.Context()
	user := w.users[w.rand.IntN(len(w.users))]
	var ids []tower.ID
	for id := range posts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	switch n := w.rand.IntN(10); {
	case n < 4 || len(ids) == 0:
		p := &Post{AuthorID: user.ID, Title: fmt.Sprintf("t%d", w.rand.IntN(1000)), Published: w.rand.IntN(2) == 0}
		err := Posts.Create(ctx, tx, p)
		posts[p.ID] = p
		return err
	case n < 7:
		p, err := Posts.Update(ctx, tx, ids[w.rand.IntN(len(ids))], func(p *Post) error {
			p.Published, p.AuthorID, p.Title = w.rand.IntN(2) == 0, user.ID, fmt.Sprintf("t%d", w.rand.IntN(1000))
			return nil
		})
		if err == nil {
			posts[p.ID] = p
		}
		return err
	case n < 8:
		id := ids[w.rand.IntN(len(ids))]
		delete(posts, id)
		return Posts.Delete(ctx, tx, id)
	default:
		*flipped = append(*flipped, user)
		_, err := Users.Update(ctx, tx, user.ID, func(u *User) error { u.Editor = !u.Editor; return nil })
		return err
	}
}

func (w *world) comeAndGo() {
	if len(w.clients) > 6 {
		gone := w.rand.IntN(len(w.clients))
		w.clients[gone].checkFrames()
		w.clients[gone].Close()
		w.clients = slices.Delete(w.clients, gone, gone+1)
	}
	if w.rand.IntN(3) > 0 && len(w.clients) > 2 {
		return
	}
	c := &watching{world: w}
	var id tower.ID
	if n := w.rand.IntN(len(w.users) + 1); n < len(w.users) {
		c.user = w.users[n]
		id = c.user.ID
	}
	w.app.Transport = towertest.Transports()[w.rand.IntN(len(towertest.Transports()))]
	c.Client = w.app.Connect(w.t, id)
	w.note() // the start of its session is a commit
	c.posts, c.newest, c.people = c.Open("posts.visible", nil), c.Open("posts.newest", map[string]int{"n": 3}), c.Open("users.everyone", nil)
	c.howMany, c.last = c.Open("posts.howMany", nil), c.Open("posts.lastTitle", nil)
	c.signed = c.Open("posts.signed", nil)
	w.clients = append(w.clients, c)
}

func (w *world) check() {
	for _, c := range w.clients {
		c.Call("GET /greeting", nil) // its answer comes after all frames so far
		var all []*Post
		for _, p := range w.posts {
			if sees(c.user, p) {
				all = append(all, p)
			}
		}
		slices.SortFunc(all, func(a, b *Post) int { return strings.Compare(string(a.ID), string(b.ID)) })
		w.compare(c, "posts.visible", c.posts, all)
		slices.SortFunc(all, func(a, b *Post) int {
			if d := b.CreatedAt.Compare(a.CreatedAt); d != 0 {
				return d
			}
			return strings.Compare(string(b.ID), string(a.ID))
		})
		w.compare(c, "posts.newest", c.newest, all[:min(3, len(all))])
		w.compare(c, "posts.signed", c.signed, all[:min(5, len(all))])
		w.checkAuthors(c, all[:min(5, len(all))])
		last := "null"
		for _, p := range all {
			if title := fmt.Sprintf("%q", p.Title); last == "null" || title > last {
				last = title
			}
		}
		if c.howMany.Value() != fmt.Sprint(len(all)) || c.last.Value() != last {
			w.t.Fatalf("at %d %s holds %s posts up to %s, not %d up to %s", w.seq, w.name(c), c.howMany.Value(), c.last.Value(), len(all), last)
		}
		people := len(w.users)
		if c.user == nil {
			people = 0
		} else if !c.user.Editor {
			people = 1
		}
		if c.people.Len() != people {
			w.t.Fatalf("%s holds %d users, not %d", w.name(c), c.people.Len(), people)
		}
	}
}

// checkAuthors compares the users that ride along with posts.
func (w *world) checkAuthors(c *watching, posts []*Post) {
	var want []string
	for _, u := range w.users {
		wrote := slices.ContainsFunc(posts, func(p *Post) bool { return p.AuthorID == u.ID })
		if wrote && c.user != nil && (c.user.Editor || c.user == u) {
			want = append(want, string(u.ID))
		}
	}
	slices.Sort(want)
	if got := c.signed.Included("users"); !slices.Equal(got, want) {
		w.t.Fatalf("at %d %s holds the authors %v, want %v\n%s", w.seq, w.name(c), got, want, strings.Join(c.Frames(), "\n"))
	}
}

func (w *world) name(c *watching) string {
	if c.user == nil {
		return "a visitor"
	}
	return c.user.Name
}

func (w *world) compare(c *watching, name string, held *towertest.Cursor, want []*Post) {
	var ids []string
	for _, p := range want {
		ids = append(ids, string(p.ID))
	}
	if got := held.IDs(); !slices.Equal(got, ids) {
		w.t.Fatalf("at %d %s holds %s %v\nwant %v\n%s", w.seq, w.name(c), name, got, ids, strings.Join(c.Frames(), "\n"))
	}
	for _, p := range want {
		var got Post
		if held.Record(string(p.ID), &got); got != *p {
			w.t.Fatalf("at %d %s holds %+v, want %+v", w.seq, w.name(c), got, *p)
		}
	}
}

// checkFrames looks at every commit that a client was sent: its records must have
// been in sight after the commit, and what left, before it.
func (c *watching) checkFrames() {
	var id tower.ID
	if c.user != nil {
		id = c.user.ID
	}
	for _, message := range c.Frames() {
		frames, err := wire.Frames([]byte(message))
		if err != nil {
			c.world.t.Fatal(err)
		}
		for _, text := range frames {
			c.checkFrame(id, text)
		}
	}
}

func (c *watching) checkFrame(id tower.ID, text []byte) {
	var frame struct {
		From, Seq    uint64
		Users, Posts []struct{ ID string }
		Cursors      map[string]struct {
			Leave   []string
			Include map[string]struct{ Leave []string }
		}
	}
	if json.Unmarshal(text, &frame) != nil || frame.Seq == 0 || len(frame.Cursors) == 0 {
		return
	}
	for _, record := range append(frame.Users, frame.Posts...) {
		if !c.world.sights[frame.Seq][id][record.ID] {
			c.world.t.Errorf("%s may not see %s at %d: %s", c.world.name(c), record.ID, frame.Seq, text)
		}
	}
	if frame.From == 0 {
		frame.From = frame.Seq
	}
	for _, cursor := range frame.Cursors {
		for _, left := range append(cursor.Leave, cursor.Include["users"].Leave...) {
			if !c.world.sights[frame.From-1][id][left] {
				c.world.t.Errorf("%s was told that %s left at %d, which it could not see: %s", c.world.name(c), left, frame.Seq, text)
			}
		}
	}
}
