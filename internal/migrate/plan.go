package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A plan is a run of what is pending that stores nothing.
type plan struct {
	*Pending
	before store.Remembered
	report *wire.MigrationReport
	made   map[string]map[record.ID]*record.Image // by the table that they are made for
}

// Report returns what a store has to go through, and what it comes to: it reads all
// records, runs the steps on them, and changes nothing.
func Report(ctx context.Context, from Source, models []*record.Model, all []Migration) (*wire.MigrationReport, error) {
	before, err := from.Remembered(ctx)
	if err != nil {
		return nil, err
	}
	p := &plan{Pending: PendingOf(before, models, all), before: before, report: &wire.MigrationReport{Fresh: before.Fresh}}
	p.describe(all)
	if before.Fresh {
		return p.report, nil
	}
	for _, t := range p.everyTable() {
		if err := p.run(ctx, from, t); err != nil {
			return nil, err
		}
	}
	p.report.Lost = lost(before, models, all)
	return p.report, nil
}

// describe adds what is known without reading records.
func (p *plan) describe(all []Migration) {
	effects := p.effects()
	for _, step := range p.Renamed {
		p.addChange(Change{Kind: Renamed, Model: step.Model, Field: step.To, From: step.Field, To: step.To})
	}
	changes := Compare(p.before.After(effects...), p.models)
	for _, c := range changes {
		p.addChange(c)
	}
	p.report.Suggest = Suggest(changes)
	for _, d := range p.before.Done {
		known := slices.ContainsFunc(all, func(m Migration) bool { return m.ID == d.ID })
		p.report.Done = append(p.report.Done, wire.DoneMigration{ID: d.ID, At: d.At, Records: d.Records, Unknown: !known})
	}
	for _, m := range p.Migrations {
		pending := wire.PendingMigration{ID: m.ID, Steps: make([]wire.StepReport, len(m.Steps))}
		for i, step := range m.Steps {
			pending.Steps[i].Text = step.String()
		}
		p.report.Pending = append(p.report.Pending, pending)
	}
	p.report.Renamed = make([]wire.StepReport, len(p.Renamed))
	for i, step := range p.Renamed {
		p.report.Renamed[i].Text = step.String()
	}
}

func (p *plan) addChange(c Change) {
	p.report.Changes = append(p.report.Changes, wire.ModelChange{Kind: c.Kind, Model: c.Model, Field: c.Field, Text: c.String()})
}

// effects returns the effects of everything that is pending.
func (p *Pending) effects() (effects []store.Effect) {
	for _, m := range p.Migrations {
		for _, step := range m.Steps {
			effects = append(effects, step.Effect)
		}
	}
	for _, step := range p.Renamed {
		effects = append(effects, step.Effect)
	}
	return effects
}

// everyTable returns the tables that are pending, and one for each other model.
func (p *plan) everyTable() (all []*table) {
	for _, t := range p.tables { // what is made comes last
		if !t.Made {
			all = append(all, t)
		}
	}
	for _, t := range p.tables {
		if t.Made {
			all = append(all, t)
		}
	}
	for _, model := range p.drop {
		all = append(all, &table{Table: store.Table{From: model}})
	}
	for _, m := range p.models {
		if !slices.ContainsFunc(p.tables, func(t *table) bool { return t.To == m.Name }) {
			all = append(all, &table{Table: store.Table{From: m.Name, To: m.Name, Model: m}})
		}
	}
	return all
}

// stepsOf returns the reports of the steps that concern the records of a table: first
// those of its own steps, in order, then those of the model as a whole.
func (p *plan) stepsOf(t *table) (own, whole []*wire.StepReport) {
	for i, m := range p.Migrations {
		for j, step := range m.Steps {
			report := &p.report.Pending[i].Steps[j]
			switch {
			case step.whole() && (step.Model == t.From || step.To == t.To):
				whole = append(whole, report)
			case slices.ContainsFunc(t.steps, func(s owned) bool { return s.migration == m.ID && s.step == j }):
				own = append(own, report)
			}
		}
	}
	for _, s := range t.steps {
		if s.migration == "" {
			own = append(own, &p.report.Renamed[s.step])
		}
	}
	return own, whole
}

func (p *plan) run(ctx context.Context, from Source, t *table) error {
	own, whole := p.stepsOf(t)
	var survey *record.Survey
	var unique *uniques
	if t.Model != nil {
		survey, unique = &record.Survey{Model: t.Model}, newUniques(t.Model)
	}
	for after := record.ID(""); ; {
		rows, next, err := from.Stale(ctx, "", t.Table, after, batchRows)
		if err != nil {
			return err
		}
		for i := range rows {
			row := &rows[i]
			for _, step := range whole {
				step.Records++
				if t.To == "" {
					step.Lost++
				} else {
					step.Changed++
				}
			}
			if t.To == "" {
				continue
			}
			if t.Made {
				p.report.Taken = append(p.report.Taken, fmt.Sprintf("%s cannot be split off other records: there are some already", t.From))
				return nil
			}
			failed, err := planRow(t, row, own)
			if err != nil {
				return err
			}
			if !failed {
				p.keep(t, row, own)
			}
			if t.Model != nil && !failed {
				image := &record.Image{Model: t.Model, ID: row.ID, Version: row.Version, JSON: row.Public, Private: row.Private}
				survey.Add(image)
				unique.add(image)
			}
		}
		if after = next; after == "" {
			break
		}
	}
	if survey != nil {
		for _, id := range slices.Sorted(maps.Keys(p.made[t.To])) {
			survey.Add(p.made[t.To][id])
			unique.add(p.made[t.To][id])
		}
	}
	if survey != nil && survey.Broken > 0 {
		p.report.Misfits = append(p.report.Misfits, misfits(survey))
	}
	if unique != nil {
		p.report.Taken = append(p.report.Taken, unique.taken...)
	}
	return nil
}

// keep keeps the records that are made of a row, the first of each id.
func (p *plan) keep(t *table, row *store.Row, steps []*wire.StepReport) {
	for _, made := range row.Made {
		to := t.makes[made.Table]
		if p.made == nil {
			p.made = map[string]map[record.ID]*record.Image{}
		}
		if p.made[to.To] == nil {
			p.made[to.To] = map[record.ID]*record.Image{}
		}
		if p.made[to.To][made.ID] != nil {
			continue
		}
		image := &record.Image{Model: to.Model, ID: made.ID, Version: made.Version, JSON: made.Public, Private: made.Private}
		p.made[to.To][made.ID] = image
		for i := range t.steps {
			if t.steps[i].makes == to {
				steps[i].Made++
			}
		}
	}
}

// planRow runs the steps of a table on a record, and counts what they do.
func planRow(t *table, row *store.Row, steps []*wire.StepReport) (failed bool, err error) {
	err = t.migrate(row, func(i int, before, after *record.Raw) {
		r, step := steps[i], t.steps[i]
		r.Records++
		if !sameMembers(before, after) {
			r.Changed++
		}
		if step.Kind == store.Drop && before.Has(step.Field) {
			r.Lost++
		}
	})
	var stepErr *StepError
	if !errors.As(err, &stepErr) {
		return false, err
	}
	r := steps[stepErr.index]
	r.Records++
	if r.Failed++; r.Failed == 1 {
		r.First = fmt.Sprintf("%s/%s: %v", stepErr.Step.Model, stepErr.ID, stepErr.Err)
	}
	return true, nil
}

func sameMembers(a, b *record.Raw) bool {
	if len(a.Members) != len(b.Members) {
		return false
	}
	for name, value := range a.Members {
		if other, found := b.Members[name]; !found || !bytes.Equal(other, value) {
			return false
		}
	}
	return true
}

func misfits(s *record.Survey) wire.ModelMisfits {
	out := wire.ModelMisfits{Model: s.Model.Name, Type: s.Model.Type, Records: s.Records, Broken: s.Broken, Unfit: len(s.Unfit)}
	for _, m := range s.Misfits() {
		f := wire.FieldMisfit{Field: m.Field, Problem: m.Problem, Records: m.Records}
		for _, id := range m.First {
			f.First = append(f.First, string(id))
		}
		out.Fields = append(out.Fields, f)
	}
	return out
}

// uniques finds values that should be unique and are not.
type uniques struct {
	model  *record.Model
	groups [][]*record.Field
	seed   maphash.Seed
	seen   []map[uint64]record.ID
	taken  []string
}

// maxTaken is how many values that are not unique a report names.
const maxTaken = 20

func newUniques(m *record.Model) *uniques {
	u := &uniques{model: m, seed: maphash.MakeSeed()}
	for _, f := range m.Indexes {
		if f.Unique {
			u.groups = append(u.groups, []*record.Field{f})
		}
	}
	for _, g := range m.Groups {
		u.groups = append(u.groups, g.Fields)
	}
	for range u.groups {
		u.seen = append(u.seen, map[uint64]record.ID{})
	}
	return u
}

func (u *uniques) add(image *record.Image) {
	if !image.Fits() {
		return
	}
	for i, fields := range u.groups {
		var key []byte
		names, null := "", false
		for j, f := range fields {
			value := image.Value(f)
			null = null || value.IsNull()
			key = value.AppendKey(key)
			if j > 0 {
				names += "+"
			}
			names += f.Name
		}
		if null {
			continue
		}
		hash := maphash.Bytes(u.seed, key)
		if first, taken := u.seen[i][hash]; !taken {
			u.seen[i][hash] = image.ID
		} else if len(u.taken) < maxTaken {
			u.taken = append(u.taken, fmt.Sprintf("%s of %s is not unique: %s/%s and %[2]s/%[5]s have the same", names, u.model.Name, u.model.Name, first, image.ID))
		}
	}
}

// problem returns why the build must not open the store, in one line for each reason; ""
// if it may.
func problem(r *wire.MigrationReport) string {
	var reasons []string
	for _, m := range r.Pending {
		for _, step := range m.Steps {
			if step.Failed > 0 {
				reasons = append(reasons, fmt.Sprintf("migration %s: %s fails on %d records: %s", m.ID, step.Text, step.Failed, step.First))
			}
		}
	}
	reasons = append(reasons, r.Taken...)
	for _, m := range r.Misfits {
		if m.Unfit > 0 && slices.ContainsFunc(r.Changes, func(c wire.ModelChange) bool { return c.Model == m.Model }) {
			reasons = append(reasons, fmt.Sprintf("%d of %d %s do not fit %s", m.Unfit, m.Records, m.Model, m.Type))
		}
	}
	return strings.Join(append(reasons, r.Lost...), "\n")
}
