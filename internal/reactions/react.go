package reactions

import (
	"context"
	"errors"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

const (
	longest      = time.Minute // that a function may take
	maxPostponed = 10          // times the time of a debounce that an event waits at most
)

// A failure is a call that has failed.
type failure struct {
	id      record.ID
	event   string
	attempt int
	last    bool
	err     error
}

// react deals with the first events of the queue.
func (r *runner) react(ctx context.Context) error {
	batch := r.batch()
	done, ran, failed, err := r.reactTo(ctx, batch, nil)
	if refused(ctx, err) { // by the commit
		if r.single = done > 1; r.single {
			return nil
		}
		done, ran, failed, err = r.reactTo(ctx, batch[:1], err)
	}
	if err != nil {
		return err
	}
	r.single = false
	r.queue = r.queue[done:]
	r.ran.Add(int64(ran))
	r.log(failed)
	return nil
}

// batch returns events that one transaction may deal with: as many reactions have led to each.
func (r *runner) batch() []event {
	n := 1
	for n < min(most, len(r.queue)) && r.queue[n].depth == r.queue[0].depth && !r.single {
		n++
	}
	return r.queue[:n]
}

// refused reports whether the store does not take what functions have written.
func refused(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil || errors.Is(err, errMoved) {
		return false
	}
	for _, away := range []error{store.ErrAway, store.ErrUnknown, store.ErrClosed, store.ErrNotFound} {
		if errors.Is(err, away) {
			return false
		}
	}
	return true
}

// reactTo deals with events in one transaction. If refused is an error, that is what their
// functions return.
func (r *runner) reactTo(ctx context.Context, batch []event, refused error) (done, ran int, failed []failure, err error) {
	err = r.move(ctx, jobs.ReactionAuthor(r.reaction.Name, batch[0].depth+1), func(tx *store.Tx, m *Mark) error {
		done, ran, failed = 0, 0, nil
		for began := time.Now(); done < len(batch) && (done == 0 || time.Since(began) < budget); done++ {
			e := &batch[done]
			called, err := r.one(ctx, tx, e, refused, &failed)
			if err != nil {
				return err
			}
			if called {
				ran++
			}
			m.pass(e)
		}
		now := tx.Now()
		m.Last = &now
		return nil
	})
	return done, ran, failed, err
}

// one deals with an event: it calls the function, or makes the event wait.
func (r *runner) one(ctx context.Context, tx *store.Tx, e *event, refused error, failed *[]failure) (called bool, err error) {
	items := r.engine.Items
	last, err := items.last(tx, lane(r.reaction.Name, e.image.ID))
	if err != nil {
		return false, err
	}
	it := newItem(r.reaction, e)
	switch {
	case r.reaction.Debounce > 0 && last != nil:
		return false, r.merge(tx, last, e)
	case e.kind&r.reaction.On == 0:
		return false, nil
	case last != nil:
		it.behind()
	case r.reaction.Debounce > 0:
		it.wait(tx.Now().Add(r.reaction.Debounce))
	default:
		if called, err = r.try(ctx, tx, it, e.image, refused, failed); err != nil || it.State == "" {
			return called, err
		}
	}
	_, err = items.Create(tx, it)
	return called, err
}

// merge makes a debounced item that of a later event of its record too.
func (r *runner) merge(tx *store.Tx, it *Item, e *event) error {
	kind := net(it.Was, e.kind != Leave)
	if kind&r.reaction.On == 0 {
		return r.engine.Items.remove(tx, it)
	}
	it.holds(e)
	it.Event, it.Attempt = kind.String(), 0
	until, latest := tx.Now().Add(r.reaction.Debounce), it.Created.Add(maxPostponed*r.reaction.Debounce)
	if latest.Before(until) {
		until = latest
	}
	it.wait(until)
	return r.engine.Items.Put(tx, it.ID, it)
}

// try calls the function on a fork of the transaction. If it fails, the item waits, or has failed
// for the last time; otherwise its state is "". The error is one of the store or of ctx.
func (r *runner) try(ctx context.Context, tx *store.Tx, it *Item, image *record.Image, err error, failed *[]failure) (called bool, _ error) {
	if it.Depth >= maxDepth {
		it.Error = tooDeep
		it.fail()
		*failed = append(*failed, failure{it.Of, it.Event, it.Attempt, true, errors.New(tooDeep)})
		return false, nil
	}
	fork := tx.Fork()
	if err == nil {
		err = r.call(ctx, fork, it, image)
	}
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	if err == nil {
		it.State = ""
		return true, tx.Join(fork)
	}
	tx.JoinReads(fork)
	it.Attempt, it.Error = it.Attempt+1, jobs.Described(err)
	if it.Attempt < maxAttempts {
		it.wait(tx.Now().Add(jobs.Backoff(it.Attempt)))
	} else {
		it.fail()
	}
	*failed = append(*failed, failure{it.Of, it.Event, it.Attempt, it.State == Failed, err})
	return true, nil
}

// call calls the function.
func (r *runner) call(ctx context.Context, tx *store.Tx, it *Item, image *record.Image) error {
	rec, err := image.Copy()
	if err != nil {
		return err
	}
	run := &Run{Name: it.Reaction, Event: eventOf(it.Event), Seq: it.Seq, Attempt: it.Attempt + 1}
	ctx, cancel := context.WithTimeout(context.WithValue(r.engine.context(ctx), runKey{}, run), longest)
	defer cancel()
	return fault.Recover("the reaction "+it.Reaction, func() error { return r.reaction.Handle(ctx, tx, rec) })
}

// lookUp finds out when the next item is due.
func (r *runner) lookUp(ctx context.Context) error {
	all, err := r.waiting(ctx, end(r.reaction.Name+"/w/"), 1)
	r.lookAt = time.Time{}
	if len(all) > 0 {
		r.lookAt = all[0].Due
	}
	return err
}

// waiting returns items up to a slot, in the order in which they are due.
func (r *runner) waiting(ctx context.Context, to string, limit int) (found []Item, err error) {
	err = r.engine.store.View(ctx, func(snap *store.Snapshot) error {
		items := r.engine.Items
		return items.Scan(snap, items.Between("slot", r.reaction.Name+"/w/", to), func(it Item) bool {
			found = append(found, it)
			return len(found) < limit
		})
	})
	return found, err
}

// runItems deals with the first items that are due.
func (r *runner) runItems(ctx context.Context) error {
	limit := most
	if r.single {
		limit = 1
	}
	due, err := r.waiting(ctx, r.reaction.Name+"/w/"+typed.Stamp(r.engine.store.Now())+"0", limit)
	if err != nil || len(due) == 0 {
		return err
	}
	done, ran, failed, err := r.runThese(ctx, due, nil)
	if refused(ctx, err) {
		if r.single = done > 1; r.single {
			return nil
		}
		_, ran, failed, err = r.runThese(ctx, due[:1], err)
	}
	if err != nil {
		return err
	}
	r.single = false
	r.ran.Add(int64(ran))
	r.log(failed)
	return nil
}

// runThese deals with items in one transaction, those that as many reactions have led to as to
// the first.
func (r *runner) runThese(ctx context.Context, due []Item, refused error) (done, ran int, failed []failure, err error) {
	items := r.engine.Items
	_, err = r.engine.store.Update(ctx, jobs.ReactionAuthor(r.reaction.Name, due[0].Depth+1), func(tx *store.Tx) error {
		done, ran, failed = 0, 0, nil
		for began := time.Now(); done < len(due) && (done == 0 || time.Since(began) < budget); done++ {
			it, _, err := items.Get(tx, due[done].ID)
			if errors.Is(err, store.ErrNotFound) || err == nil && (it.Slot != due[done].Slot || it.Depth != due[0].Depth) {
				continue // somebody else has dealt with it, or the next transaction does
			}
			if err != nil {
				return err
			}
			called, err := r.try(ctx, tx, &it, it.image(r.reaction.Scope.Model), refused, &failed)
			if err != nil {
				return err
			}
			if called {
				ran++
			}
			if it.State == "" {
				it.State = Waiting
				err = items.remove(tx, &it)
			} else {
				err = items.Put(tx, it.ID, &it)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return done, ran, failed, err
}

func (r *runner) log(failed []failure) {
	for _, f := range failed {
		attrs := []any{"reaction", r.reaction.Name, "event", f.event, "record", f.id, "attempt", f.attempt, "error", f.err}
		if f.last {
			r.engine.Log.Error("a reaction has failed for the last time, and waits to be retried or dropped", attrs...)
		} else {
			r.engine.Log.Warn("a reaction has failed and will be tried again", attrs...)
		}
	}
}
