package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A transaction is an open transaction of a console. Actions called within it read and
// write it, and may do so from several goroutines.
type transaction struct {
	app    *server.App
	mu     sync.Mutex
	tx     *store.Tx
	parent *transaction // the transaction to commit into; nil: the store
	made   places
}

// view reads the store with the transaction's changes. With untracked, the read cannot
// make the commit fail.
func (t *transaction) view(ctx context.Context, untracked bool, fn func(*store.Snapshot) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if untracked {
		return t.tx.ViewUntracked(ctx, fn)
	}
	return t.tx.View(ctx, fn)
}

// maxForks is the most runs of a function whose fork conflicts with another fork.
const maxForks = 20

// write runs fn on a fork of the transaction and joins the fork if fn succeeds.
func (t *transaction) write(fn func(*store.Tx) error) error {
	for try := 1; ; try++ {
		t.mu.Lock()
		fork := t.tx.Fork()
		t.mu.Unlock()
		if err := fn(fork); err != nil {
			return err
		}
		t.mu.Lock()
		err := t.tx.Join(fork)
		t.mu.Unlock()
		if !errors.Is(err, store.ErrConflict) || try == maxForks {
			return err
		}
	}
}

// A txDB is a transaction as a [server.DB].
type txDB struct {
	*transaction
	untracked bool // reads cannot make the commit fail
}

// View reads the store with the transaction's changes.
func (db txDB) View(ctx context.Context, fn func(*store.Snapshot) error) error {
	return db.view(ctx, db.untracked, fn)
}

// Transaction runs fn on a fork of the transaction and joins it. It runs fn again if
// another fork wrote the same records meanwhile.
func (db txDB) Transaction(_ context.Context, fn func(*server.Tx) error) error {
	return db.write(func(tx *store.Tx) error { return fn(&server.Tx{Tx: tx, App: db.app}) })
}

// requestDB returns the DB that a request reads and writes: the store, an open
// transaction, or the state after a past commit.
func (c *console) requestDB(req *wire.ControlRequest) (server.DB, error) {
	if req.At != nil {
		if req.Tx != 0 {
			return nil, fault.Errorf(fault.BadRequest, "a transaction cannot read the past")
		}
		return c.stateAt(*req.At)
	}
	if req.Tx == 0 {
		return c.app, nil
	}
	t, err := c.openTransaction(req)
	return txDB{t, req.Look}, err
}

// openTransaction returns the open transaction that a request names.
func (c *console) openTransaction(req *wire.ControlRequest) (*transaction, error) {
	t := c.transactions[req.Tx]
	if t == nil {
		return nil, fault.Errorf(fault.NotFound, "there is no open transaction %d", req.Tx)
	}
	return t, nil
}

// stateAt returns the state after a commit, to read.
func (c *console) stateAt(seq uint64) (server.DB, error) {
	st := c.app.Store()
	if newest := st.Seq(); seq > newest {
		return nil, fault.Errorf(fault.NotFound, "commit %d does not exist yet; the newest is %d", seq, newest)
	}
	return server.ReadOnlyDB{Reason: "the past cannot be changed", Read: func(ctx context.Context, fn func(*store.Snapshot) error) error {
		err := st.ViewAt(ctx, seq, fn)
		if errors.Is(err, store.ErrExpired) {
			return fault.Errorf(fault.Expired, "the state after commit %d is no longer known: the log begins with commit %d", seq, st.LogStart())
		}
		return err
	}}, nil
}

// begin opens a transaction, or a nested one in the transaction that the request names,
// and returns its number.
func (c *console) begin(req *wire.ControlRequest) (any, error) {
	made := &transaction{app: c.app}
	if req.Tx == 0 {
		made.tx = c.app.Store().Begin(c.by)
	} else {
		t, err := c.openTransaction(req)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		made.tx, made.parent = t.tx.Fork(), t
	}
	c.lastTx++
	c.transactions[c.lastTx] = made
	return c.lastTx, nil
}

// transaction begins, commits or rolls back a transaction. It stays open if its commit is
// refused for a conflict or an invalid record.
func (c *console) transaction(ctx context.Context, req *wire.ControlRequest) (any, error) {
	if req.Do == wire.DoBegin {
		return c.begin(req)
	}
	t, err := c.openTransaction(req)
	if err != nil {
		return nil, err
	}
	if req.Do == wire.DoRollback {
		delete(c.transactions, req.Tx)
		return nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parent != nil {
		delete(c.transactions, req.Tx)
		return wire.Written{}, t.parent.join(t)
	}
	commit, err := t.tx.Commit(ctx)
	var invalid *record.InvalidError
	switch {
	case errors.Is(err, store.ErrConflict):
		return nil, c.conflict(ctx, t.tx)
	case errors.As(err, &invalid):
		return nil, t.made.name(err)
	}
	delete(c.transactions, req.Tx)
	if err != nil {
		return nil, err
	}
	return written(commit), c.app.Engine().Wait(ctx, commit.Seq)
}

// join adds what a nested transaction has done. The caller holds its lock.
func (t *transaction) join(nested *transaction) error {
	t.add(nested.made)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tx.Join(nested.tx)
}

// conflict returns the error for a transaction whose reads are stale.
func (c *console) conflict(ctx context.Context, tx *store.Tx) error {
	moved, err := c.staleReads(ctx, tx)
	if err != nil {
		return err
	}
	problems := &record.Problems{}
	for _, stale := range moved {
		what := stale.Model
		if stale.ID != "" {
			what = c.app.Store().Model(stale.Model).Type + " " + stale.ID
		}
		problems.Add(what, stale.describe())
	}
	return &fault.Error{Code: fault.Conflict, Message: "the records have changed since they were read", Problems: problems}
}

// A staleRead is a record or query that a transaction read and that has changed since.
type staleRead struct{ wire.StaleRead }

// describe returns what changed it, in words.
func (stale staleRead) describe() string {
	text := map[string]string{"create": "was created", "update": "was updated", "delete": "was deleted", "": "was changed"}[stale.Op]
	if stale.ID == "" {
		text = "a query result was changed"
	}
	if stale.Seq > 0 {
		text += fmt.Sprintf(" by commit %d (%s)", stale.Seq, stale.By)
	}
	if len(stale.Fields) > 0 {
		text += ": " + strings.Join(stale.Fields, ", ")
	}
	return text
}

// staleReads returns what a transaction read and has changed since.
func (c *console) staleReads(ctx context.Context, tx *store.Tx) ([]staleRead, error) {
	found, err := tx.Conflicts(ctx)
	if err != nil {
		return nil, err
	}
	all := []staleRead{}
	for _, f := range found {
		stale := staleRead{wire.StaleRead{Model: f.Model.Name, ID: string(f.ID), Seq: f.Later.Seq, At: f.Later.At, By: f.Later.By}}
		for _, change := range f.Later.Changes {
			if change.Model == f.Model && change.ID == f.ID {
				stale.Op, stale.Fields = change.Op.String(), server.ChangedFields(change)
			}
		}
		all = append(all, stale)
	}
	return all, nil
}

// diff returns the changes of an open transaction, or of a commit.
func (c *console) diff(ctx context.Context, req *wire.ControlRequest) (any, error) {
	var changes []store.Change
	if req.Key != "" {
		commit, err := c.commitAt(ctx, req.Key)
		if err != nil {
			return nil, err
		}
		changes = commit.Changes
	} else {
		t, err := c.openTransaction(req)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		changes = t.tx.Changes()
		t.mu.Unlock()
	}
	diffs := []wire.Diff{}
	for _, change := range changes {
		diff := wire.Diff{Op: change.Op.String(), Model: change.Model.Name, ID: string(change.ID), Fields: server.ChangedFields(change), Label: server.Label(change.After)}
		if change.Before != nil {
			diff.Before = json.RawMessage(change.Before.JSON)
		}
		if change.After != nil {
			diff.After = json.RawMessage(change.After.JSON)
		} else {
			diff.Label = server.Label(change.Before)
		}
		diffs = append(diffs, diff)
	}
	return diffs, nil
}
