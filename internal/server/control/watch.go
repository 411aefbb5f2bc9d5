package control

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/wire"
)

// events sends the application's events until ctx ends: those of this node, and those of the
// others.
func (c *console) events(ctx context.Context, sub *server.Subscription) {
	var watching sync.WaitGroup
	defer watching.Wait()
	if g := c.app.Nodes(); g != nil {
		w := &nodeWatch{console: c, silent: map[string]string{}}
		watching.Go(func() { w.run(ctx, g) })
	}
	skipped := time.NewTicker(server.SkippedEvery)
	defer skipped.Stop()
	defer c.app.Unsubscribe(sub)
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.Wake:
		case <-skipped.C:
		}
		_, self := c.others()
		for _, event := range sub.Take() {
			c.reply(wire.ControlReply{Event: onNode(event, self)})
		}
	}
}

// onNode returns an event of a node, 0 for the only one.
func onNode(event wire.ControlEvent, node int) *wire.ControlEvent {
	if event.Node = node; node != 0 && event.Commit != nil {
		commit := *event.Commit // other consoles have it, too
		commit.Reached = slices.Clone(commit.Reached)
		for i := range commit.Reached {
			commit.Reached[i].Node = node
		}
		event.Commit = &commit
	}
	return &event
}

// A nodeWatch sends the events of other nodes to a console, and which nodes there are.
type nodeWatch struct {
	console *console
	running sync.WaitGroup

	mu     sync.Mutex
	silent map[string]string // why nodes are not seen, by id
	shown  bool              // the console knows that there are several nodes
}

// run watches the nodes as they come, until ctx ends.
func (w *nodeWatch) run(ctx context.Context, g *nodes.Group) {
	defer w.running.Wait()
	watched := map[string]context.CancelFunc{}
	for {
		others, changed := g.Others()
		for id, stop := range watched {
			if !slices.ContainsFunc(others, func(n nodes.Node) bool { return n.ID == id }) {
				stop()
				delete(watched, id)
				w.setSilent(id, "")
			}
		}
		for _, node := range others {
			if watched[node.ID] == nil && node.Address != "" {
				ctx, stop := context.WithCancel(ctx)
				watched[node.ID] = stop
				w.running.Go(func() { w.follow(ctx, g, node) })
			}
		}
		w.show()
		select {
		case <-changed:
		case <-ctx.Done():
			for _, stop := range watched {
				stop()
			}
			return
		}
	}
}

// setSilent notes why a node is not seen, "" if it is, and reports whether that is new.
func (w *nodeWatch) setSilent(id, why string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.silent[id]
	if w.silent[id] = why; why == "" {
		delete(w.silent, id)
	}
	return was != why
}

// show sends which nodes there are, once there have been several.
func (w *nodeWatch) show() {
	w.mu.Lock()
	defer w.mu.Unlock()
	infos := w.console.describeNodes()
	if len(infos) < 2 && !w.shown {
		return
	}
	w.shown = true
	others, _ := w.console.app.Nodes().Others()
	for _, n := range others {
		if i := slices.IndexFunc(infos, func(info wire.NodeInfo) bool { return info.Number == n.Number }); i >= 0 {
			infos[i].Silent = w.silent[n.ID]
		}
	}
	w.console.reply(wire.ControlReply{Event: &wire.ControlEvent{Nodes: &wire.NodesEvent{Nodes: infos}}})
}

// follow sends the events of another node until ctx ends. When the node does not answer, it
// says so, and tries again.
func (w *nodeWatch) follow(ctx context.Context, g *nodes.Group, node nodes.Node) {
	for again := false; ctx.Err() == nil; {
		answered, err := w.listen(ctx, g, node, again)
		again = again || answered
		_ = g.Announce(ctx) // it may have withdrawn, and then ctx ends soon
		if others, _ := g.Others(); ctx.Err() != nil || !slices.ContainsFunc(others, func(n nodes.Node) bool { return n.ID == node.ID }) {
			return
		}
		if w.setSilent(node.ID, describeSilence(node, err)) {
			w.show()
		}
		select {
		case <-time.After(againWait):
		case <-ctx.Done():
		}
	}
}

// listen sends the events of another node until that ends, and reports whether it has answered.
func (w *nodeWatch) listen(ctx context.Context, g *nodes.Group, node nodes.Node, again bool) (answered bool, err error) {
	payload, err := json.Marshal(nodeRequest{wire.ControlRequest{Do: wire.DoWatch}, again})
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(answerWait, func() { cancel(errUnanswered) })
	defer patience.Stop()
	for data, err := range g.Send(ctx, node, aboutConsole, payload) {
		if err != nil {
			return answered, errors.Join(context.Cause(ctx), err)
		}
		if !answered {
			patience.Stop()
			if answered = true; w.setSilent(node.ID, "") {
				w.show()
			}
			continue
		}
		var event wire.ControlEvent
		if err := json.Unmarshal(data, &event); err != nil {
			return answered, err
		}
		w.console.reply(wire.ControlReply{Event: onNode(event, node.Number)})
	}
	return answered, errors.New("it has ended its events")
}
