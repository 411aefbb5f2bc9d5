package cursor

import (
	"fmt"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Read returns the records of a spec in the state that at reads, in order. It calls
// the rule while the store is not being read, and does not recover a panic in it.
func Read(at func(read func(*store.Snapshot) error) error, spec Spec) ([]*record.Image, error) {
	if err := spec.Scope.Check(); err != nil {
		return nil, err
	}
	l := newList(&spec, 0)
	if err := l.fill(at, rules{spec.Allow}); err != nil {
		return nil, fmt.Errorf("read %s: %w", spec.Scope, err)
	}
	return l.visible(), nil
}

// ReadIncluded returns the records of a model that a spec's records include, by id, in
// the state that at reads, as Read does.
func ReadIncluded(at func(read func(*store.Snapshot) error) error, spec Spec, of *record.Model) ([]*record.Image, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	l := newList(&spec, 0)
	if err := fill(l, &commitView{at: at}, spec.rules()); err != nil {
		return nil, fmt.Errorf("read what %s includes: %w", spec.Scope, err)
	}
	for i := range l.includes {
		if l.includes[i].of.Model == of {
			return l.includes[i].images(), nil
		}
	}
	return nil, nil
}

// ReadValue returns the value of a spec in the state that at reads, as Read does.
func ReadValue(at func(read func(*store.Snapshot) error) error, spec Spec) (record.Value, error) {
	return readValue(at, spec, 0)
}

func readValue(at view, spec Spec, part int) (record.Value, error) {
	if err := spec.check(); err != nil {
		return record.Value{}, err
	}
	if !spec.valued() {
		return record.Value{}, fmt.Errorf("read a value of %s: it asks for records", spec.Scope)
	}
	a := newAggregate(&spec, spec.ruled())
	a.part = part
	if err := a.fill(at, rules{spec.Allow}); err != nil {
		return record.Value{}, fmt.Errorf("read the %s: %w", spec.String(), err)
	}
	return a.value(), nil
}

// rankBatch is how many records Rank reads first.
const rankBatch = 256

// Rank returns how many records of a spec come before img in the state that at reads:
// those that satisfy the conditions and that the rule allows, regardless of limit and
// offset. It reads few records after img.
func Rank(at func(read func(*store.Snapshot) error) error, spec Spec, img *record.Image) (int, error) {
	if err := spec.check(); err != nil {
		return 0, err
	}
	rank, batch := 0, rankBatch
	for after := (*record.Image)(nil); ; batch *= 2 {
		var found []*record.Image
		err := at(func(snap *store.Snapshot) (err error) {
			found, err = spec.Scope.Read(snap, after, batch)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("rank a record in %s: %w", spec.Scope, err)
		}
		for _, other := range found {
			if spec.Scope.Compare(other, img) >= 0 {
				return rank, nil
			}
			if spec.Allow == nil || spec.Allow(other) {
				rank++
			}
		}
		if len(found) < batch {
			return rank, nil
		}
		after = found[len(found)-1]
	}
}
