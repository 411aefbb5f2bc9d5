package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A Task is what tower db asks an application for, in place of serving.
type Task struct {
	Do     string // one of wire.MigrateStatus, …
	Env    string
	Data   string   // path of the store
	Socket string   // of the control server of the application that may run
	Open   *Opening // how this build opens the store

	// Tables brings the tables of a database that nodes share in line with the models, or only
	// says what they need; nil: the records are in a file.
	Tables func(run bool, say func(string)) (*wire.MigrationReport, error)
	// Examine looks for what is wrong or dangerous in that database; nil with Tables.
	Examine func() *wire.MigrationReport

	// Copy copies the data elsewhere; nil: that is not the task.
	Copy func(say func(string)) (*wire.MigrationReport, error)

	lines *json.Encoder
}

// Run does the task. It writes [wire.MigrationLine]s to out.
func (t *Task) Run(ctx context.Context, out io.Writer) error {
	t.lines = json.NewEncoder(out)
	report, err := t.report(ctx)
	var inUse *store.InUseError
	if errors.As(err, &inUse) && t.Copy == nil {
		err = fmt.Errorf("%w; an application that runs with TOWER_CONSOLE=on can go on serving", err)
	}
	if err != nil {
		return t.lines.Encode(wire.MigrationLine{Error: err.Error()})
	}
	report.Env, report.Data = t.Env, t.Data
	return t.lines.Encode(wire.MigrationLine{Report: report})
}

func (t *Task) say(progress string) {
	_ = t.lines.Encode(wire.MigrationLine{Progress: progress}) // the report fails too if nobody reads
}

func (t *Task) report(ctx context.Context) (*wire.MigrationReport, error) {
	if t.Copy != nil {
		return t.Copy(t.say)
	}
	if t.Tables != nil {
		switch t.Do {
		case wire.MigrateStatus, wire.MigratePlan, wire.MigrateRun:
			return t.Tables(t.Do == wire.MigrateRun, t.say)
		case wire.Examine:
			return t.Examine(), nil
		}
		return nil, fmt.Errorf("the records are in a database that nodes share: tower db migrate changes its tables, and --%s is for a file", t.Do)
	}
	remote, err := dial(ctx, t.Socket, t.Data)
	if err != nil {
		return nil, err
	}
	if remote != nil {
		defer remote.Close()
	}
	switch t.Do {
	case wire.MigrateStatus, wire.MigratePlan:
		return t.plan(ctx, remote)
	case wire.MigrateRun, wire.MigrateAccept:
		t.Open.Run, t.Open.Accept, t.Open.Say = true, t.Do == wire.MigrateAccept, t.say
		if remote != nil {
			return t.prepare(ctx, remote)
		}
		return t.run(ctx, t.Data)
	case wire.MigrateRehearse:
		return t.rehearse(ctx, remote)
	}
	return nil, fmt.Errorf("there is no task %q", t.Do)
}

// plan reports what is pending, and changes nothing.
func (t *Task) plan(ctx context.Context, remote *Remote) (report *wire.MigrationReport, err error) {
	if remote != nil {
		report, err = Report(ctx, remote, t.Open.Models, t.Open.Migrations)
		if err == nil {
			report.Running = true
		}
		return report, err
	}
	err = store.Inspect(t.Data, func(s *store.Store) error {
		report, err = Report(ctx, Local(s), t.Open.Models, t.Open.Migrations)
		return err
	})
	return report, err
}

// prepare does what can be done while another process serves.
func (t *Task) prepare(ctx context.Context, remote *Remote) (*wire.MigrationReport, error) {
	report, err := t.plan(ctx, remote)
	if err != nil {
		return nil, err
	}
	if report.Refused = problem(report); report.Refused != "" && !t.Open.Accept {
		return report, nil
	}
	before, err := remote.Remembered(ctx)
	if err != nil {
		return nil, err
	}
	p := PendingOf(before, t.Open.Models, t.Open.Migrations)
	began := time.Now()
	report.Prepared, err = p.Prepare(ctx, remote, t.progress())
	report.Seconds = time.Since(began).Seconds()
	if err == nil {
		err = remote.Approve(store.Approval{Migrations: p.ids(), Accept: t.Open.Accept})
	}
	return report, err
}

// progress returns a function that says, about twice a second, how far it is.
func (t *Task) progress() func(model string, records int) {
	var last time.Time
	return func(model string, records int) {
		if time.Since(last) > 500*time.Millisecond {
			last = time.Now()
			t.say(fmt.Sprintf("%d %s prepared", records, model))
		}
	}
}

// run opens the store at path as this build does, and closes it.
func (t *Task) run(ctx context.Context, path string) (*wire.MigrationReport, error) {
	began := time.Now()
	s, err := store.Open(path, t.Open.Options(ctx))
	var refused *RefusedError
	if errors.As(err, &refused) {
		return &wire.MigrationReport{Refused: refused.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	report := &wire.MigrationReport{Seconds: time.Since(began).Seconds(), Lost: t.Open.Lost}
	for _, m := range t.Open.Done {
		report.Migrated = append(report.Migrated, m.ID)
	}
	for _, c := range t.Open.Changes {
		report.Changes = append(report.Changes, wire.ModelChange{Kind: c.Kind, Model: c.Model, Field: c.Field, Text: c.String()})
	}
	for _, survey := range t.Open.Surveys {
		report.Misfits = append(report.Misfits, misfits(survey))
	}
	return report, nil
}

// rehearse does everything on a copy of the file, and deletes the copy.
func (t *Task) rehearse(ctx context.Context, remote *Remote) (report *wire.MigrationReport, err error) {
	data, err := filepath.Abs(t.Data)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(data), ".rehearsal-")
	if errors.Is(err, os.ErrNotExist) {
		return &wire.MigrationReport{Fresh: true}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("copy the store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "copy.db")
	t.say("copying the data")
	if remote != nil {
		err = remote.copy(path)
	} else {
		err = store.Inspect(t.Data, func(s *store.Store) error { return duplicate(s, path) })
	}
	if err != nil {
		return nil, fmt.Errorf("copy the store: %w", err)
	}
	t.Open.Run, t.Open.Say = true, t.say
	report, err = t.run(ctx, path)
	if err == nil {
		report.Running = remote != nil
	}
	return report, err
}

// duplicate copies a file that no other process has open.
func duplicate(s *store.Store, path string) (err error) {
	if r, err := s.Remembered(); err != nil || r.Fresh {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return s.CopyTo(func(uint64, int64) (io.Writer, error) { return file, nil })
}
