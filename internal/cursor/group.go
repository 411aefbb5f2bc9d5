package cursor

import (
	"maps"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// A rule reports whether its holder may see a record.
type rule func(*record.Image) bool

// rules are the rules of one holder: the first is for the records of its scope, the
// others for each include's. Without a rule, all records are allowed.
type rules []rule

func (r rules) allow(of int, img *record.Image) bool {
	return of >= len(r) || r[of] == nil || r[of](img)
}

// A group is a set of a query's holders that hold the same records: all of them or,
// if they have rules, holders whose rules have answered alike. When a rule answers
// differently, its holder is split off into another group; groups that come to hold
// the same records are merged. So the engine computes once what a group holds, and
// still asks every rule about every record.
type group struct {
	query   *Query
	at      int // index in the query's partition
	holders []Holder
	sole    [1]Holder // room for one holder, the usual number
	rules   []rules   // of the holders; nil without rules
	result  result    // nil if nothing must be remembered
}

// reset makes the group an empty one of the query, with the result r.
func (g *group) reset(q *Query, r result) {
	g.query, g.holders, g.result = q, g.sole[:0], r
	for _, set := range g.includes() {
		g.track(set.of.Model, nil, set.byID)
	}
}

// add adds an empty group with the result r to the query.
func (q *Query) add(r result) *group {
	g := &group{at: len(q.partition.groups)}
	q.partition.groups = append(q.partition.groups, g)
	g.reset(q, r)
	return g
}

// remove removes a group from its query.
func (q *Query) remove(g *group) {
	g.untrack()
	if !q.ruled {
		g.reset(q, nil)
		return
	}
	groups, last := q.partition.groups, len(q.partition.groups)-1
	groups[g.at] = groups[last]
	groups[g.at].at = g.at
	groups[last] = nil
	q.partition.groups = groups[:last]
}

// untrack removes the group from the engine's index of references.
func (g *group) untrack() {
	for _, set := range g.includes() {
		g.track(set.of.Model, set.byID, nil)
	}
}

// drop removes a group that has lost its last holder.
func (q *Query) drop(g *group) {
	q.remove(g)
	if sum := g.result.hash(); q.partition.byHash[sum] == g {
		delete(q.partition.byHash, sum)
	}
}

// join returns the group that holds what r does, or a new one. r must be up to date.
func (q *Query) join(r result) *group {
	r = q.remembered(r)
	if !q.ruled {
		if len(q.whole.holders) == 0 && q.whole.result == nil {
			q.whole.reset(q, r)
		}
		return &q.whole
	}
	d := q.partition
	switch {
	case len(d.groups) == 0:
		return q.add(r)
	case len(d.groups) == 1 && d.groups[0].result.unify(r):
		return d.groups[0]
	case d.byHash == nil:
		q.unite()
	}
	sum := r.hash()
	g := d.byHash[sum]
	if g != nil && g.result.unify(r) {
		return g
	}
	added := q.add(r)
	if g == nil {
		d.byHash[sum] = added
	}
	return added
}

// reunite merges groups that hold the same records after a commit.
func (q *Query) reunite() {
	if d := q.partition; d != nil {
		if d.byHash = nil; len(d.groups) > 1 {
			q.unite()
		}
	}
}

// unite merges groups that hold the same records.
func (q *Query) unite() {
	d := q.partition
	if d.byHash == nil {
		d.byHash = map[uint64]*group{}
	}
	clear(d.byHash)
	for i := len(d.groups) - 1; i >= 0; i-- {
		g := d.groups[i]
		sum := g.result.hash()
		other := d.byHash[sum]
		if other == nil {
			d.byHash[sum] = g
		} else if other.result.unify(g.result) {
			other.adopt(g.holders, g.rules)
			q.remove(g)
		}
	}
}

// adopt adds holders to the group.
func (g *group) adopt(holders []Holder, own []rules) {
	for i, h := range holders {
		*h.membership() = Membership{g, len(g.holders) + i}
	}
	g.holders = append(g.holders, holders...)
	g.rules = append(g.rules, own...)
}

// A subgroup is a group whose holders' rules gave the same answers to some questions.
type subgroup struct {
	*group
	answers string // one byte for each question; 1 is allowed
}

// ask asks the holders' rules about images of the scope's model or of an include's;
// nil images are skipped. Holders whose rules answer like the first holder's stay in
// the group, the others are split off.
func (g *group) ask(of int, images []*record.Image) []subgroup {
	if !g.query.ruled {
		return []subgroup{{g, strings.Repeat("\x01", len(images))}}
	}
	answers := make([]byte, len(images))
	if !slices.ContainsFunc(images, func(img *record.Image) bool { return img != nil }) {
		return []subgroup{{g, string(answers)}} // there is nothing to ask
	}
	g.rules[0].answer(of, images, answers)
	subgroups := []subgroup{{g, string(answers)}}
	holders, rules, stay := g.holders, g.rules, 1
	for i := 1; i < len(holders); i++ {
		rules[i].answer(of, images, answers)
		if string(answers) == subgroups[0].answers {
			if stay < i { // others were split off
				holders[stay], rules[stay] = holders[i], rules[i]
				holders[i].membership().at = stay
			}
			stay++
			continue
		}
		at := slices.IndexFunc(subgroups, func(s subgroup) bool { return s.answers == string(answers) })
		if at < 0 {
			at = len(subgroups)
			subgroups = append(subgroups, subgroup{g.query.add(g.result.clone()), string(answers)})
		}
		subgroups[at].adopt(holders[i:i+1], rules[i:i+1])
	}
	clear(holders[stay:])
	clear(rules[stay:])
	g.holders, g.rules = holders[:stay], rules[:stay]
	return subgroups
}

func (r rules) answer(of int, images []*record.Image, answers []byte) {
	for i, img := range images {
		if answers[i] = 0; img != nil && r.allow(of, img) {
			answers[i] = 1
		}
	}
}

// followRuled lets a group whose holders have rules follow a commit. The rules decide
// which of the touched records each holder may see; if they disagree, the group
// splits.
func (g *group) followRuled(effects []Effect, touches []touch, now *commitView) []Effect {
	images := make([]*record.Image, len(touches))
	for i := range touches {
		if g.result.asksRule(&touches[i]) {
			images[i] = touches[i].change.After
		}
	}
	for _, p := range g.ask(0, images) {
		decided := slices.Clone(touches)
		for i := range decided {
			decided[i].after = p.answers[i] == 1
		}
		effects = p.follow(effects, decided, now)
	}
	return effects
}

// follow lets the group follow a commit and appends the effects on its holders.
// touches are the changes of records that satisfy the query's conditions and that the
// holders' rules allow. The deltas start from what was visible before.
func (g *group) follow(effects []Effect, touches []touch, now *commitView) []Effect {
	switch r := g.result.(type) {
	case *list:
		return g.followList(effects, r, touches, now)
	case *aggregate:
		return g.followAggregate(effects, r, touches, now)
	case idSet:
		for i := range touches {
			r.apply(&touches[i])
		}
		touches = slices.DeleteFunc(touches, func(t touch) bool { return !t.before && !t.after })
	}
	if len(g.holders) == 0 {
		return effects
	}
	return g.emit(effects, flat(touches), nil)
}

func (g *group) emit(effects []Effect, deltas []Delta, included []Included) []Effect {
	if len(g.holders) == 0 || len(deltas)+len(included) == 0 {
		return effects
	}
	if l, ok := g.result.(*list); ok {
		deltas = l.nest(deltas, included)
	}
	return append(effects, Effect{Query: g.query, Holders: g.holders, Deltas: deltas, Included: included})
}

func (g *group) followAggregate(effects []Effect, a *aggregate, touches []touch, now *commitView) []Effect {
	before := a.value()
	for i := range touches {
		a.apply(&touches[i])
	}
	if a.needsFill() {
		if err := g.readFor(now, func() error { return a.fill(now.at, nil) }); err != nil {
			return now.fail(effects, g, err)
		}
	}
	if value := a.since(before); value != nil && len(g.holders) > 0 {
		return append(effects, Effect{Query: g.query, Holders: g.holders, Value: value})
	}
	return effects
}

func (g *group) followList(effects []Effect, l *list, touches []touch, now *commitView) []Effect {
	e := g.query.engine
	before := idsOf(e.scratch[:0], l.visible())
	for i := range touches {
		l.apply(&touches[i])
	}
	groups, err := g.refill(now)
	var all []groupDelta
	for _, g := range groups {
		split := []groupDelta{{group: g}}
		if err == nil {
			split, err = g.followIncludes(now)
		}
		all = append(all, split...)
	}
	for _, x := range all {
		if err != nil {
			effects = now.fail(effects, x.group, err)
			continue
		}
		l := x.result.(*list)
		effects = x.emit(effects, diff(before, l.visible(), now.seq-1, true), x.included)
		l.evict()
	}
	clear(before)
	e.scratch = before
	return effects
}

// refill reads the records that the group's list lacks. It returns the group and
// the groups that were split off because their rules answered differently.
func (g *group) refill(now *commitView) ([]*group, error) {
	groups := []*group{g}
	for i := 0; i < len(groups); i++ {
		g := groups[i]
		if !g.result.needsFill() {
			continue
		}
		if err := g.readFor(now, func() error {
			split, err := g.refillList(now.at)
			groups = append(groups, split...)
			return err
		}); err != nil {
			return groups, err
		}
	}
	return groups, nil
}

// refillList reads the records that the group's list lacks. It returns the groups that
// were split off.
func (g *group) refillList(at view) (split []*group, err error) {
	l := g.result.(*list)
	for batch := l.missing(); len(g.rules) > 1 && l.missing() != 0; batch *= 2 {
		found, err := l.next(at, batch)
		if err != nil {
			return split, err
		}
		for _, p := range g.ask(0, found) {
			p.result.(*list).append(found, func(i int) bool { return p.answers[i] == 1 })
			if p.group != g {
				split = append(split, p.group)
			}
		}
	}
	var own rules
	if len(g.rules) > 0 {
		own = g.rules[0]
	}
	return split, l.fill(at, own)
}

// flat returns the deltas of a query without an order.
func flat(touches []touch) []Delta {
	deltas := make([]Delta, 0, len(touches))
	for _, op := range [...]DeltaOp{Leave, Enter, Change} {
		for i := range touches {
			t := &touches[i]
			if t.op() != op {
				continue
			}
			d := Delta{Op: op, ID: t.change.ID}
			if op != Leave {
				d.Image = t.change.After
			}
			deltas = append(deltas, d)
		}
	}
	return deltas
}

// ids returns the ids that the group's holders hold, in order. before views the state
// that they hold.
func (g *group) ids(before view) ([]record.ID, error) {
	switch r := g.result.(type) {
	case *list:
		return idsOf(nil, r.visible()), nil
	case idSet:
		return slices.Sorted(maps.Keys(r)), nil
	}
	l := g.query.emptyList()
	err := l.fill(before, nil)
	return idsOf(nil, l.visible()), err
}
