// Package nodes lets the processes of one application know each other: which of them live, and
// what they ask each other.
//
// A [Registry] has a row for each node, which the node renews every few seconds. A node that
// has not done so for [Dead] does not live any more. In the same way nodes share what each
// should know of the others: how far they are, and who has many connections to them.
//
// A message goes from one node to another over HTTP, sealed with the secrets that all nodes
// have. It is delivered at most once, and nobody else can send, read, change or repeat one.
// Nodes listen at an address of their own for that, and not where browsers reach the
// application, so that no browser, proxy or certificate is concerned.
package nodes

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Dead is the time after which a node that has not announced itself is taken for dead.
const Dead = 10 * time.Second

// every is the time between two announcements.
const every = 2 * time.Second

// A Node is one running process of the application.
type Node struct {
	ID      string    `json:"id"`      // new for each process
	Number  int       `json:"number"`  // from 1, for people: no other node has it while this one lives
	Address string    `json:"address"` // where it takes messages, "host:port"; "": nowhere
	Build   string    `json:"build"`   // its code
	Started time.Time `json:"started"`
	State
}

// A State is what a node tells the others with each announcement.
type State struct {
	Commit uint64  `json:"commit"` // the newest that all its connections have received
	Crowds []Crowd `json:"crowds,omitempty"`
}

// A Crowd is a client with many connections to a node.
type Crowd struct {
	User     string `json:"user,omitempty"`
	Network  string `json:"network,omitempty"` // the address, in place of the user
	All      int    `json:"all"`
	Visitors int    `json:"visitors,omitempty"` // of an address
}

// A Registry knows the nodes of an application. It is safe for concurrent use.
type Registry interface {
	// Announce stores what a node is now, and returns the nodes that have announced themselves
	// within the time, this one among them, in the order of their numbers. A node that is not
	// known yet gets the smallest number that no other has. What is older than ten times that
	// is removed, and its number is free.
	Announce(ctx context.Context, node Node, within time.Duration) ([]Node, error)
	// Withdraw removes a node.
	Withdraw(ctx context.Context, id string) error
	// Host returns the host of the registry, "" for this machine.
	Host() string
}

// Options describe a node to its [Group].
type Options struct {
	Registry Registry
	Secrets  []string // that all nodes have: the first seals, and each opens
	Address  string   // to listen at, "host" or "host:port"; "": where it reaches the registry
	Build    string
	State    func() State // called for each announcement; nil: there is none
	Heard    func([]Node) // called after each with the other nodes that live; nil: nobody
	Log      *slog.Logger
}

// A Group is the nodes of an application, as one of them knows it. It is safe for concurrent
// use.
type Group struct {
	options Options
	client  *http.Client
	changed chan struct{} // asks for an announcement
	box     inbox

	announcing sync.Mutex // held while the registry is told of this node

	mu     sync.Mutex
	self   Node
	others []Node
	next   chan struct{} // closed when the others change
	err    error         // of the last announcement
	sent   uint64        // messages

	server  *http.Server
	closed  bool
	serving sync.WaitGroup
}

// Join announces a new node. Call Run to keep it announced, and Close in the end.
func Join(ctx context.Context, o Options) (*Group, error) {
	g := &Group{options: o, changed: make(chan struct{}, 1), next: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: dialTime}).DialContext, DisableKeepAlives: true}}, // a connection may break while it is idle
		self:   Node{ID: rand.Text(), Build: o.Build, Started: time.Now().UTC()}}
	if err := g.Announce(ctx); err != nil {
		return nil, fmt.Errorf("announce this node: %w", err)
	}
	return g, nil
}

// Run announces the node every few seconds until ctx ends.
func (g *Group) Run(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-g.changed:
		case <-ctx.Done():
			return
		}
		before := g.Err()
		if err := g.Announce(ctx); err != nil && before == nil && ctx.Err() == nil {
			g.options.Log.Warn("this node is not known to the others", "error", err)
		}
	}
}

// Announce announces the node now, and learns of the others. It does nothing after Close.
func (g *Group) Announce(ctx context.Context) error {
	g.announcing.Lock()
	defer g.announcing.Unlock()
	g.mu.Lock()
	self, closed := g.self, g.closed
	g.mu.Unlock()
	if closed {
		return nil
	}
	if g.options.State != nil {
		self.State = g.options.State()
	}
	ctx, cancel := context.WithTimeout(ctx, Dead)
	defer cancel()
	live, err := g.options.Registry.Announce(ctx, self, Dead)
	if err = g.learn(self, live, err); err == nil && g.options.Heard != nil {
		others, _ := g.Others()
		g.options.Heard(others)
	}
	return err
}

// learn takes in what the registry has answered to an announcement.
func (g *Group) learn(self Node, live []Node, err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err = err; err != nil {
		return err
	}
	mine := slices.IndexFunc(live, func(n Node) bool { return n.ID == self.ID })
	if mine < 0 {
		g.err = errors.New("the registry does not have this node")
		return g.err
	}
	g.self.Number, g.self.State = live[mine].Number, self.State
	before := g.others
	g.others = slices.Delete(live, mine, mine+1)
	slices.SortFunc(g.others, func(a, b Node) int { return cmp.Compare(a.Number, b.Number) })
	if !slices.EqualFunc(before, g.others, func(a, b Node) bool { return a.ID == b.ID && a.Address == b.Address }) {
		close(g.next)
		g.next = make(chan struct{})
	}
	return nil
}

// Err returns why the node could not announce itself when it tried last, nil if it could.
func (g *Group) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Self returns this node.
func (g *Group) Self() Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.self
}

// Others returns the other nodes that live, in the order of their numbers, and a channel that
// is closed when there are others, or one has another address. While the registry does not
// answer they are those that it named last.
func (g *Group) Others() ([]Node, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.others), g.next
}

// Close withdraws the node, so that the others know that it has gone, stops to listen, and
// waits until messages that arrived have been handled: their contexts end.
func (g *Group) Close() {
	g.announcing.Lock()
	defer g.announcing.Unlock()
	g.mu.Lock()
	again := g.closed
	g.closed = true
	server, self := g.server, g.self.ID
	g.mu.Unlock()
	if !again {
		ctx, cancel := context.WithTimeout(context.Background(), every)
		defer cancel()
		_ = g.options.Registry.Withdraw(ctx, self) // it is taken for dead otherwise
	}
	if server != nil {
		_ = server.Close()
	}
	g.serving.Wait()
}

// begin counts a message that is handled. It reports false once the group is closed.
func (g *Group) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.serving.Add(1)
	}
	return !g.closed
}
