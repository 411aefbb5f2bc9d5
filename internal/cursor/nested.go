package cursor

import (
	"slices"

	"github.com/towerkit/tower/internal/record"
)

// nestedIn returns the included records that a record of the list refers to, or nil
// if the list is not inline.
func (l *list) nestedIn(img *record.Image) []*record.Image {
	if !l.inline {
		return nil
	}
	with := []*record.Image{}
	l.eachReference(img, func(_ *record.Model, _ record.ID, other *record.Image) {
		if other != nil {
			with = append(with, other)
		}
	})
	return with
}

// nested returns the included records of each record in the window, or nil if the
// list is not inline.
func (l *list) nested() [][]*record.Image {
	if !l.inline {
		return nil
	}
	var all [][]*record.Image
	for _, img := range l.visible() {
		all = append(all, l.nestedIn(img))
	}
	return all
}

// nestsAs reports whether records look the same to holders of both specs.
func (s *Spec) nestsAs(to *Spec) bool {
	same := func(a, b Include) bool { return a.Model == b.Model && slices.Equal(a.Fields, b.Fields) }
	return s.Inline == to.Inline && (!s.Inline || slices.EqualFunc(s.Include, to.Include, same))
}

// resendAfter returns the seq after which a record's version means that it must be
// resent when a holder moves between the specs. 0 means that all must be.
func (s *Spec) resendAfter(seq uint64, to *Spec) uint64 {
	if !s.nestsAs(to) {
		return 0
	}
	return seq
}

// eachReference calls each with every reference of a record of the list.
func (l *list) eachReference(img *record.Image, each func(*record.Model, record.ID, *record.Image)) {
	for i := range l.includes {
		set := &l.includes[i]
		for _, f := range set.of.Fields {
			id := record.ID(img.Value(f).Text())
			each(set.of.Model, id, set.byID[id])
		}
	}
}

// nest adds to the deltas of the list's records, if the list is inline, the included
// records of each, and a change for each record if only an included record
// changed.
func (l *list) nest(deltas []Delta, included []Included) []Delta {
	if !l.inline {
		return deltas
	}
	changed := map[record.Key]bool{}
	for _, in := range included {
		for _, d := range in.Deltas {
			changed[record.Key{Model: in.Model, ID: d.ID}] = true
		}
	}
	nested := make([]Delta, 0, len(deltas))
	sent := map[record.ID]bool{}
	for _, d := range deltas {
		if d.Image != nil {
			sent[d.ID], d.With = true, l.nestedIn(d.Image)
		}
		nested = append(nested, d)
	}
	if len(changed) == 0 {
		return nested
	}
	for _, img := range l.visible() {
		touched := false
		l.eachReference(img, func(m *record.Model, id record.ID, _ *record.Image) {
			touched = touched || changed[record.Key{Model: m, ID: id}]
		})
		if touched && !sent[img.ID] {
			nested = append(nested, Delta{Op: Change, ID: img.ID, Image: img, With: l.nestedIn(img)})
		}
	}
	return nested
}
