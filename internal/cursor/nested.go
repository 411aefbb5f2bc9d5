package cursor

import (
	"slices"

	"github.com/towerkit/tower/internal/record"
)

// nestedIn returns the records that one of the list's refers to, as far as they are
// included; nil where the two are not seen as one.
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

// nested returns what each of the records that the window shows comes with; nil
// where that is nothing.
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

// nestsAs reports whether a record looks by the one spec as it does by the other.
func (s *Spec) nestsAs(to *Spec) bool {
	same := func(a, b Include) bool { return a.Model == b.Model && slices.Equal(a.Fields, b.Fields) }
	return s.Inline == to.Inline && (!s.Inline || slices.EqualFunc(s.Include, to.Include, same))
}

// resendAfter returns the seq since which a record has to have changed to look different
// to who moves from the one spec to the other: 0 where each of them does.
func (s *Spec) resendAfter(seq uint64, to *Spec) uint64 {
	if !s.nestsAs(to) {
		return 0
	}
	return seq
}

// eachReference goes through what a record of the list's refers to.
func (l *list) eachReference(img *record.Image, each func(*record.Model, record.ID, *record.Image)) {
	for i := range l.includes {
		c := &l.includes[i]
		for _, f := range c.of.Fields {
			id := record.ID(img.Value(f).Text())
			each(c.of.Model, id, c.byID[id])
		}
	}
}

// nest returns deltas of the list's records that tell what becomes of those they
// refer to as well: a record changes when one of those does, and each comes with all
// of them.
func (l *list) nest(deltas []Delta, included []Included) []Delta {
	if !l.inline {
		return deltas
	}
	stirred := map[record.Key]bool{}
	for _, in := range included {
		for _, d := range in.Deltas {
			stirred[record.Key{Model: in.Model, ID: d.ID}] = true
		}
	}
	joined := make([]Delta, 0, len(deltas))
	told := map[record.ID]bool{}
	for _, d := range deltas {
		if d.Image != nil {
			told[d.ID], d.With = true, l.nestedIn(d.Image)
		}
		joined = append(joined, d)
	}
	if len(stirred) == 0 {
		return joined
	}
	for _, img := range l.visible() {
		touched := false
		l.eachReference(img, func(m *record.Model, id record.ID, _ *record.Image) {
			touched = touched || stirred[record.Key{Model: m, ID: id}]
		})
		if touched && !told[img.ID] {
			joined = append(joined, Delta{Op: Change, ID: img.ID, Image: img, With: l.nestedIn(img)})
		}
	}
	return joined
}
