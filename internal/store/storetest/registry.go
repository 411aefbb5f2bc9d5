package storetest

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/nodes"
)

var _ nodes.Registry = (*Node)(nil)

// An announced is a node that shares the log, and when it has announced itself last.
type announced struct {
	nodes.Node
	at time.Time
}

// Announce stores a node, and returns those that live.
func (n *Node) Announce(ctx context.Context, node nodes.Node, within time.Duration) ([]nodes.Node, error) {
	if err := n.pass(ctx); err != nil {
		return nil, err
	}
	l := n.log
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.registry = slices.DeleteFunc(l.registry, func(a announced) bool { return now.Sub(a.at) > 10*within && a.ID != node.ID })
	at := slices.IndexFunc(l.registry, func(a announced) bool { return a.ID == node.ID })
	if at < 0 {
		for node.Number = 1; slices.ContainsFunc(l.registry, func(a announced) bool { return a.Number == node.Number }); {
			node.Number++
		}
		at, l.registry = len(l.registry), append(l.registry, announced{})
	} else {
		node.Number = l.registry[at].Number
	}
	l.registry[at] = announced{node, now}
	var live []nodes.Node
	for _, a := range l.registry {
		if now.Sub(a.at) <= within {
			live = append(live, a.Node)
		}
	}
	slices.SortFunc(live, func(a, b nodes.Node) int { return cmp.Compare(a.Number, b.Number) })
	return live, nil
}

// Withdraw removes a node.
func (n *Node) Withdraw(ctx context.Context, id string) error {
	if err := n.pass(ctx); err != nil {
		return err
	}
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	n.log.registry = slices.DeleteFunc(n.log.registry, func(a announced) bool { return a.ID == id })
	return nil
}

// Host returns "": the log is in this process.
func (n *Node) Host() string { return "" }

// ConformRegistry tests what a registry of nodes must be. open returns two ends of a fresh one.
func ConformRegistry(t *testing.T, open func(t *testing.T) (a, b nodes.Registry)) {
	a, b := open(t)
	ctx := t.Context()
	announce := func(r nodes.Registry, node nodes.Node, within time.Duration) []nodes.Node {
		t.Helper()
		live, err := r.Announce(ctx, node, within)
		if err != nil {
			t.Fatal(err)
		}
		return live
	}
	started := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	first := nodes.Node{ID: "first", Build: "b1", Started: started}
	if live := announce(a, first, time.Hour); len(live) != 1 || live[0].Number != 1 || live[0].ID != "first" {
		t.Fatalf("the first node sees %+v", live)
	}
	second := nodes.Node{ID: "second", Address: "127.0.0.1:4000", Started: started, State: nodes.State{Commit: 1 << 60, Crowds: []nodes.Crowd{{User: "ada", All: 70}, {Network: "10.0.0.1", All: 9, Visitors: 4}}}}
	live := announce(b, second, time.Hour)
	if len(live) != 2 || live[0].Number != 1 || live[1].Number != 2 || live[0].Build != "b1" || !live[0].Started.Equal(started) {
		t.Fatalf("the second node sees %+v", live)
	}
	got := live[1]
	if got.ID != "second" || got.Address != second.Address || got.Commit != second.Commit || !slices.Equal(got.Crowds, second.Crowds) {
		t.Fatalf("the second node announced %+v, and sees itself as %+v", second, got)
	}
	first.Address, first.Commit = "127.0.0.1:4001", 7
	if live = announce(a, first, time.Hour); len(live) != 2 || live[0].Number != 1 || live[0].Address != first.Address || live[0].Commit != 7 {
		t.Fatalf("after the first node announced something new it sees %+v", live)
	}
	if live = announce(a, first, time.Hour); len(live) != 2 {
		t.Fatalf("once more: %+v", live)
	}
	if err := b.Withdraw(ctx, "first"); err != nil {
		t.Fatal(err)
	}
	if err := b.Withdraw(ctx, "first"); err != nil {
		t.Fatalf("withdraw a node that is not there: %v", err)
	}
	if live = announce(a, nodes.Node{ID: "third", Started: started}, time.Hour); len(live) != 2 || live[0].ID != "third" || live[0].Number != 1 {
		t.Fatalf("the third node does not have the free number: %+v", live)
	}
	// By a bound that has certainly passed for those that do not announce themselves now, they are dead, and soon gone.
	for deadline := time.Now().Add(time.Minute); ; {
		live = announce(a, nodes.Node{ID: "third", Started: started}, time.Millisecond)
		if len(live) == 1 && live[0].ID == "third" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a node that is silent is never dead: %+v", live)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; {
		announce(a, nodes.Node{ID: "third", Started: started}, time.Millisecond)
		live = announce(b, nodes.Node{ID: "fourth", Started: started}, time.Hour)
		if i := slices.IndexFunc(live, func(n nodes.Node) bool { return n.ID == "fourth" }); live[i].Number == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the number of a dead node is never free: %+v", live)
		}
		if err := b.Withdraw(ctx, "fourth"); err != nil {
			t.Fatal(err)
		}
	}
}
