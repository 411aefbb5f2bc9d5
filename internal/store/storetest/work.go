package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Worker is a store that shares a log, with which a test of failures works. It may be in a
// process of its own.
type Worker struct {
	*store.Store
	accounts *record.Model
}

// OpenWorker opens a store for work.
func OpenWorker(path string, log store.Log) (*Worker, error) {
	accounts, err := record.NewModel("accounts", &account{})
	if err != nil {
		return nil, err
	}
	s, err := store.Open(path, store.Options{Models: []*record.Model{accounts}, Log: log})
	if err != nil {
		return nil, err
	}
	return &Worker{s, accounts}, nil
}

// A State is how far a deed has come.
type State string

// The states. A deed that was begun and not reported since is in doubt too.
const (
	Begun   State = "begun"
	Done    State = "done"     // acknowledged: it must be there
	Refused State = "refused"  // by its checks: it must not be there
	Failed  State = "failed"   // for another reason: it must not be there
	Doubt   State = "in doubt" // it may be there
)

// A Deed is one transaction of a worker. It makes an account whose owner has the deed's name,
// so that it can be found.
type Deed struct {
	Name   string
	Kind   string // the account's group
	Key    string // of a call that takes effect once
	State  State
	Seq    uint64 // of the commit, if it is done
	Answer string // of a call that took effect before, if it is known
	Error  string
	Took   time.Duration
}

// The kinds of deeds.
const (
	adding  = "add"   // to the balance of one account
	taking  = "take"  // of one of a few names, which must be free
	freeing = "free"  // of one of the names
	once    = "once"  // one of a few calls
	ten     = "ten"   // at most that many may be there
	moving  = "move"  // from one balance to another: their sum stays
	names   = "names" // the group of the names that are taken
	hot     = "hot"   // the owner of the account that all add to

	someNames = 12
	someCalls = 40
	someMoney = 4 // accounts that it is moved between
	patience  = 5 * time.Minute
)

// Prepare makes the accounts that workers share. One worker does it first.
func (w *Worker) Prepare(ctx context.Context) error {
	_, err := w.Update(ctx, "test", func(tx *store.Tx) error {
		_, err := tx.Create(w.accounts, &account{Owner: hot, Group: hot})
		for i := range someMoney {
			_, more := tx.Create(w.accounts, &account{Owner: purse(i), Group: "purse", Balance: 100})
			err = errors.Join(err, more)
		}
		return err
	})
	return err
}

func purse(i int) string { return fmt.Sprint("purse", i) }

// Work does random deeds, several at a time, until the context ends. It reports each deed
// when it begins, and when it has come to an end. Names are those of no other work.
func (w *Worker) Work(ctx context.Context, name string, seed uint64, atOnce int, report func(Deed)) {
	var all sync.WaitGroup
	for i := range atOnce {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				w.do(&Deed{Name: fmt.Sprint(name, "-", i, "-", n)}, random, report)
			}
		})
	}
	all.Wait()
}

func (w *Worker) do(d *Deed, random *rand.Rand, report func(Deed)) {
	d.Kind = []string{adding, taking, freeing, once, ten, moving}[random.IntN(6)]
	a, b := random.IntN(someNames), random.IntN(someMoney)
	var attempt *store.Attempt
	if d.Kind == once {
		d.Key = callKey(random.IntN(someCalls))
		attempt, _ = store.NewAttempt("user", record.ID(d.Key)) // the key is one
	}
	d.State = Begun
	report(*d)
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := w.Update(ctx, "test", func(tx *store.Tx) error {
		if attempt != nil {
			tx.SetAttempt(attempt)
		}
		if _, err := tx.Create(w.accounts, &account{Owner: d.Name, Group: d.Kind, Secret: "of " + d.Name}); err != nil {
			return err
		}
		return w.effect(ctx, tx, d, a, b)
	})
	d.Took = time.Since(begun)
	d.end(c, err)
	switch {
	case d.State == Done && attempt != nil:
		w.SaveAnswer(attempt, []byte(d.Name))
	case d.State == Done && w.Seq() < c.Seq && w.Following() == nil:
		d.State, d.Error = Failed, fmt.Sprintf("commit %d was acknowledged when the store had %d", c.Seq, w.Seq())
	case d.Kind == once && d.State == Refused:
		if applied, err := w.Applied(attempt); err == nil && applied != nil {
			d.Answer = string(applied.Answer)
		}
	}
	report(*d)
}

func callKey(i int) string { return fmt.Sprintf("01JDA7Q4Z3M8X2V6K9T5B1C%03d", i) }

var errNothing = errors.New("there is nothing to do")

// effect does what a deed does beside its own account.
func (w *Worker) effect(ctx context.Context, tx *store.Tx, d *Deed, a, b int) error {
	switch d.Kind {
	case adding:
		return w.pay(ctx, tx, hot, 1)
	case taking:
		_, err := tx.Create(w.accounts, &account{Owner: fmt.Sprint("name", a), Group: names})
		return err
	case freeing:
		image, err := w.owned(ctx, tx, fmt.Sprint("name", a))
		if err != nil {
			return err
		}
		return tx.Delete(w.accounts, image.ID)
	case moving:
		return errors.Join(w.pay(ctx, tx, purse(b), -1), w.pay(ctx, tx, purse((b+1)%someMoney), 1))
	case ten:
		count := 0
		group := &store.Bound{Value: record.StringValue(ten)}
		err := tx.View(ctx, func(snap *store.Snapshot) error {
			return snap.Scan(w.accounts, store.Range{Index: w.accounts.Field("group"), Min: group, Max: group}, func(*record.Image) bool {
				count++
				return true
			})
		})
		if err == nil && count > 10 { // its own is among them
			err = errNothing
		}
		return err
	}
	return nil
}

// owned returns the account of an owner.
func (w *Worker) owned(ctx context.Context, tx *store.Tx, owner string) (found *record.Image, err error) {
	is := &store.Bound{Value: record.StringValue(owner)}
	err = tx.View(ctx, func(snap *store.Snapshot) error {
		return snap.Scan(w.accounts, store.Range{Index: w.accounts.Field("owner"), Min: is, Max: is}, func(image *record.Image) bool {
			found = image
			return false
		})
	})
	if err == nil && found == nil {
		err = errNothing
	}
	return found, err
}

func (w *Worker) pay(ctx context.Context, tx *store.Tx, owner string, amount int) error {
	image, err := w.owned(ctx, tx, owner)
	if err != nil {
		return err
	}
	_, err = tx.Update(w.accounts, image.ID, func(v any) error { v.(*account).Balance += amount; return nil })
	return err
}

// end says what has become of the deed.
func (d *Deed) end(c store.Commit, err error) {
	var invalid *record.InvalidError
	var applied *store.AppliedError
	if err != nil {
		d.Error = err.Error()
	}
	switch {
	case err == nil:
		d.State, d.Seq = Done, c.Seq
	case errors.As(err, &invalid), errors.As(err, &applied), errors.Is(err, store.ErrConflict), errors.Is(err, errNothing), errors.Is(err, store.ErrNotFound):
		d.State = Refused
	case errors.Is(err, store.ErrUnknown), errors.Is(err, store.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		d.State = Doubt
	default:
		d.State = Failed
	}
}
