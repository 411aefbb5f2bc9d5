package reactions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

const (
	most        = 100                    // events that one transaction deals with
	ahead       = 10 * most              // events that may wait in memory before the next commit is read
	budget      = 20 * time.Millisecond  // after which a transaction takes no more events
	courtesy    = 300 * time.Millisecond // that a process leaves to the one that was first the last time
	saveEvery   = 1000                   // commits without an event after which the mark moves
	again       = time.Second            // after an error of the store
	longestWait = time.Minute
	closing     = time.Second // for the marks when the engine stops
)

var errMoved = errors.New("another process has moved the mark")

// A runner runs one reaction. It is not safe for concurrent use but where it says so.
type runner struct {
	engine   *Engine
	reaction *Reaction
	id       record.ID // of the mark's record

	feed   *store.Feed // nil: begin again, with the mark
	mark   Mark        // as far as it is known here
	seen   uint64      // the last commit that was read
	queue  []event     // that were read, and are after the mark
	since  time.Time   // when the queue was empty last
	single bool        // the next transaction deals with one event

	lookAt time.Time // when an item is due; zero: none is
	look   bool      // items have changed

	stored atomic.Uint64 // the mark; safe for concurrent use
	ran    atomic.Int64  // calls of the function; safe for concurrent use
}

// run runs the reaction until ctx ends.
func (r *runner) run(ctx context.Context) {
	for ctx.Err() == nil {
		did, err := r.step(ctx)
		if err == nil && !did {
			err = r.wait(ctx)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		r.feed = nil
		if errors.Is(err, errMoved) {
			continue
		}
		if errors.Is(err, store.ErrClosed) {
			return
		}
		r.engine.Log.Error("a reaction cannot go on, and tries again", "reaction", r.reaction.Name, "error", err)
		select {
		case <-time.After(again):
		case <-ctx.Done():
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	if r.feed != nil && len(r.queue) == 0 && r.seen > r.mark.Seq {
		_ = r.save(end) // else the next process reads some commits again
	}
}

// begin reads the mark, and follows the log from there.
func (r *runner) begin(ctx context.Context) error {
	err := r.engine.store.View(ctx, func(snap *store.Snapshot) error {
		image, err := snap.Get(r.engine.Marks.Model, r.id)
		if err != nil {
			return err
		}
		m, err := r.engine.Marks.Of(image)
		r.mark = m.moved(image)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the mark of the reaction %s: %w", r.reaction.Name, err)
	}
	r.feed, r.seen, r.queue, r.look = r.engine.store.Feed(r.mark.Seq), r.mark.Seq, nil, true
	r.keep()
	return nil
}

func (r *runner) keep() {
	r.stored.Store(r.mark.Seq)
	r.engine.hold()
}

// step does one part of what there is to do, and returns false if there is nothing.
func (r *runner) step(ctx context.Context) (bool, error) {
	s := r.engine.store
	if r.feed == nil {
		return true, r.begin(ctx)
	}
	if r.look {
		r.look = false
		return true, r.lookUp(ctx)
	}
	if len(r.queue) < ahead && r.seen < s.Seq() {
		return true, r.next(ctx)
	}
	if r.due() {
		r.look = true
		return true, r.runItems(ctx)
	}
	if len(r.queue) == 0 {
		return false, r.saveSometimes(ctx)
	}
	if r.turn().After(time.Now()) {
		return false, nil
	}
	return true, r.react(ctx)
}

// first reports whether this process need not let another one go first.
func (r *runner) first() bool {
	return !r.engine.store.SharesLog() || r.mark.Node == "" || r.mark.Node == r.engine.node
}

// turn returns when this process deals with the queue, if no other one does.
func (r *runner) turn() time.Time {
	if r.first() {
		return r.since
	}
	return r.since.Add(courtesy)
}

// due reports whether an item is due for this process.
func (r *runner) due() bool {
	if r.lookAt.IsZero() {
		return false
	}
	return !r.itemTurn().After(r.engine.store.Now())
}

func (r *runner) itemTurn() time.Time {
	if r.first() {
		return r.lookAt
	}
	return r.lookAt.Add(courtesy)
}

// wait waits until there may be something to do.
func (r *runner) wait(ctx context.Context) error {
	wait := longestWait
	if !r.lookAt.IsZero() {
		wait = min(wait, max(r.itemTurn().Sub(r.engine.store.Now()), time.Millisecond))
	}
	if len(r.queue) > 0 {
		wait = min(wait, max(time.Until(r.turn()), time.Millisecond))
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := r.next(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// next reads the next commit.
func (r *runner) next(ctx context.Context) error {
	c, err := r.feed.Next(ctx)
	if errors.Is(err, store.ErrExpired) {
		return r.skip(ctx)
	}
	if err != nil {
		return err
	}
	r.take(&c)
	return nil
}

// take notes what a commit does to the scope, to the mark and to items.
func (r *runner) take(c *store.Commit) {
	r.seen = c.Seq
	found := r.reaction.events(c, r.engine.Jobs)
	before := r.engine.store.Before(c.Seq)
	if len(r.queue) == 0 {
		r.since = time.Now()
	}
	for i := range found {
		found[i].before = before
		if !r.mark.passed(&found[i]) {
			r.queue = append(r.queue, found[i])
		}
	}
	for i := range c.Changes {
		switch change := &c.Changes[i]; change.Model {
		case r.engine.Items.Model:
			r.look = true
		case r.engine.Marks.Model:
			if change.ID == r.id && change.After != nil {
				r.follow(change.After)
			}
		}
	}
}

// follow takes over a mark that has been moved.
func (r *runner) follow(image *record.Image) {
	m, err := r.engine.Marks.Of(image)
	if err != nil {
		return // the next transaction fails
	}
	m = m.moved(image)
	if m.Seq < r.mark.Seq || m.Seq == r.mark.Seq && m.Done < r.mark.Done {
		return // this process has moved it further since
	}
	r.mark = m
	r.queue = slices.DeleteFunc(r.queue, func(e event) bool { return m.passed(&e) })
	r.since = time.Now()
	r.keep()
}

// saveSometimes moves the mark if it is far behind what this process has read.
func (r *runner) saveSometimes(ctx context.Context) error {
	behind := r.seen - r.mark.Seq
	gone := behind > 0 && r.engine.store.LogStart() > r.mark.Seq+1
	few := behind < saveEvery || !r.first() && behind < 2*saveEvery
	if few && !gone {
		return nil
	}
	return r.save(ctx)
}

// save moves the mark to what this process has read, without an event in between.
func (r *runner) save(ctx context.Context) error {
	return r.move(ctx, "reactions", func(_ *store.Tx, m *Mark) error {
		m.Seq, m.Done = r.seen, 0
		return nil
	})
}

// move runs fn in a transaction that moves the mark, if no other process has moved it.
func (r *runner) move(ctx context.Context, by string, fn func(*store.Tx, *Mark) error) error {
	var moved Mark
	c, err := r.engine.store.Update(ctx, by, func(tx *store.Tx) error {
		m, image, err := r.engine.Marks.Get(tx, r.id)
		if err != nil {
			return fmt.Errorf("read the mark: %w", err)
		}
		if m = m.moved(image); m.Seq != r.mark.Seq || m.Done != r.mark.Done {
			return errMoved
		}
		m.Node = r.engine.node
		if err := fn(tx, &m); err != nil {
			return err
		}
		moved = m
		return r.engine.Marks.Put(tx, r.id, &m)
	})
	if err != nil {
		return err
	}
	if moved.Seq == 0 {
		moved.Seq = c.Seq
	}
	r.mark = moved
	r.keep()
	return nil
}

// skip goes on with the newest commit, if the log does not have the one after the mark any more.
func (r *runner) skip(ctx context.Context) error {
	expired := r.seen
	if err := r.begin(ctx); err != nil || r.mark.Seq != expired {
		return err
	}
	gap := Gap{After: r.mark.Seq}
	err := r.move(ctx, jobs.ReactionAuthor(r.reaction.Name, 1), func(tx *store.Tx, m *Mark) error {
		gap.Since = m.Updated
		m.Note = fmt.Sprintf("%s: the log had no more all commits after %d, of %s; the reaction went on from the newest one",
			tx.Now().Format(time.RFC3339), gap.After, gap.Since.Format(time.RFC3339))
		m.Seq, m.Done = 0, 0 // the commit of this transaction
		if r.reaction.Gap == nil {
			return nil
		}
		return r.reaction.Gap(r.engine.context(ctx), tx, gap)
	})
	if err != nil {
		return fmt.Errorf("go on after commits that the log does not have: %w", err)
	}
	r.engine.Log.Warn("a reaction has missed commits that the log does not have any more, and goes on from the newest one",
		"reaction", r.reaction.Name, "after", gap.After, "since", gap.Since, "declared", r.reaction.Gap != nil)
	r.feed, r.seen, r.queue = r.engine.store.Feed(r.mark.Seq), r.mark.Seq, nil
	return nil
}
