package towertest

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/audit"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// An answer is what a fresh query returns to a user.
type answer struct {
	value   json.RawMessage // nil unless the cursor carries one
	ids     []string
	records map[string]any            // as their JSON decodes, without private fields
	include map[string]map[string]any // included records, by model and id
	refused string                    // why the user may not hold the cursor, "" if it may
}

// records are all records of an application, by model.
type records map[*record.Model][]*record.Image

// Each yields the records of a model.
func (all records) Each(m *record.Model, yield func(*record.Image) error) error {
	for _, image := range all[m] {
		if err := yield(image); err != nil {
			return err
		}
	}
	return nil
}

// ask makes the naive query for one user over the records of all models.
func ask(ctx context.Context, app *tower.App, user tower.ID, request wire.Request, all records) (answer, error) {
	spec, err := server.SpecFor(ctx, server.AppOf(app), user, request)
	if err != nil {
		return answer{refused: err.Error()}, nil
	}
	held, err := audit.Read(&spec, all)
	if err != nil {
		return answer{}, err
	}
	out := answer{value: held.Value, ids: []string{}, records: map[string]any{}}
	if held.Value != nil {
		return out, nil
	}
	for _, image := range held.Images {
		out.ids = append(out.ids, string(image.ID))
		if out.records[string(image.ID)], err = public(image); err != nil {
			return answer{}, err
		}
	}
	for model, images := range held.Included {
		for _, image := range images {
			if out.include == nil {
				out.include = map[string]map[string]any{}
			}
			if out.include[model.Name] == nil {
				out.include[model.Name] = map[string]any{}
			}
			if out.include[model.Name][string(image.ID)], err = public(image); err != nil {
				return answer{}, err
			}
		}
	}
	return out, nil
}

// everything reads all records of the store.
func everything(ctx context.Context, app *tower.App) (records, error) {
	all := records{}
	err := server.AppOf(app).View(ctx, func(snap *store.Snapshot) error {
		for _, m := range server.Models(server.AppOf(app)) {
			if err := snap.Scan(m, store.Range{}, func(image *record.Image) bool {
				all[m] = append(all[m], image)
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// public returns a record as clients may see it.
func public(image *record.Image) (any, error) {
	rec, err := image.Record()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	fields, err := decoded(data)
	if object, ok := fields.(map[string]any); ok {
		for _, f := range image.Model.Fields {
			if f.Private {
				delete(object, f.Name)
			}
		}
	}
	return fields, err
}

func decoded(data []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return v, decoder.Decode(&v)
}
