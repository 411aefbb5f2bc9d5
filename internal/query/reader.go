package query

import (
	"errors"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Reader reads the first records of a scope in parts, so that no part takes long. Each
// part may have a snapshot of its own; all must be of one state.
//
// Whether a filter's index or the order's index yields the records sooner depends on the
// data. If both exist, they take turns with a growing budget, so that the worse plan costs
// at most a few times what the better one does.
type Reader struct {
	Images []*record.Image // the records in order, once Next has returned true

	scope  *Scope
	after  *record.Image
	passes []pass
	turn   int // the pass that continues
	budget int // how many records each pass may have read in this round; 0 is no bound
}

// A pass reads a scope's records by one plan.
type pass struct {
	walk  Walk
	first firstN
	read  int
}

// firstBudget is how many records each of several plans may read in the first round.
const firstBudget = 256

// Reader returns a reader of the first n records that satisfy the conditions and come
// after the record after; 0 is all, and nil is from the start. It ignores the scope's limit
// and offset. The scope must not change until the reader is done.
func (s *Scope) Reader(after *record.Image, n int) *Reader {
	r := &Reader{scope: s, after: after}
	for _, p := range s.plans(after, n) {
		r.passes = append(r.passes, pass{walk: Walk{scope: s, plan: p}, first: firstN{scope: s, n: n, sorted: p.sorted}})
	}
	if len(r.passes) > 1 {
		r.budget = firstBudget
	}
	return r
}

// Next reads up to most records, 0 is no bound, and reports whether it has found all that
// were asked for.
func (r *Reader) Next(snap *store.Snapshot, most int) (done bool, err error) {
	for {
		p := &r.passes[r.turn]
		before, bound := p.read, most
		if left := r.budget - p.read; r.budget > 0 && (most == 0 || left < most) {
			bound = left
		}
		if done, err = r.advance(snap, p, bound); done || err != nil {
			return done, err
		}
		if p.read == r.budget {
			r.nextTurn()
		}
		if most > 0 {
			if most -= p.read - before; most == 0 {
				return false, nil
			}
		}
	}
}

func (r *Reader) nextTurn() {
	if r.turn = (r.turn + 1) % len(r.passes); r.turn == 0 {
		r.budget *= 4
	}
}

// advance reads up to most records by one plan, and reports whether it has found all.
func (r *Reader) advance(snap *store.Snapshot, p *pass, most int) (done bool, err error) {
	more, err := p.walk.each(snap, most, func(img *record.Image) bool {
		p.read++
		if r.scope.Where.Match(img) && (r.after == nil || r.scope.Compare(img, r.after) > 0) {
			return p.first.add(img)
		}
		return true
	})
	if more || err != nil {
		return false, err
	}
	r.Images = p.first.take()
	return true, nil
}

// A Walk yields the records that satisfy a scope's conditions, in no particular order and
// in parts, as a [Reader] does.
type Walk struct {
	scope *Scope
	plan  plan               // what remains of it
	seen  map[record.ID]bool // if ranges overlap
}

// Walk returns a walk. It ignores the scope's order, limit and offset.
func (s *Scope) Walk() *Walk {
	unordered := Scope{Model: s.Model, Where: s.Where}
	return &Walk{scope: &unordered, plan: unordered.plans(nil, 0)[0]}
}

// Next reads up to most records, 0 is no bound, and yields those that satisfy the
// conditions until yield returns false. It reports whether the walk has ended.
func (w *Walk) Next(snap *store.Snapshot, most int, yield func(*record.Image) bool) (done bool, err error) {
	more, err := w.each(snap, most, func(img *record.Image) bool {
		return !w.scope.Where.Match(img) || yield(img)
	})
	return !more && err == nil, err
}

// each yields up to most of the records that the plan still reads, until yield returns
// false. It reports whether more may follow. Only records that satisfy the conditions
// count as read by a transaction.
func (w *Walk) each(snap *store.Snapshot, most int, yield func(*record.Image) bool) (more bool, err error) {
	n, going := 0, true
	next := func(img *record.Image) bool {
		n++
		going = w.again(img.ID) || yield(img)
		more = going && n == most
		return going && !more
	}
	for len(w.plan.ids) > 0 {
		img, err := snap.Get(w.scope.Model, w.plan.ids[0])
		w.plan.ids = w.plan.ids[1:]
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil || !next(img) {
			return more, err
		}
	}
	for len(w.plan.ranges) > 0 {
		r := &w.plan.ranges[0]
		r.Relevant = w.scope.Where.Match
		var last *record.Image
		err := snap.Scan(w.scope.Model, *r, func(img *record.Image) bool {
			last = img
			return next(img)
		})
		if err != nil || !going || more {
			r.After = last
			return more, err
		}
		w.plan.ranges = w.plan.ranges[1:]
	}
	return false, nil
}

// again reports whether the plan has read the record before.
func (w *Walk) again(id record.ID) bool {
	if !w.plan.overlaps || w.seen[id] {
		return w.plan.overlaps
	}
	if w.seen == nil {
		w.seen = map[record.ID]bool{}
	}
	w.seen[id] = true
	return false
}
