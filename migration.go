package tower

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/database/move"
	"github.com/towerkit/tower/internal/migrate"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/control"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A Migration changes stored records, once. Its steps name models and fields as they are
// stored, by text, so that they mean the same when the structs have changed again.
//
//	var HeadlineOfPosts = tower.Migration{
//		ID: "20261201093000_headline_of_posts",
//		Steps: []tower.Step{
//			tower.Rename("posts", "title", "headline"),
//			tower.Retype("posts", "views", strconv.Atoi),
//		},
//	}
//
// A store goes through the migrations of [Config] that it has not been through, in their
// order. All records are migrated, or none: if a step fails, nothing is changed. While a
// migration prepares the records, an older build may go on serving and changing them.
type Migration struct {
	// ID names the migration in the store. It must not change once it has run anywhere.
	ID    string
	Steps []Step
}

// A Step is one change of a [Migration]. Steps run in order, each on what the one before
// left of a record.
type Step struct{ step migrate.Step }

// String describes the step: "rename posts.title to headline".
func (s Step) String() string { return s.step.String() }

// Rename returns a step that gives a field of a model another name. It fails on a record
// that has a value under both.
//
// A tag does the same without a migration: tower:"was=title".
func Rename(model, from, to string) Step { return Step{migrate.Renames(model, from, to)} }

// Drop returns a step that drops a field of a model with its values. Fields that a struct
// does not name are kept until then.
func Drop(model, field string) Step { return Step{migrate.Drops(model, field)} }

// RenameModel returns a step that moves all records of a model to another model, of which
// there are none.
func RenameModel(from, to string) Step {
	return Step{migrate.Step{Effect: store.Effect{Kind: store.RenameModel, Model: from, To: to}}}
}

// DropModel returns a step that deletes all records of a model. What refers to them stays.
func DropModel(model string) Step {
	return Step{migrate.Step{Effect: store.Effect{Kind: store.DropModel, Model: model}}}
}

// Each returns a step that calls change with each record of a model, for what the other
// steps cannot express, such as a field that is split in two. change may be called again
// for a record that changes while the migration runs, with its new values; it should
// depend on the record alone. An error stops the migration.
//
//	tower.Each("users", func(user *tower.StoredRecord) error {
//		var name string
//		if _, err := user.Get("name", &name); err != nil {
//			return err
//		}
//		first, last, _ := strings.Cut(name, " ")
//		user.Drop("name")
//		return errors.Join(user.Set("first", first), user.Set("last", last))
//	})
func Each(model string, change func(record *StoredRecord) error) Step {
	return Step{migrate.Step{Effect: store.Effect{Kind: migrate.Each, Model: model}, Apply: func(r *record.Raw) error {
		return change(&StoredRecord{r})
	}}}
}

// Split returns a step that makes records of another model, of which there are none, of those of
// a model: it calls split with each record. make returns the record of the model to that has a
// key, as far as split has set it. Its id depends on the key alone, so that records with one key
// refer to one record. Its times are those of the record that split received. If records set
// different values in it, those of the first of them, by id, are kept. See [Each] for what
// split may do.
//
//	tower.Split("posts", "authors", func(post *tower.StoredRecord, make func(key string) *tower.StoredRecord) error {
//		var name string
//		if found, err := post.Get("author", &name); !found {
//			return err
//		}
//		author := make(name)
//		post.Drop("author")
//		return errors.Join(author.Set("name", name), post.Set("authorId", author.ID()))
//	})
func Split(model, to string, split func(record *StoredRecord, make func(key string) *StoredRecord) error) Step {
	return Step{migrate.Step{Effect: store.Effect{Kind: migrate.Split, Model: model, To: to}, Make: func(r *record.Raw, make func(key string) *record.Raw) error {
		return split(&StoredRecord{r}, func(key string) *StoredRecord { return &StoredRecord{make(key)} })
	}}}
}

// Fill returns a step that sets a field in the records of a model that have no value in
// it, or null. See [Each] for what value may do.
func Fill[T any](model, field string, value func(record *StoredRecord) (T, error)) Step {
	return Step{migrate.Step{Effect: store.Effect{Kind: migrate.Fill, Model: model, Field: field}, Apply: func(r *record.Raw) error {
		if r.Has(field) {
			return nil
		}
		stored := &StoredRecord{r}
		v, err := value(stored)
		if err != nil {
			return err
		}
		return stored.Set(field, v)
	}}}
}

// Retype returns a step that converts the values of a field from one type to another.
// Records without a value, and values that are of the new type already and not of the old
// one, stay as they are.
func Retype[From, To any](model, field string, convert func(From) (To, error)) Step {
	return Step{migrate.Step{Effect: store.Effect{Kind: migrate.Retype, Model: model, Field: field}, Apply: func(r *record.Raw) error {
		if !r.Has(field) {
			return nil
		}
		var from From
		if err := json.Unmarshal(r.Members[field], &from); err != nil {
			var to To
			if json.Unmarshal(r.Members[field], &to) == nil {
				return nil
			}
			return fmt.Errorf("%s: %w", field, err)
		}
		to, err := convert(from)
		if err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		return (&StoredRecord{r}).Set(field, to)
	}}}
}

// A StoredRecord is a record as a migration sees it: values by the names under which they
// are stored, including those that no struct names any more. It is valid until the
// function that received it returns.
type StoredRecord struct{ raw *record.Raw }

// ID returns the record's id.
func (r *StoredRecord) ID() ID { return r.raw.ID }

// Has reports whether there is a value other than null under the name.
func (r *StoredRecord) Has(field string) bool { return r.raw.Has(field) }

// Get decodes a value into what into points to, as encoding/json does. It returns false,
// and leaves into as it is, if there is no value, or null.
func (r *StoredRecord) Get(field string, into any) (found bool, err error) {
	if !r.raw.Has(field) {
		return false, nil
	}
	if err := json.Unmarshal(r.raw.Members[field], into); err != nil {
		return false, fmt.Errorf("%s: %w", field, err)
	}
	return true, nil
}

// Set encodes a value as JSON and stores it under the name. The store's own fields, id,
// createdAt and updatedAt, cannot be changed.
func (r *StoredRecord) Set(field string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	r.raw.Members[field] = data
	return nil
}

// Drop removes the value under the name, if there is one.
func (r *StoredRecord) Drop(field string) { delete(r.raw.Members, field) }

// migrate does a task of tower db in place of serving.
func (a *App) migrate(ctx context.Context, do string, out io.Writer) error {
	config := a.app.Config()
	socket, err := control.SocketPath(config.Folder)
	if err != nil {
		return err
	}
	task := &migrate.Task{Do: do, Env: config.Env, Data: config.Data, Socket: socket, Open: a.app.Opening(nil)}
	if verb, to, _ := strings.Cut(do, " "); verb == wire.MigrateCopy {
		task.Copy = func(say func(string)) (*wire.MigrationReport, error) {
			return copyData(ctx, config, task.Open, to, say)
		}
	}
	if config.MigrateLog != nil {
		task.Tables = func(run bool, say func(string)) (*wire.MigrationReport, error) {
			return migrateTables(ctx, config, run, say)
		}
		task.Examine = func() *wire.MigrationReport {
			return &wire.MigrationReport{Found: config.ExamineLog(ctx, config.Models)}
		}
	}
	return task.Run(ctx, out)
}

// migrateTables brings the tables that nodes share in line with the models, or only says what
// they need.
func migrateTables(ctx context.Context, config server.Config, run bool, say func(string)) (*wire.MigrationReport, error) {
	plan, err := config.MigrateLog(ctx, config.Models, run, func(s driver.Statement) {
		first, _, _ := strings.Cut(s.SQL, "\n")
		say(first)
	})
	if err != nil {
		return nil, err
	}
	report := &wire.MigrationReport{Refused: strings.Join(plan.Problems, "\n")}
	for _, s := range plan.Statements {
		report.Tables = append(report.Tables, wire.TableChange{SQL: s.SQL, Says: s.Says})
	}
	return report, nil
}

// copyData copies the data into a database, or from the one that nodes share to a file.
func copyData(ctx context.Context, config server.Config, o *migrate.Opening, to string, say func(string)) (*wire.MigrationReport, error) {
	began := time.Now()
	var compared *driver.Comparison
	var err error
	if config.OpenLog == nil {
		compared, err = move.Into(ctx, o, config.Data, driver.Options{Address: to, Log: config.Log}, say)
	} else {
		compared, err = move.Out(ctx, o, config.OpenLog, to, say)
	}
	if err != nil {
		return nil, err
	}
	return &wire.MigrationReport{Copied: &compared.Comparison, Seconds: time.Since(began).Seconds()}, nil
}

// erasedMigrations returns migrations for the packages within.
func erasedMigrations(all []Migration) []migrate.Migration {
	out := make([]migrate.Migration, len(all))
	for i, m := range all {
		out[i].ID = m.ID
		for _, s := range m.Steps {
			out[i].Steps = append(out[i].Steps, s.step)
		}
	}
	return out
}
