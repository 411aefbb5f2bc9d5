package cursor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/store"
)

// Held is what a client that comes back holds: the state of a spec after a
// commit. The rule in it is the one by which the records were sent.
type Held struct {
	Seq  uint64
	Spec Spec
}

// Opened is a cursor as it was opened: the state after the commit Seq.
type Opened struct {
	Query    *Query
	Seq      uint64
	Images   []*store.Image // all, in order; not where it is resumed
	Value    store.Value    // of a spec that asks for one, in place of them
	Delta    []Delta        // where it is resumed: from what was held
	Included []Included
	Resumed  bool
	Resync   string // why it was not resumed though something was held: Expired, Epoch
}

// An opening is a cursor between its registration and the first that its holder
// hears of it.
type opening struct {
	holder  Holder
	spec    Spec
	own     rules
	query   *Query
	seq     uint64         // the state to be read
	touches []touch        // what commits did since
	changes []store.Change // all that they did, if records are included
	again   bool           // spec, or query, is not what it was
	err     error          // it is to end with this
}

// Open opens a cursor for a holder that has none, and calls opened with its
// state. From then on the sink hears of every commit after that state and of
// none before: opened is called under the engine's lock, between the calls of
// the sink, and like those must return soon and call nothing of the engine.
//
// It is called once, before Open returns nil; where Open fails it is not. from
// is what the holder's client holds already, nil for nothing; a value is told
// whatever was held.
//
// Open reads the store, and asks a rule, while commits go on being delivered.
// When Rescope moves the holder meanwhile, or did before, it is opened with its
// new spec; when it is closed, the error is [ErrClosed].
func (e *Engine) Open(ctx context.Context, h Holder, spec Spec, from *Held, opened func(Opened)) error {
	if err := spec.check(); err != nil {
		return fmt.Errorf("open a cursor: %w", err)
	}
	if spec.valued() {
		from = nil
	}
	if from != nil && from.Spec.Scope.Model != spec.Scope.Model {
		return fmt.Errorf("open a cursor on %s: what is held is of another model", spec.Scope.Model.Name)
	}
	past, err := e.recall(ctx, from)
	if err != nil {
		return fmt.Errorf("resume a cursor on %s: %w", spec.Scope.Model.Name, err)
	}
	o, err := e.begin(h, spec)
	for done := false; err == nil && !done; {
		r, failed := e.read(ctx, o)
		done, err = e.finish(ctx, o, r, failed, past, opened)
	}
	if err != nil {
		return fmt.Errorf("open a cursor on %s: %w", spec.Scope.Model.Name, err)
	}
	return nil
}

// A past is what a holder is to be led from.
type past struct {
	seq    uint64
	ids    []store.ID
	with   companions
	known  bool
	resync string
}

// recall reads what is held.
func (e *Engine) recall(ctx context.Context, from *Held) (past, error) {
	if from == nil {
		return past{}, nil
	}
	if from.Seq > e.Seq() {
		var newest uint64
		if err := e.st.View(ctx, func(snap *store.Snapshot) error {
			newest = snap.Seq()
			return nil
		}); err != nil {
			return past{}, err
		}
		if from.Seq > newest {
			return past{resync: Epoch}, nil
		}
		if err := e.Wait(ctx, from.Seq); err != nil {
			return past{}, err
		}
	}
	l, err := e.readList(ctx, from.Seq, &from.Spec)
	if errors.Is(err, store.ErrExpired) {
		return past{resync: Expired}, nil
	}
	if err != nil {
		return past{}, err
	}
	return past{seq: from.Seq, ids: idsOf(nil, l.visible()), with: l.companions(), known: true}, nil
}

// begin registers the holder: from now on what commits do to its query is noted.
func (e *Engine) begin(h Holder, spec Spec) (*opening, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.stopped:
		return nil, ErrStopped
	default:
	}
	if _, held := e.places[h]; held || e.openings[h] != nil {
		return nil, errors.New("its holder has one open")
	}
	if to, moved := e.early[h]; moved {
		delete(e.early, h)
		if to == nil {
			return nil, ErrClosed
		}
		spec = *to
	}
	o := &opening{holder: h, spec: spec}
	e.openings[h] = o
	e.enroll(o)
	return o, nil
}

func (e *Engine) enroll(o *opening) {
	o.query, o.own, o.seq, o.touches, o.changes, o.again = e.query(o.spec), e.rules(&o.spec), e.Seq(), nil, nil, false
	o.query.openings = append(o.query.openings, o)
	if len(o.spec.Include) > 0 {
		e.joining[o] = struct{}{}
	}
}

// read reads the query's records, or its value, as of the opening's registration,
// unless the query itself knows them.
func (e *Engine) read(ctx context.Context, o *opening) (reading, error) {
	e.mu.Lock()
	live := o.query.live()
	r, own := o.query.empty(), o.own
	e.mu.Unlock()
	if live != nil {
		return nil, nil
	}
	err := fill(r, e.at(ctx, o.seq), own)
	if errors.Is(err, store.ErrExpired) {
		// The engine is far behind: begin again when it has come further.
		return nil, e.Wait(ctx, o.seq+1)
	}
	return r, err
}

// finish brings what was read up to the present, and makes the holder one of its
// query's. It reports false where the opening has to begin again.
func (e *Engine) finish(ctx context.Context, o *opening, r reading, err error, from past, opened func(Opened)) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := o.query
	q.openings = slices.DeleteFunc(q.openings, func(other *opening) bool { return other == o })
	delete(e.joining, o)
	if o.err != nil {
		err = o.err
	}
	now := r
	switch {
	case err != nil || o.again:
	case q.live() != nil:
		now = q.live()
	case r != nil:
		err = o.catchUp(r, e.at(ctx, e.Seq()))
	}
	if err != nil && !errors.Is(err, store.ErrExpired) {
		e.abandon(o)
		return false, err
	}
	if err != nil || o.again || now == nil {
		e.release(q)
		e.enroll(o)
		return false, nil
	}
	delete(e.openings, o.holder)
	e.hold(o.holder, o.own, q.join(now))
	opened(describe(q, e.Seq(), now, from))
	return true, nil
}

// catchUp lets a reading follow the commits that came while it was made.
func (o *opening) catchUp(r reading, at view) error {
	for _, t := range o.touches {
		if r.asks(&t) {
			t.after = o.own.allow(0, t.change.After)
		}
		r.apply(&t)
	}
	if r.short() {
		if err := r.fill(at, o.own); err != nil {
			return err
		}
	}
	return accompany(r, &moment{changes: o.changes, at: at}, o.own)
}

func (e *Engine) abandon(o *opening) {
	if e.openings[o.holder] == o {
		delete(e.openings, o.holder)
	}
	e.release(o.query)
}

// describe tells the holder where it stands.
func describe(q *Query, seq uint64, now reading, from past) Opened {
	o := Opened{Query: q, Seq: seq, Resumed: from.known, Resync: from.resync}
	switch now := now.(type) {
	case *tally:
		o.Value = now.value()
	case *list:
		if from.known {
			o.Delta = diff(from.ids, now.visible(), from.seq, q.Ordered())
			o.Included = from.with.diff(now, from.seq)
		} else {
			o.Images = slices.Clone(now.visible())
			o.Included = now.included()
		}
	}
	return o
}
