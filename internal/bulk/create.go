package bulk

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A HalfwayError reports that an import ended after some of its commits, which stay.
type HalfwayError struct {
	Created int // records
	Err     error
}

func (e *HalfwayError) Error() string {
	if e.Created == 0 {
		return e.Err.Error() + "; nothing was imported"
	}
	return fmt.Sprintf("%v; %d records are imported and stay, and the same import goes on after them", e.Err, e.Created)
}

func (e *HalfwayError) Unwrap() error { return e.Err }

// create creates the records of all files.
func (i *importing) create(ctx context.Context) error {
	c := &creation{importing: i}
	for n := range i.result.Files {
		i.result.Files[n] = Count{}
	}
	for _, n := range i.order() {
		c.file = n
		s := i.sources[n]
		if s.changed() {
			return c.ended(fmt.Errorf("%s has changed since it was checked", s.Path))
		}
		var unread error
		err := i.each(ctx, s, func(p Problem) { unread = errors.Join(unread, s.at(p.Line, &p)) }, func(r row) error { return c.add(ctx, r) })
		if err = errors.Join(err, unread); err == nil {
			err = c.commit(ctx)
		}
		if err != nil {
			return c.ended(err)
		}
	}
	return nil
}

// order returns the numbers of the files: those of models that others refer to come first, as
// far as that is possible.
func (i *importing) order() (order []int) {
	visited := map[*record.Model]bool{}
	var visit func(m *record.Model)
	visit = func(m *record.Model) {
		if m == nil || visited[m] {
			return
		}
		visited[m] = true
		for _, f := range m.Fields {
			if f.Ref != "" {
				visit(i.store.Model(f.Ref))
			}
		}
		for n, s := range i.sources {
			if s.model == m {
				order = append(order, n)
			}
		}
	}
	for _, s := range i.sources {
		visit(s.model)
	}
	return order
}

// A creation creates the rows of one file after the other.
type creation struct {
	*importing
	file  int
	batch []row
	size  int
}

func (c *creation) ended(err error) error {
	created := 0
	for _, count := range c.result.Files {
		created += count.Created
	}
	return &HalfwayError{created, err}
}

func (c *creation) add(ctx context.Context, r row) error {
	c.batch = append(c.batch, r)
	for name, value := range r.values {
		c.size += len(name) + len(value)
	}
	if len(c.batch) < batchRows && c.size < batchBytes {
		return nil
	}
	return c.commit(ctx)
}

// commit creates the records of the batch that do not exist.
func (c *creation) commit(ctx context.Context) error {
	s := c.sources[c.file]
	var count Count
	var lines map[record.ID]int
	commit, err := c.store.Update(ctx, c.options.By, func(tx *store.Tx) error {
		count, lines = Count{}, map[record.ID]int{}
		for _, r := range c.batch {
			created, err := c.createRow(tx, s, r, lines)
			switch {
			case err != nil:
				return s.at(r.line, err)
			case created:
				count.Created++
			default:
				count.Kept++
			}
		}
		return nil
	})
	var invalid *record.InvalidError
	if errors.As(err, &invalid) && lines[invalid.ID] > 0 {
		err = s.at(lines[invalid.ID], err)
	}
	if err != nil {
		return err
	}
	c.result.Files[c.file].Created += count.Created
	c.result.Files[c.file].Kept += count.Kept
	c.batch, c.size = c.batch[:0], 0
	if commit.Seq > 0 && c.options.Committed != nil {
		return c.options.Committed(ctx, commit.Seq)
	}
	return nil
}

// createRow creates the record of a row, unless it exists.
func (c *creation) createRow(tx *store.Tx, s *source, r row, lines map[record.ID]int) (bool, error) {
	rec, problems := s.record(r)
	header, err := s.model.Header(rec)
	if err != nil {
		return false, err
	}
	lines[header.ID] = r.line
	found, err := tx.Get(s.model, header.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	if found != nil {
		other, err := s.other(found, rec, r)
		if err == nil && len(other) > 0 {
			problems.Add("id", "is already taken, by a record with another "+strings.Join(other, " and "))
		}
		if err != nil || !problems.Any() {
			return false, err
		}
	}
	if problems.Any() {
		return false, &record.InvalidError{Model: s.model.Name, ID: header.ID, Problems: problems}
	}
	_, err = tx.Import(s.model, rec, func(f *record.Field, _ record.ID) bool { return c.named[c.store.Model(f.Ref)] })
	return true, err
}

// at returns the error of a line, once.
func (s *source) at(line int, err error) error {
	var located *lineError
	if errors.As(err, &located) {
		return err
	}
	return &lineError{fmt.Errorf("line %d of %s: %w", line, s.Path, err)}
}

type lineError struct{ error }

func (e *lineError) Unwrap() error { return e.error }
