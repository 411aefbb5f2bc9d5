package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// A console sees all nodes of the application: the node that it is attached to asks the others
// for what they have, by the same requests, and for their events. All else is done by this node
// alone, since each has the same records.

const (
	aboutConsole = "console"       // the subject of messages
	answerWait   = 2 * time.Second // for another node to answer
	againWait    = time.Second     // before a node is asked for its events again
)

// A nodeRequest is what one node asks another for a console.
type nodeRequest struct {
	wire.ControlRequest
	Again bool `json:"again,omitempty"` // for events: without the lines of the log before them
}

// others returns the other nodes, and the number of this one, 0 if it is alone.
func (c *console) others() (others []nodes.Node, self int) {
	if g := c.app.Nodes(); g != nil {
		if others, _ = g.Others(); len(others) > 0 {
			self = g.Self().Number
		}
	}
	return others, self
}

// serveNode answers what the console of another node asks for.
func (s *Server) serveNode(ctx context.Context, _ nodes.Node, payload []byte, answer func([]byte) error) error {
	var req nodeRequest
	if err := json.Unmarshal(payload, &req); err != nil {
		return fmt.Errorf("not a request: %w", err)
	}
	c := &console{app: s.app}
	var out any
	var err error
	switch req.Do {
	case wire.DoWatch:
		return c.sendEvents(ctx, req.Again, answer)
	case wire.DoConnections:
		out = c.describeConnections()
	case wire.DoCursors:
		out = c.describeCursors()
	case wire.DoRoutes:
		out = c.describeRoutes(func(*route.Route) bool { return true })
	case wire.DoSessions:
		out, err = c.app.Sessions(record.ID(req.As))
	default:
		return fmt.Errorf("other nodes cannot ask for %q", req.Do)
	}
	if err != nil {
		return err
	}
	data, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return answer(data)
}

// sendEvents answers with the events of this node, until ctx ends. The first answer is empty.
func (c *console) sendEvents(ctx context.Context, again bool, answer func([]byte) error) error {
	sub := c.app.Subscribe()
	defer c.app.Unsubscribe(sub)
	if again {
		sub.Take()
	}
	if err := answer(nil); err != nil {
		return err
	}
	skipped := time.NewTicker(server.SkippedEvery)
	defer skipped.Stop()
	for {
		for _, event := range sub.Take() {
			data, err := json.Marshal(event)
			if err != nil || len(data) > maxAnswer {
				data = []byte(`{"missed":1}`)
			}
			if err := answer(data); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-sub.Wake:
		case <-skipped.C:
		}
	}
}

// ofAll completes what this node has with what the others have: number sets the node of each
// of some values. It notes the nodes that have not answered.
func ofAll[T any](ctx context.Context, c *console, req *wire.ControlRequest, own []T, number func(*T, int)) []T {
	others, self := c.others()
	for i := range own {
		number(&own[i], self)
	}
	for i, data := range c.ask(ctx, others, req) {
		var theirs []T
		if data == nil {
			continue
		}
		if err := json.Unmarshal(data, &theirs); err != nil {
			c.silent = append(c.silent, fmt.Sprintf("node %d: %v", others[i].Number, err))
			continue
		}
		for k := range theirs {
			number(&theirs[k], others[i].Number)
		}
		own = append(own, theirs...)
	}
	return own
}

// ask sends a request to other nodes at once, and returns their answers: nil for those that
// have not answered, which it notes.
func (c *console) ask(ctx context.Context, others []nodes.Node, req *wire.ControlRequest) [][]byte {
	if len(others) == 0 {
		return nil
	}
	payload, err := json.Marshal(nodeRequest{ControlRequest: wire.ControlRequest{Do: req.Do, As: req.As}})
	if err != nil {
		return nil // texts can be encoded
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerWait, errUnanswered)
	defer cancel()
	answers, failed := make([][]byte, len(others)), make([]error, len(others))
	var asking sync.WaitGroup
	for i, node := range others {
		asking.Go(func() {
			for data, err := range c.app.Nodes().Send(ctx, node, aboutConsole, payload) {
				answers[i], failed[i] = data, err
				break
			}
		})
	}
	asking.Wait()
	for i, err := range failed {
		if err != nil {
			c.silent = append(c.silent, describeSilence(others[i], errors.Join(context.Cause(ctx), err)))
		}
	}
	return answers
}

// errUnanswered is why a node is not waited for any longer.
var errUnanswered = errors.New("no answer")

// describeSilence says why a node has not answered.
func describeSilence(node nodes.Node, err error) string {
	var remote nodes.ErrRemote
	switch {
	case errors.Is(err, errUnanswered):
		return fmt.Sprintf("node %d has not answered within %s", node.Number, answerWait)
	case errors.As(err, &remote):
		return fmt.Sprintf("node %d: %s", node.Number, remote)
	}
	return fmt.Sprintf("node %d does not answer: %v", node.Number, err)
}

// mergeSessions returns sessions once, with their connections to all nodes.
func mergeSessions(all []wire.SessionInfo) []wire.SessionInfo {
	merged := []wire.SessionInfo{}
	for _, one := range all {
		i := slices.IndexFunc(merged, func(s wire.SessionInfo) bool { return s.ID == one.ID })
		if i < 0 {
			merged = append(merged, one)
			continue
		}
		merged[i].Connections = append(merged[i].Connections, one.Connections...)
	}
	return merged
}

// addHolders adds the holders of cursors on other nodes to routes. Nodes of another build may
// have others.
func (c *console) addHolders(ctx context.Context, req *wire.ControlRequest, routes []wire.Route) []wire.Route {
	theirs := ofAll(ctx, c, req, nil, func(*wire.Route, int) {})
	for _, route := range theirs {
		i := slices.IndexFunc(routes, func(r wire.Route) bool {
			return r.Kind == route.Kind && r.Name == route.Name && r.Method == route.Method && r.Path == route.Path
		})
		if i >= 0 {
			routes[i].Holders += route.Holders
		}
	}
	return routes
}

// describeNodes lists the nodes by number.
func (c *console) describeNodes() []wire.NodeInfo {
	infos := []wire.NodeInfo{}
	g := c.app.Nodes()
	if g == nil {
		return infos
	}
	others, _ := g.Others()
	self := g.Self()
	self.Commit = c.app.Engine().Seq()
	for _, n := range append(others, self) {
		infos = append(infos, wire.NodeInfo{Number: n.Number, Address: n.Address, Build: n.Build, Started: n.Started, Commit: n.Commit, Here: n.ID == self.ID})
	}
	slices.SortFunc(infos, func(a, b wire.NodeInfo) int { return a.Number - b.Number })
	return infos
}
