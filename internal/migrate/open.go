package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An Opening is the opening of a store by a build, with what it has to go through.
type Opening struct {
	Models     []*record.Model
	Migrations []Migration
	Run        bool         // run what is pending; otherwise it is an error
	Strict     bool         // refuse to open the store where records would be lost or would not fit
	Accept     bool         // open it although records do not fit
	Say        func(string) // receives progress; nil: nobody
	Shared     bool         // the records are in a database that nodes share

	Done    []Migration // that the opening has run
	Changes []Change    // of the models since the last build
	Surveys []*record.Survey
	Lost    []string // what this build would have of the records, and no longer can
}

// A PendingError reports that a store has to go through migrations first.
type PendingError struct{ Migrations []Migration }

func (e *PendingError) Error() string {
	names := make([]string, len(e.Migrations))
	for i, m := range e.Migrations {
		names[i] = m.ID
	}
	are := "migrations are"
	if len(names) == 1 {
		are = "migration is"
	}
	return fmt.Sprintf("%d %s pending: %s; tower db migrate --plan tells what they do, and tower db migrate runs them", len(names), are, strings.Join(names, ", "))
}

// A RefusedError reports that a build must not open a store: records would not fit, or
// what it reads is lost.
type RefusedError struct{ Reasons []string }

func (e *RefusedError) Error() string {
	return "this build does not fit the data, which is unchanged:\n  " + strings.Join(e.Reasons, "\n  ")
}

// Options returns the options of a store that is opened.
func (o *Opening) Options(ctx context.Context) store.Options {
	return store.Options{
		Models:  o.Models,
		Migrate: func(s *store.Store) (*store.Cutover, error) { return o.migrate(ctx, s) },
		Review:  o.review,
	}
}

// String names what is pending.
func (p *Pending) String() string {
	names := p.ids()
	for _, step := range p.Renamed {
		names = append(names, step.String())
	}
	return strings.Join(names, ", ")
}

func (o *Opening) say(format string, args ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, args...))
	}
}

func (o *Opening) migrate(ctx context.Context, s *store.Store) (*store.Cutover, error) {
	before, err := s.Remembered()
	if err != nil {
		return nil, err
	}
	p := PendingOf(before, o.Models, o.Migrations)
	if !p.Any() {
		return nil, nil
	}
	if before.Fresh {
		return p.cutover(""), nil
	}
	if err := o.prepare(ctx, p, before, Local(s)); err != nil {
		return nil, err
	}
	key, err := p.key()
	if err != nil {
		return nil, err
	}
	o.Done = p.Migrations
	return p.cutover(key), nil
}

// prepare prepares what is pending, if this build may.
func (o *Opening) prepare(ctx context.Context, p *Pending, before store.Remembered, from Source) error {
	if o.Shared {
		return fmt.Errorf("the migrations %s are pending, and change no records of a database that nodes share: change them with SQL, take the migrations out, and remove this node's replica", p)
	}
	if !o.Run && !p.approved(before) {
		return &PendingError{p.Migrations}
	}
	if err := o.lose(before); err != nil {
		return err
	}
	said := false
	_, err := p.Prepare(ctx, from, func(model string, records int) {
		if !said {
			said = true
			o.say("migrating: %s", p)
		}
		o.say("migrating: %d %s", records, model)
	})
	return err
}

// Ahead prepares what is pending while another process still serves the store, so that
// opening it afterwards takes little time. It does nothing if no process that has the file
// at data open answers on the control socket.
func (o *Opening) Ahead(ctx context.Context, socket, data string) error {
	remote, err := dial(ctx, socket, data)
	if err != nil || remote == nil {
		return err
	}
	defer remote.Close()
	before, err := remote.Remembered(ctx)
	if err != nil {
		return err
	}
	p := PendingOf(before, o.Models, o.Migrations)
	if !p.Any() {
		return nil
	}
	return o.prepare(ctx, p, before, remote)
}

// lose notes the fields that the models have lost. It returns an error if the build must not
// start without them.
func (o *Opening) lose(before store.Remembered) error {
	o.Lost = lost(before, o.Models, o.Migrations)
	if len(o.Lost) > 0 && o.Strict && !o.Accept && !before.Approval.Accept {
		return &RefusedError{append(slices.Clone(o.Lost), "deploy the build that has the migration, or restore a backup of before")}
	}
	return nil
}

// lost describes the fields of the models that a migration which is not among all has
// dropped.
func lost(before store.Remembered, models []*record.Model, all []Migration) (lost []string) {
	for _, d := range before.Done {
		if slices.ContainsFunc(all, func(m Migration) bool { return m.ID == d.ID }) {
			continue
		}
		for _, e := range d.Effects {
			for _, m := range models {
				if text := lostBy(e, m, before); text != "" {
					lost = append(lost, fmt.Sprintf("%s, by the migration %s of %s", text, d.ID, d.At.Format("2006-01-02 15:04")))
				}
			}
		}
	}
	return lost
}

func lostBy(e store.Effect, m *record.Model, before store.Remembered) string {
	switch was := before.Model(m.Name); {
	case e.Model != m.Name:
	case e.Kind == store.Drop && m.Field(e.Field) != nil && (was == nil || was.Field(e.Field) == nil):
		return fmt.Sprintf("%s.%s was dropped", m.Name, e.Field)
	case e.Kind == store.DropModel && was == nil:
		return fmt.Sprintf("all %s were dropped", m.Name)
	case e.Kind == store.RenameModel && was == nil:
		return fmt.Sprintf("%s were renamed to %s", m.Name, e.To)
	}
	return ""
}

// A Note is what the developers of an application should know about its models.
type Note struct {
	Title   string   `json:"title"`
	Lines   []string `json:"lines"`             // what has changed
	Misfits []string `json:"misfits,omitempty"` // what does not fit
	Hint    string   `json:"hint,omitempty"`    // what to do
}

// Note returns what the opening has found, nil if that is nothing.
func (o *Opening) Note() *Note {
	n := &Note{Title: "The models have changed"}
	for _, c := range o.Changes {
		n.Lines = append(n.Lines, c.String())
	}
	for _, survey := range o.Surveys {
		n.Misfits = append(n.Misfits, survey.String())
	}
	n.Lines = append(n.Lines, o.Lost...)
	if len(n.Lines)+len(n.Misfits) == 0 {
		return nil
	}
	if s := Suggest(o.Changes); s != nil {
		n.Hint = "tower generate migration writes: " + strings.Join(s.Steps, ", ")
		for _, tag := range s.Tags {
			n.Hint += "; or " + tag
		}
	}
	return n
}

// review reports how the models differ from those before, and which records do not fit them.
func (o *Opening) review(before store.Remembered, surveys []*record.Survey) error {
	if before.Fresh {
		return nil
	}
	if err := o.lose(before); err != nil {
		return err
	}
	p := PendingOf(before, o.Models, o.Migrations)
	for _, step := range p.Renamed {
		o.Changes = append(o.Changes, Change{Kind: Renamed, Model: step.Model, Field: step.To, From: step.Field, To: step.To})
	}
	o.Changes = append(o.Changes, Compare(before.After(p.effects()...), o.Models)...)
	o.Surveys = surveys
	if !o.Strict || o.Accept || before.Approval.Accept {
		return nil
	}
	var reasons []string
	for _, survey := range surveys {
		if len(survey.Unfit) > 0 && slices.ContainsFunc(o.Changes, func(c Change) bool { return c.Model == survey.Model.Name }) {
			reasons = append(reasons, survey.String())
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return &RefusedError{append(reasons, "write a migration with tower generate migration, or accept it with tower db migrate --accept")}
}
