package reactions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An Event is what a commit does to a record of a query, or a set of such.
type Event uint8

// The events.
const (
	Enter Event = 1 << iota
	Change
	Leave
	all = Enter | Change | Leave
)

var eventNames = [...]string{"enter", "change", "leave"}

// String returns the names of the events, as "enter, leave".
func (e Event) String() string {
	var names []string
	for i, name := range eventNames {
		if e&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func eventOf(name string) Event {
	return Event(1 << max(slices.Index(eventNames[:], name), 0))
}

// net returns the event of a record that was, and is, in a query; 0 if it was and is not.
func net(was, is bool) Event {
	switch {
	case was && is:
		return Change
	case is:
		return Enter
	case was:
		return Leave
	}
	return 0
}

// A Reaction is code that runs when a record enters, changes in or leaves a scope.
type Reaction struct {
	Name     string
	Scope    query.Scope
	On       Event
	Debounce time.Duration // 0: none
	// Handle runs in the transaction that moves the mark. [Of] returns its run.
	Handle func(ctx context.Context, tx *store.Tx, rec any) error
	// Gap runs once, in place of Handle, for commits that the log no longer has. nil: they are
	// skipped.
	Gap func(ctx context.Context, tx *store.Tx, gap Gap) error
}

// A Gap is a part of the log that a reaction has missed.
type Gap struct {
	After uint64    // the last commit that the reaction has dealt with
	Since time.Time // when its record was written last
}

// Check returns an error if the reaction cannot be one.
func (r *Reaction) Check() error {
	if err := jobs.CheckName(r.Name); err != nil {
		return fmt.Errorf("the reaction %w", err)
	}
	err := r.Scope.Check()
	switch {
	case err != nil:
	case r.Scope.Limit != 0 || r.Scope.Offset != 0:
		err = errors.New("its scope has a limit or an offset; what enters and leaves a window follows from other records, so leave that out")
	case r.On == 0 || r.On&^all != 0:
		err = errors.New("it reacts to nothing; combine Enter, Change and Leave")
	case r.Debounce < 0:
		err = fmt.Errorf("it is debounced for %s; set a time that is not negative", r.Debounce)
	case r.Handle == nil:
		err = errors.New("it has no function")
	}
	if err != nil {
		return fmt.Errorf("the reaction %s: %w", r.Name, err)
	}
	return nil
}

// event is a change of a record that concerns a reaction.
type event struct {
	seq    uint64
	before uint64 // the commit before
	number int    // in its commit, from 0
	last   bool   // of its commit
	depth  int    // how many reactions have led to the commit
	kind   Event
	was    bool // the record was in the scope before
	image  *record.Image
}

// events returns what a commit does to the records of the scope, in the order of the commit.
// The scope may be of jobs, which are in a table.
func (r *Reaction) events(c *store.Commit, table *jobs.Table) (found []event) {
	on := r.On
	if r.Debounce > 0 {
		on = all // a later event takes back one that waits
	}
	for i := range c.Changes {
		change := &c.Changes[i]
		if change.Model != r.Scope.Model {
			continue
		}
		was, is := r.has(change.Before), r.has(change.After)
		kind := net(was, is)
		if kind&on == 0 {
			continue
		}
		image := change.After
		if image == nil {
			image = change.Before
		}
		found = append(found, event{seq: c.Seq, number: len(found), depth: max(jobs.Chain(c.By), table.ChainOf(image)), kind: kind, was: was, image: image})
	}
	if n := len(found); n > 0 {
		found[n-1].last = true
	}
	return found
}

func (r *Reaction) has(image *record.Image) bool {
	return image != nil && r.Scope.Where.Match(image)
}

// maxDepth is how many reactions may lead to each other, also by way of jobs.
const maxDepth = 16

// tooDeep is why an event is not handled that too many reactions have led to.
var tooDeep = fmt.Sprintf("%d reactions have caused each other up to this one, or jobs of theirs have, so it was not run: "+
	"look whether reactions feed themselves; retry it to let it go on, or drop it", maxDepth)

// A Run is one call of a reaction's function.
type Run struct {
	Name    string
	Event   Event
	Seq     uint64 // the commit
	Attempt int    // from 1
}

type runKey struct{}

// Of returns the run with a context, nil if there is none.
func Of(ctx context.Context) *Run {
	run, _ := ctx.Value(runKey{}).(*Run)
	return run
}
