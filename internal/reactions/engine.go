package reactions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

// Config describes the reactions of an application.
type Config struct {
	Marks *typed.Table[Mark]
	Items *Items
	All   []*Reaction
	Jobs  *jobs.Table
	Run   bool // this process runs them
	Log   *slog.Logger

	// Context adds to the context of what runs; nil: nothing.
	Context func(context.Context) context.Context
}

func (c *Config) context(ctx context.Context) context.Context {
	if c.Context == nil {
		return ctx
	}
	return c.Context(ctx)
}

// Check returns an error if a reaction cannot be one, or if two have one name.
func (c *Config) Check() error {
	seen := map[string]bool{}
	for _, r := range c.All {
		if err := r.Check(); err != nil {
			return err
		}
		if m := r.Scope.Model; m == c.Marks.Model || m == c.Items.Model {
			return fmt.Errorf("the reaction %s: its scope is of the records of reactions, so it would never end", r.Name)
		}
		if seen[r.Name] {
			return fmt.Errorf("there are two reactions %s", r.Name)
		}
		seen[r.Name] = true
	}
	return nil
}

// An Engine runs the reactions of an application in one process. It is safe for concurrent use.
type Engine struct {
	Config
	store   *store.Store
	node    string // names the process
	runners []*runner
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New returns an engine for the reactions to what is written to a store.
func New(s *store.Store, c Config) *Engine {
	return &Engine{Config: c, store: s, node: string(record.NewID())}
}

// Start gives new reactions their marks, and runs all until Close, if this process does.
func (e *Engine) Start(ctx context.Context) error {
	_, err := e.store.Update(ctx, "reactions", func(tx *store.Tx) error {
		e.runners = nil
		for _, r := range e.All {
			id, err := e.adopt(tx, r)
			if err != nil {
				return fmt.Errorf("the reaction %s: %w", r.Name, err)
			}
			e.runners = append(e.runners, &runner{engine: e, reaction: r, id: id})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range e.runners {
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	if !e.Run {
		return nil
	}
	running, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	for _, r := range e.runners {
		e.running.Go(func() { r.run(running) })
	}
	return nil
}

// adopt returns the id of a reaction's record, which it makes as the reaction is declared now.
// A new one begins with the commit that makes it.
func (e *Engine) adopt(tx *store.Tx, r *Reaction) (id record.ID, err error) {
	var found *Mark
	err = tx.View(context.Background(), func(snap *store.Snapshot) error {
		return e.Marks.Scan(snap, e.Marks.Between("name", r.Name, r.Name+"\x00"), func(m Mark) bool {
			found = &m
			return false
		})
	})
	if err != nil {
		return "", err
	}
	if found == nil {
		image, err := e.Marks.Create(tx, &Mark{Name: r.Name, Scope: r.Scope.String(), On: r.On.String()})
		if err != nil {
			return "", err
		}
		return image.ID, nil
	}
	if found.Scope != r.Scope.String() || found.On != r.On.String() {
		m, image, err := e.Marks.Get(tx, found.ID)
		if err != nil {
			return "", err
		}
		m = m.moved(image)
		m.Scope, m.On = r.Scope.String(), r.On.String()
		return m.ID, e.Marks.Put(tx, m.ID, &m)
	}
	return found.ID, nil
}

// Close stops the reactions. A nil Engine does nothing.
func (e *Engine) Close() {
	if e == nil || e.cancel == nil {
		return
	}
	e.cancel()
	e.running.Wait()
}

// hold has the log kept from the least mark on.
func (e *Engine) hold() {
	least := uint64(math.MaxUint64)
	for _, r := range e.runners {
		least = min(least, r.stored.Load())
	}
	e.store.Hold(least)
}

// RunDue runs what is due, until nothing is. It returns how many calls of functions that were.
func (e *Engine) RunDue(ctx context.Context) (ran int, err error) {
	if e.cancel != nil {
		return 0, errors.New("they run by themselves, as TOWER_WORKERS is not 0")
	}
	for more := true; more; {
		more = false
		for _, r := range e.runners {
			before := r.ran.Load()
			for did := true; did && err == nil; {
				did, err = r.step(ctx)
			}
			if err != nil && !errors.Is(err, errMoved) {
				return ran, fmt.Errorf("the reaction %s: %w", r.reaction.Name, err)
			}
			err = nil
			ran += int(r.ran.Load() - before)
			more = more || r.ran.Load() > before
		}
	}
	return ran, nil
}
