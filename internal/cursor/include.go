package cursor

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An Include adds to a cursor the records of a model that the cursor's records
// refer to. They enter, change and leave with the records that refer to them.
type Include struct {
	Fields []*record.Field // fields of the scope's model
	Model  *record.Model   // the model that the fields refer to

	// Allow is the holder's rule for these records, as [Spec.Allow] is for the
	// records that refer to them.
	Allow func(*record.Image) bool
}

// check returns an error if the include does not fit the scope.
func (in *Include) check(s *query.Scope) error {
	for _, f := range in.Fields {
		if !slices.Contains(s.Model.Fields, f) || in.Model == nil || f.Ref != in.Model.Name {
			return fmt.Errorf("include %s of %s: it is not a reference to the included model", f.Name, s.Model.Name)
		}
	}
	return nil
}

// refers returns the ids that the records refer to, each once.
func (in *Include) refers(images []*record.Image) (ids []record.ID) {
	found := map[record.ID]bool{"": true}
	for _, img := range images {
		for _, f := range in.Fields {
			if id := record.ID(img.Value(f).Text()); !found[id] {
				found[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Included describes the included records of one model.
type Included struct {
	Model  *record.Model
	Images []*record.Image // all, by id, when a cursor was opened
	Deltas []Delta         // changes otherwise; the records are kept by id
}

// An includedSet holds the records that a list's records refer to by one include.
type includedSet struct {
	of   *Include
	byID map[record.ID]*record.Image // every id that is referred to; nil if there is no record that may be seen
}

// A reference is one record that is referred to.
type reference struct {
	id        record.ID
	image     *record.Image // the record to ask the rule about, nil if there is none
	unchanged bool          // the record has not changed
	unread    bool          // image must still be read
}

// references returns the records that images refer to after a commit.
func (s *includedSet) references(images []*record.Image, now *commitView) ([]reference, error) {
	var all []reference
	missing := false
	for _, id := range s.of.refers(images) {
		r := reference{id: id}
		if change := now.change(s.of.Model, id); change != nil {
			r.image = change.After
		} else if _, r.unchanged = s.byID[id]; !r.unchanged {
			r.unread, missing = true, true
		}
		all = append(all, r)
	}
	if !missing || !now.cached.lookup(s.of.Model, all) {
		return all, nil
	}
	err := now.at(func(snap *store.Snapshot) (err error) {
		for i := range all {
			if r := &all[i]; r.unread && err == nil {
				r.image, err = find(snap, s.of.Model, r.id)
			}
		}
		return err
	})
	if err == nil {
		now.cached.add(s.of.Model, all)
	}
	return all, err
}

// find returns a record, or nil if there is none, or if it does not fit its model.
func find(snap *store.Snapshot, m *record.Model, id record.ID) (*record.Image, error) {
	image, err := snap.Get(m, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !image.Fits() {
		return nil, nil
	}
	return image, err
}

// follow replaces the set by the references that are allowed, and returns what
// changed.
func (s *includedSet) follow(all []reference, allowed func(i int) bool) []Delta {
	was := s.byID
	s.byID = make(map[record.ID]*record.Image, len(all))
	var enter, change, leave []Delta
	for i, r := range all {
		before := was[r.id]
		switch {
		case r.unchanged:
			s.byID[r.id] = before
			continue
		case r.image == nil || !allowed(i):
			r.image = nil
		case before == nil:
			enter = append(enter, Delta{Op: Enter, ID: r.id, Image: r.image})
		default:
			change = append(change, Delta{Op: Change, ID: r.id, Image: r.image})
		}
		s.byID[r.id] = r.image
	}
	for _, id := range slices.Sorted(maps.Keys(was)) {
		if was[id] != nil && s.byID[id] == nil {
			leave = append(leave, Delta{Op: Leave, ID: id})
		}
	}
	return slices.Concat(leave, enter, change)
}

// images returns the records of the set, by id.
func (s *includedSet) images() []*record.Image {
	var images []*record.Image
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		if image := s.byID[id]; image != nil {
			images = append(images, image)
		}
	}
	return images
}

// sameIncludes reports whether two lists with the same records include the same ones.
func sameIncludes(a, b []includedSet) bool {
	return slices.EqualFunc(a, b, func(a, b includedSet) bool {
		return maps.EqualFunc(a.byID, b.byID, func(a, b *record.Image) bool { return (a == nil) == (b == nil) })
	})
}

// loadIncludes reads the records that the list's records refer to, or brings them up
// to date.
func (l *list) loadIncludes(now *commitView, own rules) error {
	for i := range l.includes {
		set := &l.includes[i]
		refs, err := set.references(l.visible(), now)
		if err != nil {
			return err
		}
		set.follow(refs, func(at int) bool { return own.allow(1+i, refs[at].image) })
	}
	return nil
}

// included returns all included records of the list, for a cursor that is being
// opened.
func (l *list) included() []Included {
	var all []Included
	for i := range l.includes {
		all = append(all, Included{Model: l.includes[i].of.Model, Images: l.includes[i].images()})
	}
	return all
}

// includedIDs are the ids of included records, by model.
type includedIDs map[*record.Model][]record.ID

func (l *list) includedIDs() includedIDs {
	if len(l.includes) == 0 {
		return nil
	}
	ids := includedIDs{}
	for i := range l.includes {
		ids[l.includes[i].of.Model] = idsOf(nil, l.includes[i].images())
	}
	return ids
}

// diff returns the changes from was to what a list includes, nil for no list.
func (was includedIDs) diff(l *list, since uint64) []Included {
	var all []Included
	left := maps.Clone(was)
	add := func(m *record.Model, images []*record.Image) {
		if deltas := diff(was[m], images, since, false); len(deltas) > 0 {
			all = append(all, Included{Model: m, Deltas: deltas})
		}
		delete(left, m)
	}
	if l != nil {
		for i := range l.includes {
			add(l.includes[i].of.Model, l.includes[i].images())
		}
	}
	for m := range left {
		add(m, nil)
	}
	return all
}

// followIncludes lets the group's included records follow a commit. It returns what
// changed for the group and for each group that was split off because its rules
// answered differently.
func (g *group) followIncludes(now *commitView) ([]groupDelta, error) {
	all := []groupDelta{{group: g}}
	for n := range g.includes() {
		for i := range all {
			x := &all[i]
			refs, err := x.includes()[n].references(x.result.(*list).visible(), now)
			if err != nil {
				return all, err
			}
			before := x.included
			for _, p := range x.ask(1+n, imagesOf(refs)) {
				deltas := p.applyIncludes(n, refs, p.answers, now)
				included := slices.Clip(before)
				if len(deltas) > 0 {
					included = append(included, Included{Model: p.includes()[n].of.Model, Deltas: deltas})
				}
				if p.group == x.group {
					all[i].included = included
				} else {
					all = append(all, groupDelta{p.group, included})
				}
			}
		}
	}
	for _, x := range all {
		x.result.(*list).seq = now.seq
	}
	return all, nil
}

// A groupDelta is a group and the changes of its included records.
type groupDelta struct {
	*group
	included []Included
}

func imagesOf(refs []reference) []*record.Image {
	images := make([]*record.Image, len(refs))
	for i, r := range refs {
		images[i] = r.image
	}
	return images
}

// applyIncludes lets the n-th include of the group's list follow a commit.
func (g *group) applyIncludes(n int, refs []reference, answers string, now *commitView) []Delta {
	set := &g.includes()[n]
	was := set.byID
	deltas := set.follow(refs, func(i int) bool { return answers[i] == 1 })
	if now.preview == nil {
		g.track(set.of.Model, was, set.byID)
	}
	return deltas
}

// track updates the engine's index of references: the group's list referred to the
// records in was, and now refers to the records in is.
func (g *group) track(m *record.Model, was, is map[record.ID]*record.Image) {
	referring := g.query.engine.referring
	for id := range was {
		if _, stays := is[id]; stays {
			continue
		}
		key := record.Key{Model: m, ID: id}
		if delete(referring[key], g); len(referring[key]) == 0 {
			delete(referring, key)
		}
	}
	for id := range is {
		key := record.Key{Model: m, ID: id}
		if referring[key] == nil {
			referring[key] = map[*group]struct{}{}
		}
		referring[key][g] = struct{}{}
	}
}

func (g *group) includes() []includedSet {
	if l, ok := g.result.(*list); ok {
		return l.includes
	}
	return nil
}

// followReferred lets the groups that have not followed the commit yet, but whose
// records refer to what it changed, follow it.
func (e *Engine) followReferred(effects []Effect, now *commitView) []Effect {
	if len(e.referring) == 0 {
		return effects
	}
	groups := e.referringGroups(now)
	for _, g := range groups {
		effects = g.followReferred(effects, now)
	}
	for i, g := range groups {
		if i == 0 || g.query != groups[i-1].query {
			g.query.reunite()
		}
	}
	return effects
}

// referringGroups returns, by query, the groups whose records refer to what a commit
// changed and that have not followed it.
func (e *Engine) referringGroups(now *commitView) []*group {
	var groups []*group
	for i := range now.changes {
		for g := range e.referring[record.Key{Model: now.changes[i].Model, ID: now.changes[i].ID}] {
			if g.result.(*list).seq != now.seq {
				groups = append(groups, g)
			}
		}
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.query.number, b.query.number), cmp.Compare(a.at, b.at))
	})
	return slices.Compact(groups)
}

// followReferred lets a group follow a commit that changed only records that its
// own records refer to.
func (g *group) followReferred(effects []Effect, now *commitView) []Effect {
	groups, err := g.followIncludes(now)
	for _, x := range groups {
		if err != nil {
			effects = now.fail(effects, x.group, err)
		} else {
			effects = x.emit(effects, nil, x.included)
		}
	}
	return effects
}
