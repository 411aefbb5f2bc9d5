package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

const (
	maxChanges = 50  // described in one event
	MaxReach   = 100 // cursors named in one event
	maxText    = 200 // characters of a field's value
)

// A trace collects what one commit did to whom. A nil trace, of a commit that is
// not told, does nothing.
type trace struct {
	inspector *inspector
	commit    store.Commit
	event     *wire.CommitEvent
	touched   map[*OpenCursor]bool

	published bool // and what came of it is told
	earlyAcks []wire.ControlEvent
}

// trace returns nil where nobody watches, and for what is more than a person can
// follow, which is counted.
func (i *inspector) trace(commit store.Commit) *trace {
	if i.watching.Load() == 0 {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.commits.spend(1) {
		for s := range i.subscriptions {
			s.skip(&commit)
		}
		return nil
	}
	t := &trace{inspector: i, commit: commit, touched: map[*OpenCursor]bool{},
		event: &wire.CommitEvent{Seq: commit.Seq, At: commit.At, By: commit.By, ChangesAll: len(commit.Changes), Reached: []wire.Reach{}}}
	i.recent[commit.Seq] = t
	if i.order = append(i.order, commit.Seq); len(i.order) > maxRecentTraces {
		delete(i.recent, i.order[0])
		i.order = i.order[1:]
	}
	return t
}

// requestAcks decides whether the frames of the commit ask so many clients for their word.
func (t *trace) requestAcks(clients int) {
	if t == nil {
		return
	}
	t.inspector.mu.Lock()
	defer t.inspector.mu.Unlock()
	t.event.Asked = t.inspector.acks.spend(clients)
}

func (t *trace) wantsAcks() bool { return t != nil && t.event.Asked }

// recordReach notes what the commit did to one cursor: to its records, its value, and the
// records that it includes.
func (t *trace) recordReach(oc *OpenCursor, deltas []cursor.Delta, value *record.Value, included []cursor.Included, ended wire.Outcome) {
	if t == nil {
		return
	}
	t.touched[oc] = true
	reach := wire.Reach{Outcome: ended}
	if value != nil {
		reach.Change++
	}
	for _, in := range included {
		reach.Included += len(in.Deltas)
	}
	for _, delta := range deltas {
		switch delta.Op {
		case cursor.Enter:
			reach.Enter++
		case cursor.Change:
			reach.Change++
		case cursor.Leave:
			reach.Leave++
		}
	}
	t.addReach(oc, reach)
}

func (t *trace) addReach(oc *OpenCursor, reach wire.Reach) {
	if len(t.event.Reached) >= MaxReach {
		return
	}
	reach.Connection, reach.User, reach.Cursor = oc.Conn.number, oc.Conn.Label(), oc.Request.Route.Name
	t.event.Reached = append(t.event.Reached, reach)
}

// addUnreached notes the cursors of changed models that the commit did nothing to, and
// why. Where there are very many connections it does not look for them.
func (t *trace) addUnreached(h *hub) {
	if t == nil || h.count() > MaxReach {
		return
	}
	for _, c := range h.all() {
		for _, oc := range c.OpenCursors() {
			if t.touched[oc] || len(t.event.Reached) >= MaxReach {
				continue
			}
			if outcome, by := t.outcome(oc); outcome != "" {
				t.addReach(oc, wire.Reach{Outcome: outcome, By: by})
			}
		}
	}
}

// outcome says why the commit did nothing to a cursor; "" where it changed none of
// its model.
func (t *trace) outcome(oc *OpenCursor) (outcome wire.Outcome, by string) {
	scope := oc.query.Spec().Scope
	concerned, matched, allowed := false, false, false
	for i := range t.commit.Changes {
		change := &t.commit.Changes[i]
		if change.Model != scope.Model {
			continue
		}
		concerned = true
		for _, image := range []*record.Image{change.Before, change.After} {
			if image != nil && scope.Where.Match(image) {
				matched = true
				allowed = allowed || oc.allows(image)
			}
		}
	}
	switch route := oc.Request.Route; {
	case !concerned:
		return "", ""
	case !matched:
		return wire.Unmatched, ""
	case !allowed:
		return wire.Denied, route.Controller.Type + ".Match"
	case route.Value:
		return wire.Same, ""
	default:
		return wire.Outside, ""
	}
}

// allows asks the rule of the cursor's own user.
func (o *OpenCursor) allows(image *record.Image) (allowed bool) {
	s := o.Conn.current()
	if s == nil {
		return false
	}
	err := fault.Recover(o.Request.Route.Name, func() error {
		controller, err := s.Controller(o.Request.Route.Controller)
		if err == nil {
			rule := o.Conn.app.rule(image.Model, controller)
			allowed = rule == nil || rule(image)
		}
		return err
	})
	return allowed && err == nil
}

// publish tells what became of the commit.
func (t *trace) publish(reached int, h *hub) {
	if t == nil {
		return
	}
	t.event.Connections, t.event.ReachedAll = h.count(), reached
	t.event.Micros = time.Since(t.commit.At).Microseconds()
	t.addUnreached(h)
	t.inspector.mu.Lock()
	defer t.inspector.mu.Unlock()
	t.published = true
	t.inspector.publishLocked(queuedEvent{event: wire.ControlEvent{Commit: t.event}, commit: &t.commit})
	for _, event := range t.earlyAcks {
		t.inspector.publishLocked(queuedEvent{event: event})
	}
	t.earlyAcks = nil
}

// describeCommit completes the event of a commit with what it changed.
func describeCommit(t queuedEvent) *wire.CommitEvent {
	event := *t.event.Commit
	event.Changes = []wire.ChangeInfo{}
	for _, change := range t.commit.Changes[:min(len(t.commit.Changes), maxChanges)] {
		event.Changes = append(event.Changes, describeChange(change))
	}
	return &event
}

func describeChange(change store.Change) wire.ChangeInfo {
	info := wire.ChangeInfo{Op: change.Op.String(), Model: change.Model.Name, ID: string(change.ID), Fields: ChangedFields(change),
		Label: cmp.Or(Label(change.After), Label(change.Before))}
	before, after := fieldsOf(change.Before), fieldsOf(change.After)
	for _, field := range change.Model.Fields {
		if isCommonField(field) || change.Same(field) {
			continue
		}
		if !field.Private {
			from, to := shortenBoth(string(before[field.Name]), string(after[field.Name]))
			info.Values = append(info.Values, wire.FieldChange{Name: field.Name, Before: from, After: to})
		}
	}
	return info
}

// fieldsOf are the fields of a record as JSON, none of nil.
func fieldsOf(image *record.Image) map[string]json.RawMessage {
	if image == nil {
		return nil
	}
	var fields map[string]json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(image.JSON))
	if err := decoder.Decode(&fields); err != nil {
		return nil // it does not fit; what is stored is no object
	}
	return fields
}

// isCommonField reports whether every record has the field.
func isCommonField(f *record.Field) bool {
	return f.Name == "id" || f.Name == "createdAt" || f.Name == "updatedAt"
}
