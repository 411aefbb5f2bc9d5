package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// places are the places of created records in the lists of the requests that created them.
type places map[record.ID]int

// createAll creates a record for each of a request's Sets, and notes its place. An error
// names the record that it is about by its place.
func createAll(ctx context.Context, tx *store.Tx, m *record.Model, req *wire.ControlRequest, made places) ([]json.RawMessage, error) {
	clear(made) // of an earlier run
	out := make([]json.RawMessage, 0, len(req.Sets))
	for i, set := range req.Sets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		place := req.Offset + i
		image, err := create(tx, m, set)
		if err != nil {
			return nil, at(place, err)
		}
		made[image.ID] = place
		out = append(out, json.RawMessage(image.JSON))
	}
	return out, nil
}

// seed creates the application's first records.
func (c *console) seed(ctx context.Context) error {
	seed := c.app.Config().Seed
	if seed == nil {
		return fault.Errorf(fault.NotFound, "the application has no seed; set Seed of its tower.Config")
	}
	if err := seed(ctx); err != nil {
		return err
	}
	return c.app.Engine().Wait(ctx, c.app.Store().Seq())
}

func create(tx *store.Tx, m *record.Model, set []byte) (*record.Image, error) {
	rec := m.New()
	if problems := m.Assign(rec, set); problems.Any() {
		return nil, &record.InvalidError{Model: m.Name, Problems: problems}
	}
	return tx.Create(m, rec)
}

// at returns the error of the record at a place: its problems, if it has some, are those of
// "3.title".
func at(place int, err error) error {
	var invalid *record.InvalidError
	if !errors.As(err, &invalid) {
		return fmt.Errorf("record %d: %w", place, err)
	}
	problems := &record.Problems{}
	for field, texts := range invalid.Problems.Map() {
		for _, text := range texts {
			problems.Add(strings.TrimSuffix(strconv.Itoa(place)+"."+field, "."), text)
		}
	}
	return &record.InvalidError{Model: invalid.Model, ID: invalid.ID, Problems: problems}
}

// name returns the error of a commit, which names the record that it is about by its place
// if that is known.
func (p places) name(err error) error {
	var invalid *record.InvalidError
	if errors.As(err, &invalid) {
		if place, known := p[invalid.ID]; known {
			return at(place, err)
		}
	}
	return err
}

// add notes the places of records that the transaction has created.
func (t *transaction) add(made places) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made == nil {
		t.made = places{}
	}
	maps.Copy(t.made, made)
}
