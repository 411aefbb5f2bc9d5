package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// The file remembers the models that it was last opened with, and the migrations that it
// has been through, in a bucket of its own. Models and fields that a build no longer has
// stay there, marked as gone, until a migration drops them: their values stay too.

var (
	migrationsBucket = []byte("migrations")
	modelsKey        = []byte("models")
	doneKey          = []byte("done")
	approvalKey      = []byte("approval")
)

// Remembered is what a file states about the models and migrations of the builds that
// have opened it.
type Remembered struct {
	Fresh  bool // no build has opened the file
	Names  bool // the file is of an earlier version, and states the names of fields alone, without those that are gone
	Models []record.Schema
	Done   []Done // in the order in which they were done

	Approval Approval
}

// An Approval is what somebody has allowed the next build that opens the file.
type Approval struct {
	Migrations []string `json:"migrations,omitempty"` // ids of the migrations that it may run
	Accept     bool     `json:"accept,omitempty"`     // it may open the file although records do not fit
}

// Done is a migration that the file has been through.
type Done struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Records int       `json:"records"` // that it went through
	Effects []Effect  `json:"effects"`
}

// An Effect is what one step of a migration does to the records of a model.
type Effect struct {
	Kind  string `json:"kind"` // "rename", "drop", "rename model", "drop model", or another word for a change of values
	Model string `json:"model"`
	Field string `json:"field,omitempty"`
	To    string `json:"to,omitempty"` // the new name
}

// The kinds of effects that change what is remembered.
const (
	Rename      = "rename"
	Drop        = "drop"
	RenameModel = "rename model"
	DropModel   = "drop model"
)

// Model returns the schema of the model with that name, or nil.
func (r *Remembered) Model(name string) *record.Schema {
	for i := range r.Models {
		if r.Models[i].Name == name {
			return &r.Models[i]
		}
	}
	return nil
}

// Remembered returns what the file states about earlier builds, before this one opened it
// while [Options].Migrate runs.
func (s *Store) Remembered() (r Remembered, err error) {
	if s.db.Load() == nil {
		return Remembered{Fresh: true}, nil
	}
	err = s.read(func(btx *bolt.Tx) error {
		r, err = remembered(btx)
		return err
	})
	return r, err
}

func remembered(btx *bolt.Tx) (r Remembered, err error) {
	if btx.Bucket(metaBucket) == nil {
		return Remembered{Fresh: true}, nil
	}
	bucket := btx.Bucket(migrationsBucket)
	if bucket == nil && string(btx.Bucket(metaBucket).Get(replicaKey)) == building {
		return Remembered{Fresh: true}, nil
	}
	if bucket == nil { // a file of an earlier version
		return Remembered{Names: true, Models: signed(btx)}, nil
	}
	for _, part := range [...]struct {
		key  []byte
		into any
	}{{modelsKey, &r.Models}, {doneKey, &r.Done}, {approvalKey, &r.Approval}} {
		if data := bucket.Get(part.key); data != nil && err == nil {
			err = json.Unmarshal(data, part.into)
		}
	}
	if err != nil {
		err = fmt.Errorf("read what the file states about its models: %w: %w", err, errDamaged)
	}
	return r, err
}

// signed returns what the signatures in the file state about its models.
func signed(btx *bolt.Tx) (models []record.Schema) {
	_ = btx.Bucket(schemaBucket).ForEach(func(k, v []byte) error { // fn returns no error
		if name, found := strings.CutPrefix(string(k), recordsPrefix); found {
			models = append(models, record.SchemaOf(name, string(v)))
		}
		return nil
	})
	return models
}

// After returns what the file states once the effects have taken place.
func (r Remembered) After(effects ...Effect) Remembered {
	r.Models = slices.Clone(r.Models)
	for _, e := range effects {
		at := slices.IndexFunc(r.Models, func(m record.Schema) bool { return m.Name == e.Model })
		if at < 0 {
			continue
		}
		switch m := &r.Models[at]; e.Kind {
		case DropModel:
			r.Models = slices.Delete(r.Models, at, at+1)
		case RenameModel:
			m.Name = e.To
		case Rename, Drop:
			m.Fields = slices.Clone(m.Fields)
			from := m.Field(e.Field)
			if e.Kind == Rename && from != nil && m.Field(e.To) == nil {
				from.Name, from.Gone = e.To, false
				continue
			}
			m.Fields = slices.DeleteFunc(m.Fields, func(f record.FieldSchema) bool { return f.Name == e.Field })
		}
	}
	return r
}

// changes returns the number of the last change of models.
func (r Remembered) changes() (last int) {
	for _, m := range r.Models {
		for _, f := range m.Fields {
			last = max(last, f.Since)
		}
	}
	return last
}

// next returns what the file states about its models once this build has opened it.
func (s *Store) next(btx *bolt.Tx, before Remembered) []record.Schema {
	var models []record.Schema
	now := before.changes() + 1
	for _, m := range s.options.Models {
		schema, was := m.Schema(), &record.Schema{}
		if found := before.Model(m.Name); found != nil {
			was = found
		}
		for i := range schema.Fields {
			f := &schema.Fields[i]
			f.Since = now
			if old := was.Field(f.Name); old != nil && !old.Gone {
				f.Since = old.Since
			}
		}
		for _, f := range was.Fields {
			if schema.Field(f.Name) == nil {
				if !f.Gone {
					f.Gone, f.Since = true, now
				}
				schema.Fields = append(schema.Fields, f)
			}
		}
		models = append(models, schema)
	}
	for _, m := range before.Models {
		if s.models[m.Name] == nil && hasRecords(btx, m.Name) {
			m.Gone = true
			models = append(models, m)
		}
	}
	slices.SortFunc(models, func(a, b record.Schema) int { return strings.Compare(a.Name, b.Name) })
	return models
}

func hasRecords(btx *bolt.Tx, model string) bool {
	bucket := btx.Bucket([]byte(recordsPrefix + model))
	if bucket == nil {
		return false
	}
	k, _ := bucket.Cursor().First()
	return k != nil
}

// remembers reports whether the file states what it should about the models.
func (s *Store) remembers(btx *bolt.Tx) bool {
	before, err := remembered(btx)
	if err != nil || btx.Bucket(migrationsBucket) == nil {
		return false
	}
	return equalJSON(before.Models, s.next(btx, before))
}

func equalJSON(a, b any) bool {
	first, err := json.Marshal(a)
	second, err2 := json.Marshal(b)
	return err == nil && err2 == nil && string(first) == string(second)
}

// remember notes the models, and the migrations that c completes.
func (s *Store) remember(btx *bolt.Tx, before Remembered, c *Cutover) error {
	bucket, err := btx.CreateBucketIfNotExists(migrationsBucket)
	if err != nil {
		return err
	}
	done := before.Done
	if c != nil {
		before = before.After(c.Effects...)
		for _, d := range c.Done {
			d.At = s.now()
			done = append(done, d)
		}
	}
	return errors.Join(putJSON(bucket, modelsKey, s.next(btx, before)), putJSON(bucket, doneKey, done), bucket.Delete(approvalKey))
}

func putJSON(bucket *bolt.Bucket, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err == nil {
		err = bucket.Put(key, data)
	}
	return err
}

// Approve notes what the next build that opens the file may do.
func (s *Store) Approve(a Approval) error {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	err := s.update(func(btx *bolt.Tx) error { return putJSON(btx.Bucket(migrationsBucket), approvalKey, a) })
	if err != nil {
		return fmt.Errorf("approve migrations: %w", err)
	}
	return nil
}
