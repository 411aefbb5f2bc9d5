package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// check checks all rows of all files, and creates nothing.
func (i *importing) check(ctx context.Context) error {
	for n, s := range i.sources {
		bad := func(p Problem) {
			p.File = n
			i.problem(p)
		}
		err := i.each(ctx, s, bad, func(r row) error { return i.checkRow(ctx, n, r) })
		if err != nil {
			return fmt.Errorf("%s: %w", s.Path, err)
		}
	}
	return i.checkFacts()
}

// checkRow checks one row, as far as it can be checked by itself.
func (i *importing) checkRow(ctx context.Context, file int, r row) error {
	s := i.sources[file]
	rec, problems := s.record(r)
	for name := range r.values {
		if f := s.model.Field(name); f != nil && f.Private && !i.options.Private {
			problems.Add(name, "is private; --private imports it")
		}
	}
	header, err := s.model.Header(rec)
	if err != nil {
		return err
	}
	id := header.ID
	if err := i.facts.add(newFact(exists, file, r.line, 0, "record", s.model.Name, string(id))); err != nil {
		return err
	}
	found, err := i.stored(ctx, s.model, id)
	if err != nil {
		return err
	}
	if found != nil && !problems.Any() {
		other, err := s.other(found, rec, r)
		if err == nil && len(other) > 0 {
			problems.Add("id", "is already taken, by a record with another "+strings.Join(other, " and "))
		} else if err == nil {
			i.result.Files[file].Kept++
			return nil
		}
	}
	if !problems.Any() {
		err = i.checkRecord(ctx, file, r, rec, problems)
	}
	i.problems(file, r.line, problems)
	if !problems.Any() {
		i.result.Files[file].Created++
	}
	return err
}

// record returns the record of a row, and what is wrong with its values.
func (s *source) record(r row) (any, *record.Problems) {
	rec := s.model.New()
	problems := s.model.AssignStored(rec, r.values)
	if header, err := s.model.Header(rec); err == nil && header.ID == "" {
		header.ID = record.ID(s.id(r.line).String())
	}
	return rec, problems
}

// stored returns the record of the store with that id, or nil.
func (i *importing) stored(ctx context.Context, m *record.Model, id record.ID) (found *record.Image, err error) {
	err = i.store.View(ctx, func(snap *store.Snapshot) error {
		found, err = snap.Get(m, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return found, err
}

// other returns the fields of the row that have other values in the store.
func (s *source) other(found *record.Image, rec any, r row) (names []string, err error) {
	image, err := s.model.Freeze(rec, nil)
	var invalid *record.InvalidError
	if errors.As(err, &invalid) {
		return slices.Sorted(maps.Keys(invalid.Problems.Map())), nil
	}
	if err != nil {
		return nil, err
	}
	for _, f := range s.model.Fields {
		if _, named := r.values[f.Name]; named && !found.SameField(image, f) {
			names = append(names, f.Name)
		}
	}
	return names, nil
}

// checkRecord checks a record as its creation does.
func (i *importing) checkRecord(ctx context.Context, file int, r row, rec any, problems *record.Problems) error {
	s := i.sources[file]
	var refs []fact
	image, err := i.store.Begin(i.options.By).Import(s.model, rec, func(f *record.Field, id record.ID) bool {
		to := i.store.Model(f.Ref)
		if i.named[to] {
			refs = append(refs, newFact(refers, file, r.line, slices.Index(s.model.Fields, f), "record", to.Name, string(id)))
		}
		return i.named[to]
	})
	var invalid *record.InvalidError
	if errors.As(err, &invalid) {
		problems.Join(invalid.Problems)
		return nil
	}
	if err != nil {
		return err
	}
	err = i.store.View(ctx, func(snap *store.Snapshot) error {
		keys, err := snap.UniqueKeys(image)
		for n := range keys {
			k := &keys[n]
			if k.Holder != "" {
				k.AddTaken(problems)
				continue
			}
			refs = append(refs, newFact(unique, file, r.line, k.Number, "unique", k.Index, string(k.Key)))
		}
		return err
	})
	for _, one := range refs {
		err = errors.Join(err, i.facts.add(one))
	}
	return err
}

// problems notes the problems of a row.
func (i *importing) problems(file, line int, problems *record.Problems) {
	byField := problems.Map()
	for _, field := range slices.Sorted(maps.Keys(byField)) {
		for _, text := range byField[field] {
			i.problem(Problem{File: file, Line: line, Field: field, Text: text})
		}
	}
}

// checkFacts finds what occurs twice, and references that lead nowhere.
func (i *importing) checkFacts() error {
	var first fact
	return i.facts.each(func(f fact) error {
		same := bytes.Equal(f.about(), first.about())
		if !same {
			first = f
		}
		s := i.sources[f.file()]
		switch {
		case f.kind() == refers && first.kind() != exists:
			i.problem(Problem{File: f.file(), Line: f.line(), Field: s.model.Fields[f.field()].Name, Text: "does not exist, neither in the data nor in the files"})
		case f.kind() == exists && same:
			i.problem(Problem{File: f.file(), Line: f.line(), Field: "id", Text: "is also that of " + i.place(&first)})
		case f.kind() == unique && same:
			i.problem(Problem{File: f.file(), Line: f.line(), Field: s.uniqueName(f.field()), Text: "has the same value in " + i.place(&first)})
		}
		return nil
	})
}

func (i *importing) place(f *fact) string {
	return fmt.Sprintf("line %d of %s", f.line(), i.sources[f.file()].Path)
}

// uniqueName returns the names of the fields of a unique key.
func (s *source) uniqueName(number int) string {
	if fields := len(s.model.Indexes); number >= fields {
		return s.model.Groups[number-fields].Name
	}
	return s.model.Indexes[number].Name
}
