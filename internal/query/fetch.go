package query

import (
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Fetch returns the scope's records in order. It reads them by an index if the
// conditions or the order allow it.
func Fetch(snap *store.Snapshot, s Scope) ([]*record.Image, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	images, err := s.Read(snap, nil, s.End())
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", s, err)
	}
	return Window(&s, images), nil
}

// Count returns how many records [Fetch] would return.
func Count(snap *store.Snapshot, s Scope) (int, error) {
	if err := s.Check(); err != nil {
		return 0, err
	}
	end, n := s.End(), 0
	err := s.Each(snap, func(*record.Image) bool {
		n++
		return n != end || end == 0
	})
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", s, err)
	}
	return max(n-s.Offset, 0), nil
}

// Each yields the records that satisfy the scope's conditions, in no particular
// order, until yield returns false. It ignores the scope's order, limit and offset.
func (s *Scope) Each(snap *store.Snapshot, yield func(*record.Image) bool) error {
	unordered := Scope{Model: s.Model, Where: s.Where}
	return unordered.plans(nil, 0)[0].each(snap, s.Model, s.Where, func(img *record.Image) bool {
		return !s.Where.Match(img) || yield(img)
	})
}

// firstBudget is how many records each of several plans may read in the first round.
const firstBudget = 256

// Read returns, in order, the first n records that satisfy the conditions and come
// after the record after; 0 is all, and nil is from the start. It ignores the scope's
// limit and offset.
//
// Whether a filter's index or the order's index yields n records sooner depends on
// the data. If both exist, they take turns with a growing budget, so that the worse
// plan costs at most a few times what the better one does.
func (s *Scope) Read(snap *store.Snapshot, after *record.Image, n int) ([]*record.Image, error) {
	plans := s.plans(after, n)
	if len(plans) == 1 {
		images, _, err := s.run(snap, &plans[0], after, n, 0)
		return images, err
	}
	for most := firstBudget; ; most *= 4 {
		for i := range plans {
			images, done, err := s.run(snap, &plans[i], after, n, most)
			if done || err != nil {
				return images, err
			}
		}
	}
}

// run reads by one plan. It stops and returns done false after reading more than most
// records; 0 is no bound.
func (s *Scope) run(snap *store.Snapshot, p *plan, after *record.Image, n, most int) (images []*record.Image, done bool, err error) {
	top := firstN{scope: s, n: n, sorted: p.sorted}
	seen := 0
	err = p.each(snap, s.Model, s.Where, func(img *record.Image) bool {
		if seen++; most > 0 && seen > most {
			return false
		}
		if s.Where.Match(img) && (after == nil || s.Compare(img, after) > 0) {
			return top.add(img)
		}
		return true
	})
	if err != nil || most > 0 && seen > most {
		return nil, false, err
	}
	return top.take(), true, nil
}

// A firstN keeps the first n of the records that are added to it.
type firstN struct {
	scope  *Scope
	n      int  // 0 is all
	sorted bool // records are added in order
	images []*record.Image
	full   bool // images begins with n records in order; a record after those is not one of the first
}

// add reports whether a later record could still be among the first.
func (t *firstN) add(img *record.Image) bool {
	if t.full && t.scope.Compare(img, t.images[t.n-1]) > 0 {
		return true
	}
	t.images = append(t.images, img)
	if t.sorted {
		return t.n == 0 || len(t.images) < t.n
	}
	if t.n > 0 && len(t.images) >= 2*t.n {
		t.cut()
	}
	return true
}

func (t *firstN) cut() {
	slices.SortFunc(t.images, t.scope.Compare)
	if t.n > 0 && len(t.images) >= t.n {
		t.images, t.full = t.images[:t.n], true
	}
}

func (t *firstN) take() []*record.Image {
	if !t.sorted {
		t.cut()
	}
	return t.images
}
