package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A File is a file to import.
type File struct {
	Path   string
	Model  string // the name of its records' model
	Format string // NDJSON or CSV
}

// Options say how to import.
type Options struct {
	By      string // the author of the commits
	DryRun  bool   // check the files, and create nothing
	Private bool   // the files may have private fields

	// Committed is called after each commit, and may wait until clients have received it.
	// nil: nothing waits.
	Committed func(ctx context.Context, seq uint64) error
	// Progress is called with how much of the work is done, in bytes; nil: with nothing.
	Progress func(done, total int64)
}

// A Result says what was imported.
type Result struct {
	Files []Count // in the order of the files

	// If there are problems, nothing was imported: the first ones by file and line, and the
	// number of all.
	Problems []Problem
	Found    int
}

// A Count is what came of one file.
type Count struct {
	Created int // or would be, in a dry run
	Kept    int // that the store had already, with the same values
}

// A Problem is why a row cannot be imported.
type Problem struct {
	File  int // its index
	Line  int // from 1; 0: the file as a whole
	Field string
	Text  string // follows the field: "is required"
}

const (
	mostProblems = 100
	mostFiles    = 1000
	mostFacts    = 1 << 17 // in memory
	batchRows    = 500
	batchBytes   = 1 << 20
)

// Import imports files, or returns what is wrong with them. The error of an import that ended
// halfway is a [*HalfwayError].
func Import(ctx context.Context, s *store.Store, files []File, o Options) (Result, error) {
	folder, err := private.Temp("tower-import-*")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(folder)
	i := &importing{store: s, options: o, facts: facts{path: filepath.Join(folder, "facts"), most: mostFacts}, named: map[*record.Model]bool{}}
	i.result.Files = make([]Count, len(files))
	defer i.close()
	if err := i.open(files); err != nil {
		return Result{}, err
	}
	if err := i.check(ctx); err != nil {
		return Result{}, err
	}
	slices.SortStableFunc(i.result.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Text, b.Text))
	})
	if i.result.Found > 0 || o.DryRun {
		return i.result, nil
	}
	return i.result, i.create(ctx)
}

type importing struct {
	store   *store.Store
	options Options
	sources []*source
	named   map[*record.Model]bool // the models of the files
	facts   facts
	result  Result
	done    int64 // bytes that were read
	total   int64
}

func (i *importing) open(files []File) error {
	if len(files) > mostFiles {
		return fmt.Errorf("there are %d files; at most %d can be imported at once", len(files), mostFiles)
	}
	for _, f := range files {
		s := &source{File: f, model: i.store.Model(f.Model)}
		if s.model == nil {
			return fmt.Errorf("there is no model %q", f.Model)
		}
		i.sources = append(i.sources, s)
		i.named[s.model] = true
		if err := s.open(); err != nil {
			return err
		}
		i.total += 2 * s.info.Size()
	}
	if i.options.DryRun {
		i.total /= 2
	}
	return nil
}

func (i *importing) close() {
	for _, s := range i.sources {
		if s.file != nil {
			_ = s.file.Close() // it was only read
		}
	}
	_ = i.facts.close() // its folder is removed
}

func (i *importing) counted(n int) {
	i.done += int64(n)
	if i.options.Progress != nil {
		i.options.Progress(min(i.done, i.total), i.total)
	}
}

// problem notes a problem.
func (i *importing) problem(p Problem) {
	i.result.Found++
	if len(i.result.Problems) < mostProblems {
		i.result.Problems = append(i.result.Problems, p)
	}
}

// each calls fn with the rows of a source, and bad with those that cannot be read.
func (i *importing) each(ctx context.Context, s *source, bad func(Problem), fn func(row) error) error {
	rows, err := s.read(i.counted)
	for err == nil {
		var r row
		if err = ctx.Err(); err != nil {
			break
		}
		if r, err = rows.next(); err == nil {
			err = fn(r)
		}
		var p *Problem
		if errors.As(err, &p) {
			bad(*p)
			err = nil
		}
	}
	var last *fatal
	switch {
	case errors.As(err, &last):
		bad(last.Problem)
		return nil
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}
