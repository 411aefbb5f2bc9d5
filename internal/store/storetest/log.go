// Package storetest has a log in memory, which the stores of a test share.
package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/lineage"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Log is a history of commits in memory. Each store that shares it has a [Node] of its
// own. It is safe for concurrent use.
type Log struct {
	// Keep is how many commits the log keeps; 0 keeps all. Set it before the first node.
	Keep int
	// Fail is called at each point of any node, and may fail it. Set it before the
	// first node; nil fails nothing.
	Fail func(Point) error

	epoch string
	turn  chan struct{} // holds a value while a node has the turn

	mu      sync.Mutex
	seq     uint64
	forked  bool          // the next commit begins a lineage
	entries []store.Entry // the newest ones
	changes [][]undo      // of each entry
	rows    map[string]map[record.ID]store.Row
	calls   map[string][]byte
	secrets map[string]string
	inbox   []foreign // what other programs have written, and what has no number
	nodes   []*Node

	registry []announced // of nodes
}

// A Point is a moment of a turn, or of another call.
type Point string

// The points.
const (
	BeforeTurn     Point = "before the turn"
	BeforeAppend   Point = "before the append"
	AfterAppend    Point = "after the append"
	BeforeSnapshot Point = "before the snapshot"
)

// NewLog returns an empty log.
func NewLog() *Log {
	return &Log{epoch: string(record.NewID()), turn: make(chan struct{}, 1), rows: map[string]map[record.ID]store.Row{}, calls: map[string][]byte{}, secrets: map[string]string{}}
}

// Node returns the log for one store.
func (l *Log) Node() *Node {
	n := &Node{log: l, wake: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes = append(l.nodes, n)
	return n
}

// A Node is a store's end of the log.
type Node struct {
	log  *Log
	wake chan struct{}

	mu      sync.Mutex
	away    error
	stalled chan struct{} // closed when calls go on; nil: they do
}

// Close does nothing. The log stays.
func (n *Node) Close() {}

// Log returns the log that the node is an end of.
func (n *Node) Log() *Log { return n.log }

// Away lets all calls of the node fail with an error, until it is nil.
func (n *Node) Away(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = err
}

// Stall lets all calls of the node wait, until resume is called or their context ends.
func (n *Node) Stall() (resume func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	stalled := make(chan struct{})
	n.stalled = stalled
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.stalled = nil
		close(stalled)
	})
}

// pass returns an error if the node cannot reach the log.
func (n *Node) pass(ctx context.Context) error {
	n.mu.Lock()
	away, stalled := n.away, n.stalled
	n.mu.Unlock()
	if away != nil || stalled == nil {
		return away
	}
	select {
	case <-stalled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var _ store.Log = (*Node)(nil)

// Begin returns the epoch.
func (n *Node) Begin(ctx context.Context, _ []*record.Model) (string, error) {
	return n.log.epoch, n.pass(ctx)
}

// Wake receives a value when another node has appended something.
func (n *Node) Wake() <-chan struct{} { return n.wake }

// Tail returns the commits after a position.
func (n *Node) Tail(ctx context.Context, at store.Position) ([]store.Entry, error) {
	if err := n.pass(ctx); err != nil {
		return nil, err
	}
	l := n.log
	l.mu.Lock()
	defer l.mu.Unlock()
	i, has := slices.BinarySearchFunc(l.entries, at.Seq, func(e store.Entry, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	switch {
	case has && at.Tag != 0 && l.entries[i].Tag != at.Tag:
		return nil, store.ErrSetBack
	case has:
		return slices.Clone(l.entries[i+1:]), nil
	case i > 0:
		return nil, &store.LostError{Fork: l.entries[i-1].Seq}
	case len(l.entries) == 0 && at.Seq > 0:
		return nil, &store.LostError{}
	case len(l.entries) > 0 && l.entries[0].After != at.Seq:
		if l.entries[0].After == 0 {
			return nil, &store.LostError{}
		}
		return nil, store.ErrExpired
	}
	return slices.Clone(l.entries), nil
}

// Turn waits for the turn.
func (n *Node) Turn(ctx context.Context, at store.Position) (store.Turn, []store.Entry, error) {
	if err := n.pass(ctx); err != nil {
		return nil, nil, err
	}
	if err := n.log.fail(BeforeTurn); err != nil {
		return nil, nil, err
	}
	select {
	case n.log.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	t := &turn{node: n}
	tail, err := n.Tail(ctx, at)
	t.foreign = n.log.waiting()
	if err != nil {
		t.End()
		return nil, nil, err
	}
	return t, tail, nil
}

// Answer returns what is stored with a key.
func (n *Node) Answer(ctx context.Context, key string) ([]byte, error) {
	if err := n.pass(ctx); err != nil {
		return nil, err
	}
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	return n.log.calls[key], nil
}

// Secret returns a secret, which is fresh for whoever asks first.
func (n *Node) Secret(ctx context.Context, name, fresh string) (string, error) {
	if err := n.pass(ctx); err != nil {
		return "", err
	}
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	if n.log.secrets[name] == "" {
		n.log.secrets[name] = fresh
	}
	return n.log.secrets[name], nil
}

// numbered returns the records as of the newest commit.
func (l *Log) numbered() map[string]map[record.ID]store.Row {
	all := map[string]map[record.ID]store.Row{}
	for model, rows := range l.rows {
		all[model] = maps.Clone(rows)
	}
	for _, f := range slices.Backward(l.inbox) {
		if f.gone != nil {
			all[f.key.Model.Name][f.key.ID] = *f.gone
		} else {
			delete(all[f.key.Model.Name], f.key.ID)
		}
	}
	return all
}

// Snapshot calls fn with all records, two of them at a time.
func (n *Node) Snapshot(ctx context.Context, fn func(model string, rows []store.Row) error) (seq, start uint64, err error) {
	if err := n.pass(ctx); err != nil {
		return 0, 0, err
	}
	if err := n.log.fail(BeforeSnapshot); err != nil {
		return 0, 0, err
	}
	n.log.mu.Lock()
	seq, start = n.log.seq, n.log.seq+1
	if len(n.log.entries) > 0 {
		start = n.log.entries[0].After + 1
	}
	all := map[string][]store.Row{}
	for model, rows := range n.log.numbered() {
		all[model] = slices.Collect(maps.Values(rows))
	}
	n.log.mu.Unlock()
	for model, rows := range all {
		slices.SortFunc(rows, func(a, b store.Row) int { return cmp.Compare(a.ID, b.ID) })
		for part := range slices.Chunk(rows, 2) {
			if err := fn(model, part); err != nil {
				return 0, 0, err
			}
		}
	}
	return seq, start, nil
}

func (l *Log) fail(p Point) error {
	if l.Fail == nil {
		return nil
	}
	return l.Fail(p)
}

type turn struct {
	node    *Node
	foreign []foreign
	ended   bool
}

// Next returns the number of the next commit.
func (t *turn) Next() uint64 {
	l := t.node.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forked {
		return lineage.First(l.seq, time.Now())
	}
	return l.seq + 1
}

// Lose loses the newest commits, as a server does that takes over and lacks them. Another
// lineage begins.
func (l *Log) Lose(count int) {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forked = true
	for ; count > 0; count-- {
		last := len(l.entries) - 1
		for _, u := range slices.Backward(l.changes[last]) {
			u()
		}
		l.seq, l.entries, l.changes = l.entries[last].After, l.entries[:last:last], l.changes[:last]
	}
}

// End gives the turn to another node.
func (t *turn) End() {
	if !t.ended {
		t.ended = true
		<-t.node.log.turn
	}
}

// Append adds commits to the log.
func (t *turn) Append(_ context.Context, commits []store.Appended, calls []store.Call) error {
	if t.ended {
		return errors.New("the turn has ended")
	}
	defer t.End()
	l := t.node.log
	t.node.mu.Lock()
	away := t.node.away
	t.node.mu.Unlock()
	if away != nil {
		return store.ErrMoved
	}
	if err := l.fail(BeforeAppend); err != nil {
		return err
	}
	if !l.append(t.node, commits, calls, t.foreign) {
		return store.ErrMoved
	}
	return l.fail(AfterAppend)
}

// tell wakes all nodes but one. The caller holds the lock.
func (l *Log) tell(but *Node) {
	for _, n := range l.nodes {
		if n == but {
			continue
		}
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}
}

// append adds commits and wakes the other nodes. It returns false, and appends nothing, if
// another program has written a record of the commits and that has no number.
func (l *Log) append(by *Node, commits []store.Appended, calls []store.Call, adopted []foreign) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.overtaken(commits, len(adopted)) {
		return false
	}
	l.inbox = l.inbox[len(adopted):]
	l.forked = l.forked && len(commits) == 0
	for _, c := range commits {
		e := c.Entry
		var undos []undo
		e.Data, e.Key, e.Call = bytes.Clone(e.Data), bytes.Clone(e.Key), bytes.Clone(e.Call)
		l.entries, l.seq = append(l.entries, e), e.Seq
		if len(e.Key) > 0 {
			l.calls[string(e.Key)] = e.Call
			undos = append(undos, func() { delete(l.calls, string(e.Key)) })
		}
		for _, change := range c.Changes {
			if !c.Adopted || change.After != nil && l.left(change) {
				undos = append(undos, l.put(change, e.Seq))
			}
		}
		l.changes = append(l.changes, undos)
	}
	for _, call := range calls {
		l.calls[call.Key] = bytes.Clone(call.Call)
	}
	if drop := len(l.entries) - l.Keep; l.Keep > 0 && drop > 0 {
		l.entries, l.changes = slices.Clone(l.entries[drop:]), slices.Clone(l.changes[drop:])
	}
	l.tell(by)
	return true
}

// An undo takes back a change.
type undo func()

func (l *Log) put(c store.Change, seq uint64) undo {
	rows := l.rows[c.Model.Name]
	if rows == nil {
		rows = map[record.ID]store.Row{}
		l.rows[c.Model.Name] = rows
	}
	before, existed := rows[c.ID]
	back := func() {
		if rows[c.ID] = before; !existed {
			delete(rows, c.ID)
		}
	}
	if c.After == nil {
		delete(rows, c.ID)
		return back
	}
	rows[c.ID] = store.Row{ID: c.ID, Version: seq, Public: bytes.Clone(c.After.JSON), Private: bytes.Clone(c.After.Private)}
	return back
}
