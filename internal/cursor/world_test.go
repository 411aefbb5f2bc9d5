package cursor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A viewer is a user whose level decides what it may see.
type viewer struct{ level atomic.Int64 }

// A replica is a client: it applies deltas mechanically, and knows nothing else.
type replica struct {
	Membership
	number int
	viewer *viewer
	asks   int // the question that it opens or has open
	tag    int // the question whose answer it holds
	open   bool
	seq    uint64 // of its state
	level  int64  // of its viewer, when it got its state
	images []*record.Image
	value  record.Value
	owners map[record.ID]*record.Image // included records
	with   map[record.ID][]*record.Image
}

func (c *replica) place(id record.ID) int {
	return slices.IndexFunc(c.images, func(img *record.Image) bool { return img.ID == id })
}

// apply applies deltas to a state that is ordered, or kept by id.
func (c *replica) apply(deltas []Delta, ordered bool) error {
	if c.with == nil {
		c.with = map[record.ID][]*record.Image{}
	}
	phase := 0
	for _, d := range deltas {
		step := map[DeltaOp]int{Leave: 0, Enter: 1, Change: 2}[d.Op]
		if step < phase {
			return fmt.Errorf("%s of %s comes too late", d.Op, d.ID)
		}
		phase = step
		if c.with[d.ID] = d.With; d.Op == Leave {
			delete(c.with, d.ID)
		}
		at := c.place(d.ID)
		if (at >= 0) == (d.Op == Enter) || (d.Image == nil) != (d.Op == Leave) || !ordered && d.After != nil {
			return fmt.Errorf("%s of %s, which is at %d", d.Op, d.ID, at)
		}
		if d.Op == Change && d.After == nil {
			c.images[at] = d.Image
			continue
		}
		if at >= 0 {
			c.images = slices.Delete(c.images, at, at+1)
		}
		if d.Op == Leave {
			continue
		}
		to := 0
		if ordered && d.After == nil {
			return fmt.Errorf("%s of %s does not say where", d.Op, d.ID)
		}
		if ordered && *d.After != "" {
			if to = c.place(*d.After) + 1; to == 0 {
				return fmt.Errorf("%s of %s after %s, which is not there", d.Op, d.ID, *d.After)
			}
		}
		c.images = slices.Insert(c.images, to, d.Image)
	}
	if !ordered {
		slices.SortFunc(c.images, func(a, b *record.Image) int { return strings.Compare(string(a.ID), string(b.ID)) })
	}
	return nil
}

// join applies the changes of included records.
func (c *replica) join(included []Included) error {
	for _, in := range included {
		phase := 0
		for _, d := range in.Deltas {
			step := map[DeltaOp]int{Leave: 0, Enter: 1, Change: 2}[d.Op]
			_, known := c.owners[d.ID]
			if step < phase || known == (d.Op == Enter) || (d.Image == nil) != (d.Op == Leave) || d.After != nil {
				return fmt.Errorf("%s of the included %s, known %v", d.Op, d.ID, known)
			}
			phase = step
			if c.owners[d.ID] = d.Image; d.Op == Leave {
				delete(c.owners, d.ID)
			}
		}
	}
	return nil
}

// A world is a store, an engine, clients, and what they should hold. It is the engine's
// sink.
type world struct {
	t         testing.TB
	m         querytest.Models
	st        *store.Store
	engine    *Engine
	users     []record.ID
	questions []querytest.Question
	viewers   []*viewer

	mu       sync.Mutex // locked within the engine's lock, never around it
	rand     *rand.Rand
	rescopes bool
	seq      uint64
	all      map[record.ID]*record.Image
	people   map[record.ID]*record.Image
	clients  map[*replica]bool // open or being opened
	answers  map[string][]*record.Image
	counts   map[string]int
	failed   bool
}

func newWorld(t testing.TB, r *rand.Rand, records, questions int) *world {
	w := &world{t: t, m: querytest.NewModels(t), rand: rand.New(rand.NewPCG(r.Uint64(), 1)), clients: map[*replica]bool{}, answers: map[string][]*record.Image{}, counts: map[string]int{}}
	w.st = querytest.OpenStore(t, w.m, store.Options{})
	users, ids := querytest.FillStore(t, r, w.st, w.m, records)
	w.users = users
	for range 3 {
		w.viewers = append(w.viewers, &viewer{})
	}
	for len(w.questions) < questions {
		q := querytest.RandomQuestion(r, ids, users)
		q.With = r.IntN(2) == 0
		w.questions = append(w.questions, q)
	}
	w.engine = NewEngine(w.st, w, func(err error) { t.Error(err) })
	w.engine.Bound(newLedger(t))
	if err := w.st.View(context.Background(), func(snap *store.Snapshot) error {
		w.seq, w.all, w.people = snap.Seq(), querytest.AllImages(t, snap, w.m.Things), querytest.AllImages(t, snap, w.m.Users)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// spec returns what a client opens for a question. Every third question has a rule of its
// own, and every third one a rule that depends on its viewer's level.
func (w *world) spec(c *replica, tag int, level func() int64) Spec {
	q := &w.questions[tag]
	s := Spec{Scope: scopeOf(w.t, q, w.m.Things), Tag: strconv.Itoa(tag), Ordered: q.Ordered}
	if s.Value.Kind = kindOf(q); q.Field != "" {
		s.Value.Field = w.m.Things.Field(q.Field)
	}
	if w.rule(tag, 0) != nil {
		s.Allow = func(img *record.Image) bool { return w.rule(tag, level())(querytest.Decoded(img)) }
	}
	if q.With && kindOf(q) == query.ValueNone {
		in := Include{Fields: []*record.Field{w.m.Things.Field("owner")}, Model: w.m.Users}
		if tag%2 == 0 {
			in.Allow = func(img *record.Image) bool { return visible(img, level()) }
		}
		s.Include, s.Inline = []Include{in}, tag%4 > 1
	}
	return s
}

// visible is a rule for users that depends on the viewer's level.
func visible(img *record.Image, level int64) bool {
	x, _ := img.Record()
	return (int64(x.(*querytest.User).Level)+level)%3 > 0
}

// includedUsers returns the users that a client should have as included records, by
// version.
func (w *world) includedUsers(c *replica) map[record.ID]uint64 {
	want := map[record.ID]uint64{}
	if !w.questions[c.tag].With {
		return want
	}
	for _, img := range w.answer(c) {
		owner := w.people[querytest.Decoded(img).Owner]
		if owner != nil && (c.tag%2 > 0 || visible(owner, c.viewer.level.Load())) {
			want[owner.ID] = owner.Version
		}
	}
	return want
}

func (w *world) rule(tag int, level int64) func(*querytest.Thing) bool {
	switch tag % 3 {
	case 1:
		return func(x *querytest.Thing) bool { return (x.Count+tag)%3 != 0 }
	case 2:
		return func(x *querytest.Thing) bool { return int64(x.Size) >= level }
	}
	return nil
}

// answer returns what a client should hold now.
func (w *world) answer(c *replica) []*record.Image {
	level := c.viewer.level.Load()
	key := fmt.Sprint(c.tag, level)
	found, ok := w.answers[key]
	if !ok {
		q := w.questions[c.tag]
		q.Allow = w.rule(c.tag, level)
		found = q.Answer(w.all)
		w.answers[key] = found
	}
	return found
}

func (w *world) fail(format string, args ...any) {
	if !w.failed {
		w.t.Errorf(format, args...)
	}
	w.failed = true
}

// verify compares a client with a fresh query.
func (w *world) verify(c *replica, why string) {
	want := w.answer(c)
	c.seq, c.level = w.seq, c.viewer.level.Load()
	if q := w.questions[c.tag]; kindOf(&q) != query.ValueNone {
		if now := valueOf(&q, want); c.value.Any() != now {
			w.fail("%s at %d: %s of %s of %v (rule %d) is %s, want %v", why, w.seq, kindOf(&q), q.Field, q.Where, c.tag%3, c.value, now)
		}
		return
	}
	got := map[record.ID]uint64{}
	for id, owner := range c.owners {
		got[id] = owner.Version
	}
	if want := w.includedUsers(c); !maps.Equal(got, want) {
		w.fail("%s at %d: %s (rule %d) includes %v, want %v", why, w.seq, scopeOf(w.t, &w.questions[c.tag], w.m.Things), c.tag%3, got, want)
	}
	w.verifyWith(c, why)
	if slices.EqualFunc(c.images, want, func(a, b *record.Image) bool {
		return a.ID == b.ID && a.Version == b.Version && bytes.Equal(a.JSON, b.JSON)
	}) {
		return
	}
	s := scopeOf(w.t, &w.questions[c.tag], w.m.Things)
	w.fail("%s at %d: %s (rule %d)\n got %s\nwant %s", why, w.seq, s, c.tag%3, querytest.DescribeImages(c.images), querytest.DescribeImages(want))
}

// verifyWith checks that each record of an inline cursor came with its included records,
// and that records of other cursors came without.
func (w *world) verifyWith(c *replica, why string) {
	inline := w.spec(c, c.tag, c.viewer.level.Load).Inline
	for _, img := range c.images {
		var want []*record.Image
		if owner := c.owners[record.ID(img.Value(w.m.Things.Field("owner")).Text())]; owner != nil && inline {
			want = []*record.Image{owner}
		}
		same := func(a, b *record.Image) bool { return a.ID == b.ID && a.Version == b.Version }
		if with := c.with[img.ID]; (with != nil) != inline || !slices.EqualFunc(with, want, same) {
			w.fail("%s at %d: %s came with %s, want %s", why, w.seq, img.ID, querytest.DescribeImages(with), querytest.DescribeImages(want))
		}
	}
}

func (w *world) Rescope(c store.Commit) []Move {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.rescopes || w.rand.IntN(4) > 0 {
		return nil
	}
	changed := querytest.Pick(w.rand, w.viewers)
	changed.level.Store(int64(w.rand.IntN(4)))
	var moves []Move
	clients := slices.SortedFunc(maps.Keys(w.clients), func(a, b *replica) int { return a.number - b.number })
	for _, client := range clients {
		switch {
		case w.rand.IntN(20) == 0:
			moves = append(moves, Move{Holder: client})
		case w.rand.IntN(8) == 0:
			to := w.spec(client, w.rand.IntN(len(w.questions)), client.viewer.level.Load)
			moves = append(moves, Move{Holder: client, To: &to})
		case client.viewer == changed:
			to := w.spec(client, client.asks, client.viewer.level.Load)
			moves = append(moves, Move{Holder: client, To: &to})
		}
	}
	return moves
}

func (w *world) Deliver(c store.Commit, effects []Effect, moved []Moved) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Seq != w.seq+1 {
		w.fail("commit %d comes after %d", c.Seq, w.seq)
	}
	w.seq = c.Seq
	clear(w.answers)
	for _, change := range c.Changes {
		all := w.all
		if change.Model == w.m.Users {
			all = w.people
		}
		if delete(all, change.ID); change.After != nil {
			all[change.ID] = change.After
		}
	}
	for _, e := range effects {
		w.deliverEffect(c, e)
	}
	for _, m := range moved {
		w.deliverMoved(m)
	}
	for client := range w.clients {
		if client.open {
			w.verify(client, "a commit")
		}
	}
}

func (w *world) deliverEffect(c store.Commit, e Effect) {
	if e.Resync != "" || len(e.Deltas)+len(e.Included) == 0 && e.Value == nil || len(e.Holders) == 0 {
		w.fail("%s has an effect of %d deltas on %d holders, resync %q", e.Query.Spec().Scope, len(e.Deltas), len(e.Holders), e.Resync)
	}
	for _, d := range e.Deltas {
		w.counts[d.Op.String()]++
		if d.Op == Change && d.Image.Version != c.Seq && !e.Query.Spec().Inline {
			w.fail("%s of %s, which did not change", d.Op, d.ID)
		}
	}
	for _, h := range e.Holders {
		client := h.(*replica)
		if !client.open {
			continue
		}
		if e.Value != nil {
			client.setValue(w, *e.Value)
			continue
		}
		if err := errors.Join(client.apply(e.Deltas, e.Query.Ordered()), client.join(e.Included)); err != nil {
			w.fail("%d: %s: %v", c.Seq, e.Query.Spec().Scope, err)
		}
	}
}

func (w *world) deliverMoved(m Moved) {
	w.counts["moved"]++
	client := m.Holder.(*replica)
	if !client.open {
		return
	}
	if m.Resync != "" {
		w.fail("%s is moved with a resync %s", m.From.Spec().Scope, m.Resync)
	}
	if m.Value != nil {
		client.setValue(w, *m.Value)
	}
	ordered := m.To != nil && m.To.Ordered()
	if err := errors.Join(client.apply(m.Deltas, ordered), client.join(m.Included)); err != nil {
		w.fail("%s is moved: %v", m.From.Spec().Scope, err)
	}
	if m.To == nil {
		if client.open, client.seq = false, 0; len(client.images)+len(client.owners) > 0 {
			w.fail("%s is closed and leaves %s", m.From.Spec().Scope, querytest.DescribeImages(client.images))
		}
		delete(w.clients, client)
		return
	}
	client.tag, _ = strconv.Atoi(m.To.Spec().Tag)
	client.asks = client.tag
}

// setValue gives a client the new value of its cursor.
func (c *replica) setValue(w *world, v record.Value) {
	w.counts["values"]++
	if c.value == v {
		w.fail("at %d %s is sent again", w.seq, v)
	}
	c.value = v
}

// enter opens a cursor for a client; with resume, from the client's position.
func (w *world) enter(ctx context.Context, c *replica, tag int, resume bool) {
	w.mu.Lock()
	var from *Resume
	if resume {
		level := c.level
		from = &Resume{Seq: c.seq, Spec: w.spec(c, c.tag, func() int64 { return level }), SameRule: level == c.viewer.level.Load()}
		w.counts["resumed"]++
	}
	c.asks = tag
	w.clients[c] = true
	w.mu.Unlock()
	spec := w.spec(c, tag, c.viewer.level.Load)
	err := w.engine.Open(ctx, c, spec, from, func(o Opened) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.counts["opened"]++
		resume := resume && o.Query.Spec().Value.Kind == query.ValueNone
		if o.Seq != w.seq || o.Resumed != resume || o.Resync != "" {
			w.fail("opened at %d, resumed %v %q; the world is at %d", o.Seq, o.Resumed, o.Resync, w.seq)
		}
		c.tag, _ = strconv.Atoi(o.Query.Spec().Tag)
		c.asks = c.tag
		if c.open = true; resume {
			if err := errors.Join(c.apply(o.Deltas, o.Query.Ordered()), c.join(o.Included)); err != nil {
				w.fail("%s is resumed: %v", o.Query.Spec().Scope, err)
			}
		} else {
			c.images, c.value, c.owners, c.with = slices.Clone(o.Images), o.Value, map[record.ID]*record.Image{}, map[record.ID][]*record.Image{}
			for i, with := range o.With {
				c.with[o.Images[i].ID] = with
			}
			for _, in := range o.Included {
				for _, img := range in.Images {
					c.owners[img.ID] = img
				}
			}
		}
		w.verify(c, "an open")
	})
	if err == nil {
		return
	}
	w.mu.Lock()
	delete(w.clients, c)
	w.mu.Unlock()
	w.engine.Close(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !errors.Is(err, ErrClosed) && ctx.Err() == nil {
		w.fail("open: %v", err)
	}
}

// leave closes a client's cursor; the client keeps its state.
func (w *world) leave(c *replica) {
	w.mu.Lock()
	c.open = false
	delete(w.clients, c)
	w.mu.Unlock()
	w.engine.Close(c)
}

func (w *world) isOpen(c *replica) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return c.open
}

// write commits a random change. It never deletes one of the last few records.
func (w *world) write(r *rand.Rand, ids *[]record.ID, few int) {
	_, err := w.st.Update(context.Background(), "writer", func(tx *store.Tx) error {
		if r.IntN(6) == 0 {
			if err := w.writeUser(r, tx); err != nil || r.IntN(2) == 0 {
				return err
			}
		}
		for range 1 + r.IntN(3)*r.IntN(3) {
			if err := w.writeOne(r, tx, ids, few); err != nil {
				return err
			}
		}
		return nil
	})
	var invalid *record.InvalidError
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) && !errors.As(err, &invalid) {
		w.t.Error(err)
	}
}

// writeUser changes, deletes or creates a user.
func (w *world) writeUser(r *rand.Rand, tx *store.Tx) error {
	id := querytest.Pick(r, w.users)
	if r.IntN(4) == 0 {
		if err := tx.Delete(w.m.Users, id); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		_, err := tx.Create(w.m.Users, &querytest.User{Record: record.Record{ID: id}, Name: string(id)})
		return err
	}
	_, err := tx.Update(w.m.Users, id, func(x any) error {
		x.(*querytest.User).Level++
		return nil
	})
	return err
}

func (w *world) writeOne(r *rand.Rand, tx *store.Tx, ids *[]record.ID, few int) error {
	switch n := r.IntN(10); {
	case n < 3 || len(*ids) == 0:
		x := &querytest.Thing{}
		x.Fill(r, w.users)
		img, err := tx.Create(w.m.Things, x)
		if err == nil {
			*ids = append(*ids, img.ID)
		}
		return err
	case n < 6 && len(*ids) > few:
		i := r.IntN(len(*ids))
		id := (*ids)[i]
		*ids = slices.Delete(*ids, i, i+1)
		return tx.Delete(w.m.Things, id)
	default:
		_, err := tx.Update(w.m.Things, querytest.Pick(r, *ids), func(x any) error {
			x.(*querytest.Thing).Touch(r, w.users)
			return nil
		})
		return err
	}
}

// ids returns the ids of all records.
func (w *world) ids() (ids []record.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// end closes everything and checks that nothing is left.
func (w *world) end() {
	w.mu.Lock()
	var left []*replica
	for c := range w.clients {
		left = append(left, c)
	}
	w.mu.Unlock()
	for _, c := range left {
		w.leave(c)
	}
	e := w.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.including)+len(e.referring) > 0 {
		w.t.Errorf("left behind: %d that join, %d that are referred to", len(e.including), len(e.referring))
	}
	if len(e.indexes)+len(e.openings)+len(e.moved) > 0 {
		w.t.Errorf("left behind: %d indexes, %d openings, %d early", len(e.indexes), len(e.openings), len(e.moved))
	}
	if l, counts := e.quota.(*ledger); counts && len(l.held)+len(l.count)+e.open > 0 {
		w.t.Errorf("%d holders and %d queries are counted still", len(l.held), e.open)
	}
	for _, c := range left {
		if c.group != nil {
			w.t.Errorf("client %d sits still", c.number)
		}
	}
	w.t.Log(w.counts)
}
