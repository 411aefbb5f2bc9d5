package live

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// EventLogCommand is the input line that starts and stops the log of events.
const EventLogCommand = ".live"

// An EventLog prints events in the application as sentences, one to a line, so that a
// screen reader can follow them. It attaches with Dial and prints to Out. Its methods
// must be called from one goroutine; it writes to Out from another one until End
// returns.
type EventLog struct {
	Dial  func(context.Context) (*control.Client, error)
	Out   io.Writer
	write sync.Mutex // serializes writes to Out

	stop    context.CancelFunc // nil while stopped
	running sync.WaitGroup
	users   map[client]string
	nodes   Pane // of the nodes alone
}

// Toggle starts or stops the log and prints its new state. It fails if Dial fails
// or ctx ends.
func (l *EventLog) Toggle(ctx context.Context) error {
	if l.stop != nil {
		l.End()
		l.print("Live events are off.")
		return nil
	}
	attached, err := l.Dial(ctx)
	if err != nil {
		return err
	}
	ctx, l.stop = context.WithCancel(ctx)
	l.users, l.nodes = map[client]string{}, NewPane()
	application := control.NewReconnector(l.Dial, l.receive)
	l.running.Go(func() { application.Run(ctx, attached) })
	if _, err := application.Wait(ctx); err != nil {
		l.End()
		return err
	}
	l.print("Live events are on. Type .live to turn them off.")
	return nil
}

// End stops the log and waits until it has stopped printing. It may be called at any
// time.
func (l *EventLog) End() {
	if l.stop != nil {
		l.stop()
		l.running.Wait()
		l.stop = nil
	}
}

func (l *EventLog) print(text string) {
	l.write.Lock()
	defer l.write.Unlock()
	_, _ = fmt.Fprintln(l.Out, text) // the reader of the terminal notices if it is gone
}

// receive prints an event of the reconnector.
func (l *EventLog) receive(message any) {
	if attached, ok := message.(control.Attached); ok {
		clear(l.users)
		for _, c := range attached.Connections {
			l.users[client{c.Node, c.ID}] = term.Clean(c.User)
		}
	}
	event, ok := message.(wire.ControlEvent)
	if !ok {
		return // the prompt reports that the application is gone
	}
	for _, text := range l.lines(event) {
		l.print(text)
	}
}

func (l *EventLog) lines(event wire.ControlEvent) []string {
	switch {
	case event.Commit != nil:
		return l.commit(event.Node, event.Commit)
	case event.Nodes != nil:
		return l.nodesChanged(event.Nodes.Nodes)
	case event.Skipped != nil && l.nodes.isOthers(event.Node):
		return nil // the same commits
	case event.Skipped != nil:
		return []string{fmt.Sprintf("%s more, up to commit %d.", show.Counted(event.Skipped.Commits, "commit"), event.Skipped.Seq)}
	case event.Applied != nil && l.users[client{event.Node, event.Applied.Connection}] != "":
		user := l.users[client{event.Node, event.Applied.Connection}]
		return []string{fmt.Sprintf("Commit %d was applied by %s after %s.", event.Applied.Seq, user, show.Duration(event.Applied.Micros))}
	case event.Joined != nil:
		l.users[client{event.Node, event.Joined.ID}] = term.Clean(event.Joined.User)
		return []string{fmt.Sprintf("%s joined over %s%s.", term.Clean(event.Joined.User), term.Clean(event.Joined.Transport), onNode(event.Node))}
	case event.Left != 0:
		left := client{event.Node, event.Left}
		user := l.users[left]
		delete(l.users, left)
		if user == "" {
			user = fmt.Sprintf("Connection %d", event.Left)
		}
		return []string{user + " left" + onNode(event.Node) + "."}
	case event.Log != nil:
		return []string{fmt.Sprintf("Log%s, %s: %s %s", onNode(event.Node), strings.ToLower(term.Clean(event.Log.Level)), term.Clean(event.Log.Message), term.Clean(event.Log.Attrs))}
	case event.Missed > 0:
		return []string{fmt.Sprintf("%s could not be shown.", show.Counted(event.Missed, "event"))}
	}
	return nil
}

// nodesChanged describes which nodes have come, gone, or do not answer.
func (l *EventLog) nodesChanged(nodes []wire.NodeInfo) (lines []string) {
	l.nodes.setNodes(nodes)
	for _, row := range l.nodes.views[CommitsView].rows {
		lines = append(lines, strings.TrimLeft(row.(*activity).note, "+− ")+".")
	}
	l.nodes.views[CommitsView].rows = nil
	return lines
}

// commit describes a commit, which each node reports with what it reached there.
func (l *EventLog) commit(node int, c *wire.CommitEvent) []string {
	what := show.Counted(changesOf(c), "change")
	if len(c.Changes) == 1 {
		what = changeInWords(c.Changes[0])
	}
	if c.Did != "" {
		what = deed(c.Did)
	}
	reached := "it reached no one"
	if c.ReachedAll > 0 {
		reached = "it reached " + reachedOf(c) + " in " + show.Duration(c.Micros)
	}
	reached += onNode(node)
	lines := []string{fmt.Sprintf("Commit %d by %s: %s; %s.", c.Seq, authorOf(c.By), what, reached)}
	if l.nodes.isOthers(node) {
		lines[0] = fmt.Sprintf("Commit %d: %s.", c.Seq, reached)
	}
	for _, reach := range c.Reached {
		l.users[client{node, reach.Connection}] = term.Clean(reach.User)
		lines = append(lines, fmt.Sprintf("  %s, %s: %s.", term.Clean(reach.User), term.Clean(reach.Cursor), (&activity{}).outcome(show.Formatter{}, reach)))
	}
	return lines
}

// changeInWords describes a change in a sentence.
func changeInWords(c wire.ChangeInfo) string {
	text := term.Clean(c.Op) + " " + term.Clean(c.Model) + " " + show.ShortID(c.ID)
	if c.Label != "" {
		text += " " + show.Quoted(c.Label)
	}
	for _, v := range c.Values {
		if c.Op == "update" {
			text += fmt.Sprintf(", %s from %s to %s", term.Clean(v.Name), term.Clean(v.Before), term.Clean(v.After))
		}
	}
	return text
}
