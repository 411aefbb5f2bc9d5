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
	_, err := s.Walk().Next(snap, 0, yield)
	return err
}

// Read returns, in order, the first n records that satisfy the conditions and come
// after the record after; 0 is all, and nil is from the start. It ignores the scope's
// limit and offset.
func (s *Scope) Read(snap *store.Snapshot, after *record.Image, n int) ([]*record.Image, error) {
	r := s.Reader(after, n)
	_, err := r.Next(snap, 0)
	return r.Images, err
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
