package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"pgregory.net/rapid"
)

// The store is driven at random beside a plain map, which defines what each step must
// answer. A transaction that commits must have answered as if it had run alone, at the
// moment of its commit, on the plain map.

type item struct {
	record.Record
	Rank   int        `json:"rank" tower:"index"`
	Code   *string    `json:"code,omitempty" tower:"unique"`
	Note   string     `json:"note" tower:"index"`
	Score  float64    `json:"score" tower:"index"`
	Done   bool       `json:"done" tower:"index"`
	When   *time.Time `json:"when" tower:"index"`
	Parent record.ID  `json:"parent" tower:"ref=items,index"`
	Secret string     `json:"secret" tower:"private,index,sparse"`
}

type plain map[record.ID]item

// orders are the item's indexes as the plain map sorts by them; nil is first.
var orders = map[string]func(a, b item) int{
	"id":        func(a, b item) int { return 0 },
	"rank":      func(a, b item) int { return cmp.Compare(a.Rank, b.Rank) },
	"code":      func(a, b item) int { return compareNil(a.Code, b.Code, strings.Compare) },
	"note":      func(a, b item) int { return cmp.Compare(a.Note, b.Note) },
	"score":     func(a, b item) int { return cmp.Compare(a.Score, b.Score) },
	"done":      func(a, b item) int { return cmp.Compare(fmt.Sprint(a.Done), fmt.Sprint(b.Done)) },
	"when":      func(a, b item) int { return compareNil(a.When, b.When, time.Time.Compare) },
	"parent":    func(a, b item) int { return cmp.Compare(a.Parent, b.Parent) },
	"createdAt": func(a, b item) int { return a.CreatedAt.Compare(b.CreatedAt) },
}

func compareNil[T any](a, b *T, compare func(a, b T) int) int {
	switch {
	case a != nil && b != nil:
		return compare(*a, *b)
	case a != nil:
		return 1
	case b != nil:
		return -1
	default:
		return 0
	}
}

// A query is a range over an index. low and high are examples with the values of its
// bounds.
type query struct {
	index             string
	low, high         *item
	openLow, openHigh bool
	reverse           bool
	limit             int
	parts             int // records that one scan yields; 0 is all
}

func (q query) plain(p plain) []record.ID {
	order := orders[q.index]
	var found []item
	for _, it := range p {
		if q.low != nil && (order(it, *q.low) < 0 || q.openLow && order(it, *q.low) == 0) ||
			q.high != nil && (order(it, *q.high) > 0 || q.openHigh && order(it, *q.high) == 0) {
			continue
		}
		found = append(found, it)
	}
	slices.SortFunc(found, func(a, b item) int { return cmp.Or(order(a, b), cmp.Compare(a.ID, b.ID)) })
	if q.reverse {
		slices.Reverse(found)
	}
	var ids []record.ID
	for _, it := range found[:min(q.limit, len(found))] {
		ids = append(ids, it.ID)
	}
	return ids
}

func (q query) run(w *world, snap *Snapshot) ([]record.ID, error) {
	r := Range{Reverse: q.reverse}
	if q.index != "id" {
		r.Index = w.items.Field(q.index)
	}
	if q.low != nil {
		r.Min = &Bound{Value: w.value(q.index, *q.low), Open: q.openLow}
	}
	if q.high != nil {
		r.Max = &Bound{Value: w.value(q.index, *q.high), Open: q.openHigh}
	}
	var ids []record.ID
	for going := true; going; {
		n := 0
		going = false
		if err := snap.Scan(w.items, r, func(image *record.Image) bool {
			ids, r.After = append(ids, image.ID), image
			n++
			going = len(ids) < q.limit && q.parts > 0 && n == q.parts
			return len(ids) < q.limit && !going
		}); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (w *world) value(index string, it item) record.Value {
	image, err := w.items.Freeze(&it, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return image.Value(w.items.Field(index))
}

// A step is one call of a transaction, and what it answered.
type step struct {
	name   string
	id     record.ID
	item   item
	query  query
	at     time.Time
	answer string
}

func outcome(err error) string {
	var invalid *record.InvalidError
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNotFound):
		return "not found"
	case errors.As(err, &invalid):
		return invalid.Error()
	default:
		return "unexpected: " + err.Error()
	}
}

func (s *step) run(w *world, tx *Tx) string {
	switch s.name {
	case "get":
		image, err := tx.Get(w.items, s.id)
		if err != nil {
			return outcome(err)
		}
		return inJSON(w.decode(image))
	case "query":
		var ids []record.ID
		err := tx.View(context.Background(), func(snap *Snapshot) (err error) {
			ids, err = s.query.run(w, snap)
			return err
		})
		return fmt.Sprint(outcome(err), ids)
	case "create":
		it := s.item
		it.ID = s.id
		_, err := tx.Create(w.items, &it)
		return outcome(err)
	case "update":
		_, err := tx.Update(w.items, s.id, func(rec any) error {
			it := rec.(*item)
			fresh := s.item
			fresh.Record = it.Record
			*it = fresh
			return nil
		})
		return outcome(err)
	default:
		return outcome(tx.Delete(w.items, s.id))
	}
}

func (s *step) plain(p plain) string {
	was, exists := p[s.id]
	switch {
	case s.name == "query":
		return fmt.Sprint("ok", s.query.plain(p))
	case s.name == "create" && exists:
		return "items: " + s.problems(p, item{}, "id is already taken; ")
	case s.name == "create":
		if problems := s.problems(p, item{}, ""); problems != "" {
			return "items: " + problems
		}
		it := s.item
		it.Record = record.Record{ID: s.id, CreatedAt: s.at, UpdatedAt: s.at}
		p[s.id] = it
	case !exists:
		return "not found"
	case s.name == "get":
		return inJSON(was)
	case s.name == "delete":
		delete(p, s.id)
	case s.name == "update":
		if problems := s.problems(p, was, ""); problems != "" {
			return "items: " + problems
		}
		it := s.item
		it.Record = was.Record
		if !reflect.DeepEqual(it, was) {
			it.UpdatedAt = s.at
			p[s.id] = it
		}
	}
	return "ok"
}

func (s *step) problems(p plain, was item, before string) string {
	parent := s.item.Parent
	if _, exists := p[parent]; parent != "" && parent != was.Parent && parent != s.id && !exists {
		before += "parent does not exist; "
	}
	return strings.TrimSuffix(before, "; ")
}

// commit returns what Commit must answer for the changes since before.
func (p plain) commit(before plain) string {
	if reflect.DeepEqual(p.withoutTimes(), before.withoutTimes()) {
		return "empty"
	}
	codes := map[string]bool{}
	for _, it := range p {
		if it.Code != nil && codes[*it.Code] {
			return "items: code is already taken"
		} else if it.Code != nil {
			codes[*it.Code] = true
		}
	}
	return "ok"
}

func (p plain) withoutTimes() plain {
	c := maps.Clone(p)
	for id, it := range c {
		it.UpdatedAt = time.Time{}
		c[id] = it
	}
	return c
}

// A world is a store with the plain map of each of its states.
type world struct {
	t      *rapid.T
	path   string
	items  *record.Model
	clock  atomic.Int64
	store  *Store
	states []plain     // by seq
	ids    []record.ID // used by steps
	calls  []record.ID // keys used by runs
	runs   map[string]*applying
	epoch  string
}

func newWorld(t *rapid.T, folder string) *world {
	items, err := record.NewModel("items", &item{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, items: items, path: filepath.Join(folder, "test.db"), states: []plain{{}}, runs: map[string]*applying{}}
	for range 8 {
		w.ids = append(w.ids, record.NewID())
	}
	for range 3 {
		w.calls = append(w.calls, record.NewID())
	}
	w.open()
	w.epoch = w.store.Epoch()
	return w
}

func (w *world) now() time.Time { return time.UnixMicro(1_800_000_000_000_000 + w.clock.Load()).UTC() }

func (w *world) open() {
	var err error
	if w.store, err = Open(w.path, Options{Models: []*record.Model{w.items}, Now: w.now}); err != nil {
		w.t.Fatal(err)
	}
	w.store.db.Load().NoSync = true
	w.store.ring.maxCount = rapid.IntRange(1, 30).Draw(w.t, "ring")
	w.store.ring.maxSize = rapid.SampledFrom([]int{1, 5000, 1 << 20}).Draw(w.t, "ring size")
}

func (w *world) newest() plain { return w.states[len(w.states)-1] }

func (w *world) decode(image *record.Image) item {
	rec, err := image.Record()
	if err != nil {
		w.t.Fatal(err)
	}
	return *rec.(*item)
}

func (w *world) drawItem(t *rapid.T) item {
	it := item{
		Rank:  rapid.IntRange(-2, 2).Draw(t, "rank"),
		Note:  rapid.SampledFrom([]string{"", "a", "a\x00", "a\x00b", "b", "ä", "\U0010ffff"}).Draw(t, "note"),
		Score: rapid.SampledFrom([]float64{-1e300, -1, -0.5, 0, 0.5, 1, 1e300}).Draw(t, "score"),
		Done:  rapid.Bool().Draw(t, "done"),
	}
	if rapid.Bool().Draw(t, "coded") {
		code := rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "code")
		it.Code = &code
	}
	if rapid.Bool().Draw(t, "timed") {
		at := time.Date(2026, 1, rapid.IntRange(1, 3).Draw(t, "when"), 0, 0, 0, 0, time.UTC)
		it.When = &at
	}
	if rapid.IntRange(0, 3).Draw(t, "has parent") == 0 {
		it.Parent = rapid.SampledFrom(w.ids).Draw(t, "parent")
	}
	it.Secret = rapid.SampledFrom([]string{"", "s"}).Draw(t, "secret")
	return it
}

func (w *world) drawQuery(t *rapid.T) query {
	q := query{
		index:   rapid.SampledFrom(slices.Sorted(maps.Keys(orders))).Draw(t, "index"),
		reverse: rapid.Bool().Draw(t, "reverse"),
		limit:   rapid.SampledFrom([]int{1, 2, 3, 1000}).Draw(t, "limit"),
		parts:   rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "parts"),
	}
	if q.index == "id" || q.index == "createdAt" {
		return q
	}
	example := func(name string) *item {
		if !rapid.Bool().Draw(t, name) {
			return nil
		}
		it := w.drawItem(t)
		return &it
	}
	q.low, q.high = example("low"), example("high")
	q.openLow, q.openHigh = rapid.Bool().Draw(t, "open low"), rapid.Bool().Draw(t, "open high")
	return q
}

func (w *world) drawStep(t *rapid.T) *step {
	w.clock.Add(int64(rapid.IntRange(0, 2).Draw(t, "pass")))
	s := &step{
		name: rapid.SampledFrom([]string{"get", "query", "create", "create", "update", "update", "delete"}).Draw(t, "step"),
		id:   rapid.SampledFrom(w.ids).Draw(t, "id"),
		at:   w.now(),
	}
	switch s.name {
	case "create", "update":
		s.item = w.drawItem(t)
	case "query":
		s.query = w.drawQuery(t)
	}
	return s
}

// An applying is the first run with its key.
type applying struct {
	once   *Attempt
	seq    uint64
	answer string
}

// drawOnce returns a run of a call, sometimes the first.
func (w *world) drawOnce(t *rapid.T) *Attempt {
	n := rapid.IntRange(0, 2*len(w.calls)).Draw(t, "call")
	if n >= len(w.calls) {
		return nil
	}
	once, err := NewAttempt("ada", w.calls[n], []byte("POST /items"))
	if err != nil {
		t.Fatal(err)
	}
	if first := w.runs[once.Key()]; first != nil && rapid.Bool().Draw(t, "same run") {
		return first.once
	}
	return once
}

// repeat asks what is known of all calls.
func (w *world) repeat(t *rapid.T) {
	for _, call := range w.calls {
		once, err := NewAttempt("ada", call, []byte("POST /items"))
		if err != nil {
			t.Fatal(err)
		}
		applied, err := w.store.Applied(once)
		first := w.runs[once.Key()]
		if err != nil || (applied == nil) != (first == nil) || first != nil && (applied.Seq != first.seq || string(applied.Answer) != first.answer) {
			t.Fatalf("of %s it is known that %+v, %v, not %+v", call, applied, err, first)
		}
	}
}

type running struct {
	once  *Attempt
	tx    *Tx
	steps []*step
	began int // number of states at the beginning
}

// transact runs several transactions with interleaved steps. They commit alone or in
// groups.
func (w *world) transact(t *rapid.T) {
	open := make([]*running, rapid.IntRange(1, 4).Draw(t, "transactions"))
	for i := range open {
		open[i] = &running{tx: w.store.Begin("random"), began: len(w.states), once: w.drawOnce(t)}
		open[i].tx.SetAttempt(open[i].once)
	}
	var group []*running
	for len(open) > 0 {
		i := rapid.IntRange(0, len(open)-1).Draw(t, "transaction")
		r := open[i]
		switch rapid.IntRange(0, 8).Draw(t, "end") {
		default:
			s := w.drawStep(t)
			s.answer = s.run(w, r.tx)
			r.steps = append(r.steps, s)
			continue
		case 0, 1:
			if group = append(group, r); rapid.Bool().Draw(t, "alone") {
				w.commit(t, group)
				group = nil
			}
		case 2: // dropped
		}
		open = slices.Delete(open, i, i+1)
	}
	w.commit(t, group)
}

// commit commits the group as the writer does when all of them are waiting.
func (w *world) commit(t *rapid.T, group []*running) {
	if len(group) == 1 {
		c, err := group[0].tx.Commit(context.Background())
		w.checkAnswer(t, group[0], answer{c, err})
		return
	}
	waiting := map[*running]*pending{}
	var together []*pending
	for _, r := range group {
		if changes := r.tx.changes(); len(changes) > 0 {
			waiting[r] = w.store.prepare(r.tx, changes)
			waiting[r].ctx = context.Background()
			together = append(together, waiting[r])
		}
	}
	if len(together) > 0 {
		w.store.writeGroup(together...)
	}
	for _, r := range group {
		var a answer
		if p := waiting[r]; p != nil {
			a = <-p.answer
		}
		w.checkAnswer(t, r, a)
	}
}

// checkAnswer checks that the transaction's steps answered what they answer in the newest
// state.
func (w *world) checkAnswer(t *rapid.T, r *running, a answer) {
	var applied *AppliedError
	var first *applying
	if r.once != nil {
		first = w.runs[r.once.Key()]
	}
	if errors.As(a.err, &applied) {
		if first == nil || first.once == r.once || applied.Seq != first.seq {
			t.Fatalf("%v, and it was %+v", a.err, first)
		}
		return
	}
	if first != nil && first.once != r.once && (a.err != nil || a.commit.Seq != 0) {
		t.Fatalf("a call that took effect in %d was answered %d, %v", first.seq, a.commit.Seq, a.err)
	}
	if errors.Is(a.err, ErrConflict) {
		if r.began == len(w.states) {
			t.Fatalf("%v, and nothing else was committed", a.err)
		}
		return
	}
	state := maps.Clone(w.newest())
	for _, s := range r.steps {
		if want := s.plain(state); a.commit.Seq != 0 && s.answer != want {
			t.Fatalf("%s %s answered %s; when it was committed, it was %s", s.name, s.id, s.answer, want)
		}
	}
	want, got := state.commit(w.newest()), outcome(a.err)
	if a.err == nil && a.commit.Seq == 0 {
		got = "empty"
		if r.began < len(w.states) {
			return // what it saw is not guaranteed
		}
	}
	if got != want {
		t.Fatalf("commit answered %s, not %s", got, want)
	}
	if got == "ok" {
		w.checkCommit(t, a.commit, state)
		w.states = append(w.states, state)
		w.answer(t, r.once, a.commit.Seq)
	}
}

// answer notes that the run has committed something, and sometimes saves an answer.
func (w *world) answer(t *rapid.T, once *Attempt, seq uint64) {
	if once == nil {
		return
	}
	first := w.runs[once.Key()]
	if first == nil {
		first = &applying{once: once, seq: seq}
		w.runs[once.Key()] = first
	}
	if rapid.Bool().Draw(t, "answered") {
		first.answer = fmt.Sprint("answer ", seq)
		w.store.SaveAnswer(once, []byte(first.answer))
	}
}

// checkCommit checks the changes of c, which led to state.
func (w *world) checkCommit(t *rapid.T, c Commit, state plain) {
	if c.Seq != uint64(len(w.states)) || c.By != "random" {
		t.Fatalf("commit %d by %s follows %d", c.Seq, c.By, len(w.states)-1)
	}
	applied := maps.Clone(w.newest())
	w.apply(t, c, applied)
	if !reflect.DeepEqual(applied, state) {
		t.Fatalf("commit %d leads to %s, not %s", c.Seq, inJSON(applied), inJSON(state))
	}
}

// apply applies c to state, which must be the state before it.
func (w *world) apply(t *rapid.T, c Commit, state plain) {
	for _, change := range c.Changes {
		was, exists := state[change.ID]
		if exists != (change.Op != Create) || exists != (change.Before != nil) || (change.Op == Delete) != (change.After == nil) {
			t.Fatalf("commit %d: %s %s, and it is there: %t", c.Seq, change.Op, change.ID, exists)
		}
		if exists && !reflect.DeepEqual(w.decode(change.Before), was) {
			t.Fatalf("commit %d found %s, not %s", c.Seq, inJSON(w.decode(change.Before)), inJSON(was))
		}
		if delete(state, change.ID); change.After != nil {
			if change.After.Version != c.Seq {
				t.Fatalf("commit %d wrote version %d", c.Seq, change.After.Version)
			}
			state[change.ID] = w.decode(change.After)
		}
	}
}

// view compares a state of the store, the newest or an older one, with the plain map, by
// all indexes.
func (w *world) view(t *rapid.T) {
	seq := uint64(rapid.IntRange(0, len(w.states)-1).Draw(t, "seq"))
	queries := []query{w.drawQuery(t), w.drawQuery(t)}
	for index := range orders {
		queries = append(queries, query{index: index, limit: 1000, parts: 1}, query{index: index, limit: 1000, reverse: true, parts: 2})
	}
	err := w.store.ViewAt(context.Background(), seq, func(snap *Snapshot) error {
		if snap.Seq() != seq {
			t.Fatalf("the state of %d reports %d", seq, snap.Seq())
		}
		for _, q := range queries {
			ids, err := q.run(w, snap)
			if want := q.plain(w.states[seq]); err != nil || !slices.Equal(ids, want) {
				t.Fatalf("%+v at %d found %v, not %v: %v", q, seq, ids, want, err)
			}
		}
		for _, id := range w.ids {
			image, err := snap.Get(w.items, id)
			want, exists := w.states[seq][id]
			if exists != (err == nil) || exists && !reflect.DeepEqual(w.decode(image), want) {
				t.Fatalf("%s at %d is %v, %v", id, seq, image, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// follow reads the feed from a commit on and compares the resulting states.
func (w *world) follow(t *rapid.T) {
	from := rapid.IntRange(0, len(w.states)-1).Draw(t, "from")
	state := maps.Clone(w.states[from])
	feed := w.store.Feed(uint64(from))
	for seq := from + 1; seq < len(w.states); seq++ {
		c, err := feed.Next(context.Background())
		if err != nil || c.Seq != uint64(seq) {
			t.Fatalf("the feed has %d, not %d: %v", c.Seq, seq, err)
		}
		if w.apply(t, c, state); !reflect.DeepEqual(state, w.states[seq]) {
			t.Fatalf("the feed leads to %s at %d, not %s", inJSON(state), seq, inJSON(w.states[seq]))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if c, err := feed.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("after the last commit the feed has %v, %v", c, err)
	}
}

func (w *world) reopen(*rapid.T) {
	w.close()
	w.open()
}

func (w *world) compact(t *rapid.T) {
	w.store.compactKeys = rapid.IntRange(1, 10).Draw(t, "keys")
	sizes, err := w.store.Compact(context.Background(), func(int64, int64) {})
	if err != nil || sizes.After > 2*sizes.Before {
		t.Fatal(sizes, err)
	}
}

func (w *world) close() {
	if err := w.store.Check(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) invariants(t *rapid.T) {
	if seq := w.store.Seq(); seq != uint64(len(w.states)-1) || w.store.Epoch() != w.epoch || w.store.LogStart() != 1 {
		t.Fatalf("%s:%d (from %d) is not %s:%d", w.store.Epoch(), seq, w.store.LogStart(), w.epoch, len(w.states)-1)
	}
}

func TestRandomTransactions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		folder, err := os.MkdirTemp("", "store")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(folder)
		w := newWorld(t, folder)
		defer func() { w.store.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"transact": w.transact,
			"again":    w.transact,
			"more":     w.transact,
			"view":     w.view,
			"repeat":   w.repeat,
			"follow":   w.follow,
			"reopen":   w.reopen,
			"compact":  w.compact,
			"":         w.invariants,
		})
		w.close()
	})
}

func inJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
