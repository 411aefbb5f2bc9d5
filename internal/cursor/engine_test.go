package cursor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A recorder is a sink that records what it receives. Tests call Engine.Wait before they
// look.
type recorder struct {
	mu       sync.Mutex
	moves    func(store.Commit) []Move
	received []string
}

func (s *recorder) Rescope(c store.Commit) []Move {
	if s.moves == nil {
		return nil
	}
	return s.moves(c)
}

func (s *recorder) Deliver(c store.Commit, effects []Effect, moved []Moved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range effects {
		s.received = append(s.received, fmt.Sprintf("#%d to %v: %s%s", c.Seq, e.Holders, brief(e.Deltas), e.Resync))
	}
	for _, m := range moved {
		s.received = append(s.received, fmt.Sprintf("#%d moves %v: %s%s", c.Seq, m.Holder, brief(m.Deltas), m.Resync))
	}
}

// take returns what the recorder received since the last call.
func (s *recorder) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	received := strings.Join(s.received, "; ")
	s.received = nil
	return received
}

// brief formats deltas with the last letters of their ids.
func brief(deltas []Delta) string {
	deltas = slices.Clone(deltas)
	for i := range deltas {
		deltas[i].ID = deltas[i].ID[25:]
		if after := deltas[i].After; after != nil && *after != "" {
			short := (*after)[25:]
			deltas[i].After = &short
		}
	}
	return deltaText(deltas)
}

// id returns an id that ends with a letter.
func id(letter string) record.ID { return record.ID(strings.Repeat("0", 25) + letter) }

func numbered(i int) record.ID { return record.ID(fmt.Sprintf("%026d", i)) }

func titled(letter, title string, count int) *querytest.Thing {
	return &querytest.Thing{Record: record.Record{ID: id(letter)}, Title: title, Count: count}
}

// A bench is a store and an engine with a recorder.
type bench struct {
	testing.TB
	querytest.Models
	st     *store.Store
	engine *namedEngine
	*recorder
	reports chan error
}

// A namedHolder is a holder with a name, and a namedEngine an engine that takes names.
type namedHolder struct {
	Membership
	name any
}

func (g *namedHolder) String() string { return fmt.Sprint(g.name) }

type namedEngine struct {
	*Engine
	names sync.Mutex
	known map[any]*namedHolder
}

func (c *namedEngine) holder(name any) Holder {
	c.names.Lock()
	defer c.names.Unlock()
	if c.known[name] == nil {
		c.known[name] = &namedHolder{name: name}
	}
	return c.known[name]
}

func (c *namedEngine) Open(ctx context.Context, name any, spec Spec, from *Resume, opened func(Opened)) error {
	return c.Engine.Open(ctx, c.holder(name), spec, from, opened)
}

func (c *namedEngine) Close(name any) { c.Engine.Close(c.holder(name)) }

func newBench(t testing.TB, o store.Options, records ...any) *bench {
	m := querytest.NewModels(t)
	st := querytest.OpenStore(t, m, o)
	if len(records) > 0 {
		querytest.Create(t, st, m.Things, records...)
	}
	return newBenchOn(t, m, st)
}

func newBenchOn(t testing.TB, m querytest.Models, st *store.Store) *bench {
	b := &bench{TB: t, Models: m, st: st, recorder: &recorder{}, reports: make(chan error, 10)}
	b.engine = &namedEngine{Engine: NewEngine(b.st, b.recorder, func(err error) { b.reports <- err }), known: map[any]*namedHolder{}}
	return b
}

func (b *bench) scope(where string, limit int, order ...string) query.Scope {
	b.Helper()
	q := querytest.Question{Where: querytest.DecodeJSON(b, where), Order: order, Limit: limit}
	return scopeOf(b, &q, b.Things)
}

// open opens a cursor and returns its query and the letters of its records.
func (b *bench) open(h any, spec Spec) (*Query, string) {
	b.Helper()
	var q *Query
	letters := ""
	if err := b.engine.Open(context.Background(), h, spec, nil, func(o Opened) {
		q = o.Query
		for _, img := range o.Images {
			letters += string(img.ID[25:])
		}
	}); err != nil {
		b.Fatal(err)
	}
	return q, letters
}

// commit commits what fn does, waits for the engine, and returns what the sink received.
func (b *bench) commit(fn func(*store.Tx) error) string {
	b.Helper()
	c := querytest.Commit(b, b.st, fn)
	if err := b.engine.Wait(context.Background(), c.Seq); err != nil {
		b.Fatal(err)
	}
	return b.take()
}

func (b *bench) sets(letter string, fn func(*querytest.Thing)) string {
	b.Helper()
	return b.commit(func(tx *store.Tx) error {
		_, err := tx.Update(b.Things, id(letter), func(x any) error {
			fn(x.(*querytest.Thing))
			return nil
		})
		return err
	})
}

func (b *bench) deletes(letter string) string {
	b.Helper()
	return b.commit(func(tx *store.Tx) error { return tx.Delete(b.Things, id(letter)) })
}

func (b *bench) expect(got, want string) {
	b.Helper()
	if got != want {
		b.Errorf("\n got %s\nwant %s", got, want)
	}
}

func (b *bench) expectNothingLeft() {
	b.Helper()
	e := b.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.indexes)+len(e.openings)+len(e.moved) > 0 {
		b.Errorf("left behind: %v %v %v", e.indexes, e.openings, e.moved)
	}
	for name, h := range b.engine.known {
		if h.group != nil {
			b.Errorf("%v sits still", name)
		}
	}
}

func TestEqualSpecsShareAQuery(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "y", 2))
	querytest.RunEngine(t, b.engine)
	one, letters := b.open("one", Spec{Scope: b.scope(`{"title":"x","count":{"gt":0}}`, 0)})
	b.expect(letters, "A")
	two, letters := b.open("two", Spec{Scope: b.scope(`{"and":[{"count":{"gt":0}},{"title":"x"}]}`, 0)})
	b.expect(letters, "A")
	other, _ := b.open("html", Spec{Scope: b.scope(`{"title":"x","count":{"gt":0}}`, 0), Tag: "partial"})
	if one != two || other == one || len(one.Holders()) != 2 || one.Len() != -1 || other.Number() == one.Number() {
		t.Error(one.Holders(), other.Holders(), one.Len())
	}
	if n := len(b.engine.indexes[b.Things].selectors); n != 1 {
		t.Errorf("%d selectors", n)
	}
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Title = "x" }), "#2 to [html]: enter B; #2 to [one two]: enter B")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Flag = true }), "#3 to [html]: change A; #3 to [one two]: change A")
	b.engine.Close("one")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 0 }), "#4 to [html]: leave A; #4 to [two]: leave A")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = -1 }), "")
	if n := len(b.engine.Queries()); n != 2 {
		t.Errorf("%d queries", n)
	}
	b.engine.Close("two")
	b.engine.Close("html")
	b.engine.Close("nobody")
	b.expectNothingLeft()
}

func TestAWindowRefills(t *testing.T) {
	var records []any
	for i, letter := range strings.Split("ABCDEFGHJKMNPQRSTVWXYZ", "") {
		records = append(records, titled(letter, "x", i))
	}
	b := newBench(t, store.Options{}, records...)
	querytest.RunEngine(t, b.engine)
	q, letters := b.open("h", Spec{Scope: b.scope(`{"title":"x"}`, 3, "count")})
	b.expect(letters, "ABC")
	b.expect(b.deletes("B"), "#2 to [h]: leave B, enter D after C.")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 2 }), "#3 to [h]: change A")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 3 }), "#4 to [h]: change A after C.")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 100 }), "#5 to [h]: leave A, enter E after D.")
	b.expect(b.sets("Z", func(x *querytest.Thing) { x.Count = -1 }), "#6 to [h]: leave E, enter Z after .")
	b.expect(b.sets("Z", func(x *querytest.Thing) { x.Note = &x.Title }), "#7 to [h]: change Z")
	b.expect(b.sets("Y", func(x *querytest.Thing) { x.Note = &x.Title }), "")
	for range 20 {
		ids := idsOf(nil, q.whole.result.(*list).visible())
		got := b.commit(func(tx *store.Tx) error {
			for _, id := range ids {
				if err := tx.Delete(b.Things, id); err != nil {
					return err
				}
			}
			return nil
		})
		if len(ids) > 0 && !strings.Contains(got, "leave") {
			t.Errorf("%v left: %s", ids, got)
		}
	}
	if !q.whole.result.(*list).complete || q.Len() != 0 {
		t.Errorf("%d are left", q.Len())
	}
	b.engine.Close("h")
	b.expectNothingLeft()
}

func TestARuleThatPanicsDenies(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	querytest.RunEngine(t, b.engine)
	rule := func(img *record.Image) bool {
		if querytest.Decoded(img).Count == 2 {
			panic("two")
		}
		return true
	}
	_, letters := b.open("h", Spec{Scope: b.scope(`{}`, 0), Allow: rule})
	b.expect(letters, "A")
	b.expect((<-b.reports).Error(), "the rule of a cursor on things, asked for 0000000000000000000000000B: panic: two")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 2 }), "#2 to [h]: leave A")
	<-b.reports
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 3 }), "#3 to [h]: enter B")
}

// TestAHolderIsRemembered checks that a record that a rule has allowed leaves, whatever the
// rule answers by then.
func TestAHolderIsRemembered(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	querytest.RunEngine(t, b.engine)
	allowed := true
	b.open("held", Spec{Scope: b.scope(`{}`, 0), Allow: func(*record.Image) bool { return allowed }})
	b.open("list", Spec{Scope: b.scope(`{}`, 5), Allow: func(*record.Image) bool { return allowed }})
	b.engine.mu.Lock()
	allowed = false
	b.engine.mu.Unlock()
	b.expect(b.deletes("A"), "#2 to [list]: leave A; #2 to [held]: leave A")
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 9 }), "#3 to [list]: leave B; #3 to [held]: leave B")
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 1 }), "")
}

// meanwhile opens a cursor and runs fn after it has read, when it asks its rule.
func (b *bench) meanwhile(h any, scope query.Scope, fn func()) (Opened, error) {
	b.Helper()
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	rule := func(*record.Image) bool {
		once.Do(func() {
			close(asked)
			<-answer
		})
		return true
	}
	var opened Opened
	done := make(chan error, 1)
	go func() {
		done <- b.engine.Open(context.Background(), h, Spec{Scope: scope, Allow: rule}, nil, func(o Opened) { opened = o })
	}()
	<-asked
	fn()
	close(answer)
	return opened, <-done
}

func TestCommitsGoOnWhileACursorIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "x", 3))
	querytest.RunEngine(t, b.engine)
	var opened Opened
	opened, err := b.meanwhile("h", b.scope(`{"title":"x"}`, 2, "-count"), func() {
		b.expect(b.deletes("C"), "")
		b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 5 }), "")
		b.expect(b.commit(func(tx *store.Tx) error {
			_, err := tx.Create(b.Things, titled("D", "x", 4))
			return err
		}), "")
	})
	if err != nil || opened.Seq != 4 || fmt.Sprint(idsOf(nil, opened.Images)) != fmt.Sprint([]record.ID{id("A"), id("D")}) {
		t.Error(opened.Seq, idsOf(nil, opened.Images), err)
	}
	b.expect(b.deletes("D"), "#5 to [h]: leave D, enter B after A.")
}

func TestAWindowRefillsWhileItIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "x", 3))
	b.engine.spare = 0
	querytest.RunEngine(t, b.engine)
	opened, err := b.meanwhile("h", b.scope(`{}`, 1), func() { b.deletes("A") })
	if err != nil || len(opened.Images) != 1 || opened.Images[0].ID != id("B") {
		t.Error(idsOf(nil, opened.Images), err)
	}
	b.expect(b.deletes("B"), "#3 to [h]: leave B, enter C after .")
}

// TestASparseRuleFillsAWindow checks that a rule is asked for records until it has allowed
// enough, and once for each.
func TestASparseRuleFillsAWindow(t *testing.T) {
	var records []any
	for i, letter := range strings.Split("ABCDEFGHJKMN", "") {
		records = append(records, titled(letter, "x", i))
	}
	b := newBench(t, store.Options{}, records...)
	b.engine.spare = 0
	querytest.RunEngine(t, b.engine)
	asked := ""
	rule := func(img *record.Image) bool {
		letter := string(img.ID[25:])
		asked += letter
		return strings.Contains("DHJMN", letter)
	}
	_, letters := b.open("h", Spec{Scope: b.scope(`{}`, 3), Allow: rule})
	b.expect(letters, "DHJ")
	b.expect(asked, "ABCDEFGHJ")
	b.expect(b.deletes("D"), "#2 to [h]: leave D, enter M after J.")
	b.expect(b.deletes("H"), "#3 to [h]: leave H, enter N after M.")
	b.expect(b.deletes("N"), "#4 to [h]: leave N")
	b.expect(asked, "ABCDEFGHJKMN")
}

func TestACursorIsClosedWhileItIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	querytest.RunEngine(t, b.engine)
	_, err := b.meanwhile("h", b.scope(`{}`, 0), func() { b.engine.Close("h") })
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	b.moves = func(store.Commit) []Move { return []Move{{Holder: b.engine.holder("h")}} }
	_, err = b.meanwhile("h", b.scope(`{}`, 0), func() { b.sets("A", func(x *querytest.Thing) { x.Count = 2 }) })
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	b.expectNothingLeft()
}

// TestACursorMovesWhileItIsOpened checks that nothing of a scope that was lost meanwhile is
// sent.
func TestACursorMovesWhileItIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "y", 1))
	querytest.RunEngine(t, b.engine)
	to := Spec{Scope: b.scope(`{"title":"y"}`, 0)}
	b.moves = func(store.Commit) []Move { return []Move{{Holder: b.engine.holder("h"), To: &to}} }
	opened, err := b.meanwhile("h", b.scope(`{"title":"x"}`, 0), func() { b.sets("A", func(x *querytest.Thing) { x.Count = 2 }) })
	if err != nil || len(opened.Images) != 1 || opened.Images[0].ID != id("B") {
		t.Error(idsOf(nil, opened.Images), err)
	}
	b.engine.Close("h")
	b.expectNothingLeft()
}

// TestACursorMovesBeforeItIsOpened checks the same for a spec that was computed before the
// commit and opened after it.
func TestACursorMovesBeforeItIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "y", 1))
	querytest.RunEngine(t, b.engine)
	to := Spec{Scope: b.scope(`{"title":"y"}`, 0)}
	b.moves = func(store.Commit) []Move {
		return []Move{{b.engine.holder("moved"), &to}, {b.engine.holder("closed"), nil}, {b.engine.holder("gone"), &to}}
	}
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 2 }), "")
	b.moves = nil
	old := Spec{Scope: b.scope(`{"title":"x"}`, 0)}
	_, letters := b.open("moved", old)
	b.expect(letters, "B")
	if err := b.engine.Open(t.Context(), "closed", old, nil, nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for _, h := range []string{"moved", "gone"} {
		b.engine.Close(h)
	}
	b.expectNothingLeft()
}

func TestAHolderMoves(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "y", 3))
	querytest.RunEngine(t, b.engine)
	b.open("h", Spec{Scope: b.scope(`{"title":"x"}`, 0)})
	b.open("stays", Spec{Scope: b.scope(`{"title":"x"}`, 0)})
	next := Spec{Scope: b.scope(`{"count":{"gte":2}}`, 2, "-count")}
	b.moves = func(store.Commit) []Move { return []Move{{b.engine.holder("h"), &next}} }
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 4 }), "#2 to [stays]: change B; #2 moves h: leave A, enter C after B., change B")
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 2 }), "#3 to [stays]: change B; #3 to [h]: change B after C.")
	b.moves = func(store.Commit) []Move { return []Move{{b.engine.holder("h"), nil}} }
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 9 }), "#4 to [stays]: change A; #4 moves h: leave C, leave B")
	b.engine.Close("stays")
	b.expectNothingLeft()
}

func TestResuming(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	querytest.RunEngine(t, b.engine)
	spec := Spec{Scope: b.scope(`{"title":"x"}`, 0)}
	b.deletes("A")
	b.sets("B", func(x *querytest.Thing) { x.Count = 3 })
	b.commit(func(tx *store.Tx) error {
		_, err := tx.Create(b.Things, titled("C", "x", 1))
		return err
	})
	resume := func(seq uint64, from Spec) (o Opened, err error) {
		err = b.engine.Open(context.Background(), "h", spec, &Resume{Seq: seq, Spec: from}, func(opened Opened) { o = opened })
		b.engine.Close("h")
		return o, err
	}
	o, err := resume(1, spec)
	b.expect(brief(o.Deltas), "leave A, enter C, change B")
	if err != nil || !o.Resumed || o.Resync != "" || o.Images != nil {
		t.Error(o, err)
	}
	o, _ = resume(3, Spec{Scope: b.scope(`{"count":{"gt":7}}`, 0)})
	b.expect(brief(o.Deltas), "enter B, enter C")
	if o, err = resume(4, spec); err != nil || !o.Resumed || len(o.Deltas) > 0 {
		t.Error(o, err)
	}
	if o, err = resume(99, spec); err != nil || o.Resumed || o.Resync != Epoch || len(o.Images) != 2 {
		t.Error(o, err)
	}
	if _, err = resume(1, Spec{Scope: query.Scope{Model: b.Users}}); err == nil {
		t.Error("resumed from another model")
	}
}

// TestResumingWhereMostHasLeft checks that everything is sent if that is less than all the
// leaves.
func TestResumingWhereMostHasLeft(t *testing.T) {
	for _, left := range []int{100, 101} {
		var things []any
		for i := range left + 3 {
			things = append(things, &querytest.Thing{Record: record.Record{ID: numbered(i)}, Title: "x", Count: i})
		}
		b := newBench(t, store.Options{}, things...)
		querytest.RunEngine(t, b.engine)
		b.commit(func(tx *store.Tx) error {
			for i := range left {
				if err := tx.Delete(b.Things, numbered(i)); err != nil {
					return err
				}
			}
			return nil
		})
		spec := Spec{Scope: b.scope(`{"title":"x"}`, 0, "count")}
		from := &Resume{Seq: 1, Spec: Spec{Scope: b.scope(`{"count":{"gte":0}}`, 0, "count")}}
		var o Opened
		if err := b.engine.Open(t.Context(), "h", spec, from, func(opened Opened) { o = opened }); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%d deltas, %d records, %q", len(o.Deltas), len(o.Images), o.Resync)
		if want := map[int]string{100: `100 deltas, 0 records, ""`, 101: `0 deltas, 3 records, "overflow"`}[left]; got != want || o.Resumed != (o.Resync == "") {
			t.Errorf("when %d have left: %s", left, got)
		}
	}
}
