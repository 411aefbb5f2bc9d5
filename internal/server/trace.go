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

// MaxReach is the most cursors that are listed in one event.
const MaxReach = 100

const (
	maxChanges = 50  // changes described in one event
	maxText    = 200 // characters of the value of a field
)

// A trace collects the effects of one commit for consoles. A nil trace, for a commit that
// is not traced, does nothing.
type trace struct {
	inspector *inspector
	commit    store.Commit
	event     *wire.CommitEvent
	touched   map[*OpenCursor]bool

	published bool                // its event has been queued
	earlyAcks []wire.ControlEvent // acknowledgements from before that
}

// trace returns a trace of a commit. It returns nil if no console watches, or if there
// are more commits than a person can follow; these are counted.
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

// requestAcks decides whether the frames of the commit ask their clients for an
// acknowledgement.
func (t *trace) requestAcks(clients int) {
	if t == nil {
		return
	}
	t.inspector.mu.Lock()
	defer t.inspector.mu.Unlock()
	t.event.Asked = t.inspector.acks.spend(clients)
}

// wantsAcks reports what requestAcks decided.
func (t *trace) wantsAcks() bool { return t != nil && t.event.Asked }

// recordReach records the effects of the commit on one cursor: on its records, its value
// and its included records. ended is the outcome if it closed or lost the cursor.
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

// addReach adds an entry for a cursor, up to MaxReach.
func (t *trace) addReach(oc *OpenCursor, reach wire.Reach) {
	if len(t.event.Reached) >= MaxReach {
		return
	}
	reach.Connection, reach.User, reach.Cursor = oc.Conn.number, oc.Conn.Label(), oc.Request.Route.Name
	t.event.Reached = append(t.event.Reached, reach)
}

// addUnreached adds the cursors of changed models that the commit did not affect, with
// the reason. It skips them if there are more than MaxReach connections.
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

// outcome returns why the commit did not affect a cursor, "" if it changed no record of
// the cursor's model.
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

// allows reports whether the cursor's user may see a record.
func (oc *OpenCursor) allows(image *record.Image) (allowed bool) {
	s := oc.Conn.current()
	if s == nil {
		return false
	}
	err := fault.Recover(oc.Request.Route.Name, func() error {
		controller, err := s.Controller(oc.Request.Route.Controller)
		if err == nil {
			rule := oc.Conn.app.rule(image.Model, controller)
			allowed = rule == nil || rule(image)
		}
		return err
	})
	return allowed && err == nil
}

// publish queues the event of the commit, which reached so many connections, and then the
// acknowledgements that came before it.
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

// describeCommit returns the event of a commit with its changes.
func describeCommit(t queuedEvent) *wire.CommitEvent {
	event := *t.event.Commit
	event.Changes = []wire.ChangeInfo{}
	event.Did, event.By = DoneIn(t.commit)
	for _, change := range t.commit.Changes[:min(len(t.commit.Changes), maxChanges)] {
		event.Changes = append(event.Changes, describeChange(change))
	}
	return &event
}

// describeChange describes a change of one record.
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

// fieldsOf returns the fields of a record as JSON, none for a nil image.
func fieldsOf(image *record.Image) map[string]json.RawMessage {
	if image == nil {
		return nil
	}
	var fields map[string]json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(image.JSON))
	if err := decoder.Decode(&fields); err != nil {
		return nil // the stored record is not an object
	}
	return fields
}

// isCommonField reports whether every record has the field.
func isCommonField(f *record.Field) bool {
	return f.Name == "id" || f.Name == "createdAt" || f.Name == "updatedAt"
}
