package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Pending is what a store has to go through before a build can use it: migrations, and
// fields that the build knows by another name.
type Pending struct {
	Migrations []Migration
	Renamed    []Step // by the tags of the models, or back to the names of an older build

	models []*record.Model
	tables []*table
	drop   []string
}

// A table is what happens to the records of one model.
type table struct {
	store.Table
	steps []owned
	makes []*table // of the records that are made of these; parallel to Makes
}

// An owned step knows its migration; "" is none.
type owned struct {
	Step
	migration string
	step      int    // its index in the migration, or in Pending.Renamed
	makes     *table // of what it splits off; nil: nothing
}

// Any reports whether there is anything to do.
func (p *Pending) Any() bool { return len(p.Migrations)+len(p.Renamed) > 0 }

// ids returns the ids of the migrations.
func (p *Pending) ids() []string {
	ids := make([]string, len(p.Migrations))
	for i, m := range p.Migrations {
		ids[i] = m.ID
	}
	return ids
}

// approved reports whether all migrations have been approved.
func (p *Pending) approved(r store.Remembered) bool {
	for _, id := range p.ids() {
		if !slices.Contains(r.Approval.Migrations, id) {
			return false
		}
	}
	return true
}

// Check returns an error for migrations without an id, or with that of another.
func Check(all []Migration) error {
	seen := map[string]bool{}
	for _, m := range all {
		switch {
		case m.ID == "":
			return errors.New("a migration has no ID")
		case seen[m.ID]:
			return fmt.Errorf("two migrations have the ID %s", m.ID)
		}
		seen[m.ID] = true
	}
	return nil
}

// PendingOf returns what a store that remembers r has to go through for the models and
// migrations of this build. A migration without steps is still to be written, and is not
// pending.
func PendingOf(r store.Remembered, models []*record.Model, all []Migration) *Pending {
	p := &Pending{models: models}
	for _, m := range all {
		if len(m.Steps) > 0 && !slices.ContainsFunc(r.Done, func(d store.Done) bool { return d.ID == m.ID }) {
			p.Migrations = append(p.Migrations, m)
		}
	}
	if r.Fresh {
		return p
	}
	chains := map[string]*table{}
	var order []*table
	chain := func(model string) *table {
		if chains[model] == nil {
			chains[model] = &table{Table: store.Table{From: model, To: model}}
			order = append(order, chains[model])
		}
		return chains[model]
	}
	after := r
	for _, m := range p.Migrations {
		for i, step := range m.Steps {
			t := chain(step.Model)
			switch step.Kind {
			case store.RenameModel:
				delete(chains, step.Model)
				t.To, chains[step.To] = step.To, t
			case store.DropModel:
				delete(chains, step.Model)
				order = slices.DeleteFunc(order, func(o *table) bool { return o == t })
				p.drop = append(p.drop, t.From)
			case Split:
				made := chain(step.To)
				made.Made = true
				t.steps = append(t.steps, owned{step, m.ID, i, made})
				if !slices.Contains(t.makes, made) {
					t.makes = append(t.makes, made)
				}
			default:
				t.steps = append(t.steps, owned{step, m.ID, i, nil})
			}
			after = after.After(step.Effect)
		}
	}
	for _, m := range models {
		for _, step := range renames(after, r.Done, m) {
			p.Renamed = append(p.Renamed, step)
			t := chain(m.Name)
			t.steps = append(t.steps, owned{step, "", len(p.Renamed) - 1, nil})
		}
	}
	for _, t := range order {
		t.Table = t.Of(p.model(t.To))
	}
	for _, t := range order {
		for i := 0; i < len(t.makes); i++ { // it grows by what is made of what is made
			t.Makes = append(t.Makes, t.makes[i].Table)
			for _, next := range t.makes[i].makes {
				if !slices.Contains(t.makes, next) {
					t.makes = append(t.makes, next)
				}
			}
		}
	}
	p.tables = order
	return p
}

func (p *Pending) model(name string) *record.Model {
	for _, m := range p.models {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// renames returns the steps that give fields of the store the names that the model has for
// them: by its own tags, by those of the build that opened the store last, and by the
// migrations that were done.
func renames(r store.Remembered, done []store.Done, m *record.Model) (steps []Step) {
	was := r.Model(m.Name)
	if was == nil {
		return nil
	}
	for _, f := range m.Fields {
		for _, name := range f.Was {
			if old := was.Field(name); old != nil || r.Names {
				steps = append(steps, renamed(m.Name, name, f.Name))
			}
		}
	}
	for _, old := range was.Fields {
		if old.Gone || m.Field(old.Name) != nil {
			continue
		}
		for _, name := range aliases(old, m.Name, done) {
			if f, known := m.Field(name), was.Field(name); f != nil && (known == nil || known.Gone) && len(f.Was) == 0 {
				steps = append(steps, renamed(m.Name, old.Name, name))
				break
			}
		}
	}
	return steps
}

// renamed returns the step for a field that has two names. A value other than zero under
// the new name counts, and the one under the old name is kept beside it.
func renamed(model, from, to string) Step {
	return Step{Effect: store.Effect{Kind: store.Rename, Model: model, Field: from, To: to}, Apply: func(r *record.Raw) error {
		r.Rename(from, to)
		return nil
	}}
}

// aliases returns the other names that a field has had or got.
func aliases(f record.FieldSchema, model string, done []store.Done) []string {
	names := append([]string{f.Name}, f.Was...)
	for grown := true; grown; {
		grown = false
		add := func(a, b string) {
			if slices.Contains(names, a) && !slices.Contains(names, b) {
				names, grown = append(names, b), true
			}
		}
		for _, d := range done {
			for _, e := range d.Effects {
				if e.Kind == store.Rename && e.Model == model {
					add(e.Field, e.To)
					add(e.To, e.Field)
				}
			}
		}
	}
	return names[1:]
}

// cutover returns what the store takes over once everything is prepared.
func (p *Pending) cutover(key string) *store.Cutover {
	c := &store.Cutover{Key: key, Drop: p.drop}
	for _, t := range p.tables {
		c.Tables = append(c.Tables, t.Table)
	}
	for _, m := range p.Migrations {
		done := store.Done{ID: m.ID}
		for _, step := range m.Steps {
			done.Effects = append(done.Effects, step.Effect)
			c.Effects = append(c.Effects, step.Effect)
		}
		c.Done = append(c.Done, done)
	}
	for _, step := range p.Renamed {
		c.Effects = append(c.Effects, step.Effect)
	}
	return c
}

// source is a hash of the application's source, which tower writes into the programs that it
// builds; "" in others.
var source string

// key names what is prepared: by steps of this source, for what is pending and the models as
// they are. Programs of other sources may have other steps under the same ids.
func (p *Pending) key() (string, error) {
	names := []string{"source " + source}
	if source == "" {
		program, err := programHash()
		if err != nil {
			return "", fmt.Errorf("read the program: %w", err)
		}
		names[0] = "program " + program
	}
	for _, t := range p.tables {
		names = append(names, "\n"+t.From+" "+t.To)
		if t.Model != nil {
			names = append(names, t.Model.Signature(), t.Model.FitSignature(), strings.Join(t.Indexes, " "))
		}
		for _, s := range t.steps {
			names = append(names, s.migration+" "+s.String())
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return hex.EncodeToString(sum[:16]), nil
}

// programHash returns a hash of the running program.
var programHash = sync.OnceValues(func() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
})
