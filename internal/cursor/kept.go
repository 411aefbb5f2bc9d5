package cursor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A keptValue is a value that was read and has followed every commit since, so that the
// next reader need not read the records again. Readers whose rules answer alike share it.
type keptValue struct {
	key      string
	selector *selector
	spec     Spec // its rule denies if it panics
	state    *aggregate
	recent   []valueAt     // what the value has been, oldest first; nil until it is known
	touches  []touch       // what commits did while it was being read
	ready    chan struct{} // closed when it has been read, or cannot be
	gone     bool          // it no longer follows commits
	last     uint64        // if it is gone: the last commit that it followed
	read     time.Time
	used     time.Time
	examined int // records that were read for it
}

// A valueAt is a value from the commit seq on.
type valueAt struct {
	seq   uint64
	value record.Value
}

const (
	maxKept    = 256              // kept values
	maxRecent  = 64               // commits for which a kept value knows what it was
	sweepEvery = 1024             // commits, after which unused values are forgotten
	keepFor    = 10 * time.Minute // without a reader
	trustFor   = time.Minute      // with a rule: since it was read, in case the rule depends on more than its records
)

// ReadValue returns the value of a spec after the commit seq, and keeps it for the next
// reader. Values with a rule are kept if the spec has a RuleKey. It fails as Read does.
func (e *Engine) ReadValue(ctx context.Context, seq uint64, spec Spec) (record.Value, error) {
	spec.Allow = e.rule(spec.Allow)
	if err := spec.check(); err != nil || !spec.valued() || spec.Allow != nil && spec.RuleKey == "" {
		return readValue(e.parts(ctx, seq), spec, firstPart)
	}
	if err := e.Wait(ctx, seq); err != nil {
		return record.Value{}, err
	}
	k, at, first := e.keep(spec)
	if first {
		if value, err := e.readKept(ctx, k, at); err != nil || at == seq {
			return value, err
		}
	}
	select {
	case <-k.ready:
	case <-ctx.Done():
		return record.Value{}, ctx.Err()
	}
	if value, known := e.keptAt(k, seq); known {
		if spec.Chosen {
			return value, imitate(ctx, k.examined)
		}
		return value, nil
	}
	return readValue(e.parts(ctx, seq), spec, firstPart)
}

// keep returns the kept value of a spec. If it is the first to ask for it, the caller must
// read it, as of the commit at. It follows commits from then on.
func (e *Engine) keep(spec Spec) (k *keptValue, at uint64, first bool) {
	now := time.Now()
	key := keptKey(&spec)
	e.mu.Lock()
	defer e.mu.Unlock()
	if k = e.kept[key]; k != nil && (k.spec.Allow == nil || now.Sub(k.read) < trustFor) {
		k.used = now
		return k, 0, false
	}
	if k != nil {
		e.forget(k)
	}
	e.makeRoom()
	k = &keptValue{key: key, selector: e.index(spec.Scope.Model).add(query.Canonical(spec.Scope.Where)), spec: spec, ready: make(chan struct{}), read: now, used: now}
	e.kept[key] = k
	e.keptBy[k.selector] = append(e.keptBy[k.selector], k)
	return k, e.Seq(), true
}

// keptKey returns a key that is equal for specs with the same value.
func keptKey(spec *Spec) string {
	key := query.AppendString(spec.appendKey(nil), spec.RuleKey)
	return string(key) + query.Scope{Model: spec.Scope.Model, Where: spec.Scope.Where}.Key()
}

// takeKept gives a query that has just been opened the value that is kept for it, if it
// carries a value.
func (e *Engine) takeKept(q *Query, spec *Spec) {
	if q.ruled || !q.key.valued() || q.live() != nil || len(e.kept) == 0 {
		return
	}
	if k := e.kept[keptKey(spec)]; k != nil && k.state != nil {
		q.whole.reset(q, k.state.clone())
		q.examined = k.examined
	}
}

// readKept reads a kept value as of the commit at, and lets it follow the commits that
// came meanwhile. It returns the value that it has read.
func (e *Engine) readKept(ctx context.Context, k *keptValue, at uint64) (value record.Value, err error) {
	state := newAggregate(&k.spec, false)
	var meter store.Meter
	err = e.fill(meter.Context(ctx), state, at, rules{k.spec.Allow}, false)
	e.mu.Lock()
	defer e.mu.Unlock()
	defer close(k.ready)
	k.examined = meter.Examined()
	if err != nil {
		e.forget(k)
		return value, fmt.Errorf("read the %s: %w", k.spec.String(), err)
	}
	value, k.state = state.value(), state
	if len(k.touches) > 0 {
		k.apply(k.touches)
		k.touches, at = nil, k.until(e)
	}
	if k.recent = []valueAt{{at, state.value()}}; state.lost {
		k.recent = nil
		e.forget(k)
	}
	return value, nil
}

// until returns the last commit that the value has followed.
func (k *keptValue) until(e *Engine) uint64 {
	if k.gone {
		return k.last
	}
	return e.Seq()
}

// keptAt returns a kept value as it was after the commit seq, and whether it is known.
func (e *Engine) keptAt(k *keptValue, seq uint64) (record.Value, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := len(k.recent) - 1; i >= 0 && seq <= k.until(e); i-- {
		if k.recent[i].seq <= seq {
			return k.recent[i].value, true
		}
	}
	return record.Value{}, false
}

// apply follows changes of records. The rule answers for a record before the change as it
// did when that was the record.
func (k *keptValue) apply(touches []touch) {
	allow := rules{k.spec.Allow}
	for _, t := range touches {
		t.before = t.before && allow.allow(0, t.change.Before)
		t.after = t.after && allow.allow(0, t.change.After)
		k.state.apply(&t)
	}
}

// followKept lets the kept values with a selector follow a commit. One whose extreme has
// left must be read again.
func (e *Engine) followKept(s *selector, touches []touch, seq uint64) {
	for _, k := range slices.Backward(e.keptBy[s]) {
		if k.state == nil {
			k.touches = append(k.touches, touches...)
			continue
		}
		before := k.state.value()
		if k.apply(touches); k.state.lost {
			e.forget(k)
		} else if value := k.state.since(before); value != nil {
			if len(k.recent) == maxRecent {
				k.recent = append(k.recent[:0], k.recent[maxRecent/2:]...)
			}
			k.recent = append(k.recent, valueAt{seq, *value})
		}
	}
}

// forgetUnused forgets values that nobody has read for a while.
func (e *Engine) forgetUnused(now time.Time) {
	for _, k := range e.kept {
		if now.Sub(k.used) > keepFor {
			e.forget(k)
		}
	}
}

// makeRoom forgets the value that was read the longest time ago if there are too many.
func (e *Engine) makeRoom() {
	if len(e.kept) < maxKept {
		return
	}
	e.forget(slices.MinFunc(slices.Collect(maps.Values(e.kept)), func(a, b *keptValue) int { return a.used.Compare(b.used) }))
}

// forget ends a kept value, if it has not ended before.
func (e *Engine) forget(k *keptValue) {
	if k.gone {
		return
	}
	k.gone, k.last = true, e.Seq()
	if e.kept[k.key] == k {
		delete(e.kept, k.key)
	}
	s := k.selector
	if e.keptBy[s] = slices.DeleteFunc(e.keptBy[s], func(other *keptValue) bool { return other == k }); len(e.keptBy[s]) == 0 {
		delete(e.keptBy, s)
		e.releaseSelector(s, k.spec.Scope.Model)
	}
}

// forgetAll ends all kept values: commits are missing from the log.
func (e *Engine) forgetAll() {
	for _, k := range e.kept {
		k.recent = nil
		e.forget(k)
	}
}
