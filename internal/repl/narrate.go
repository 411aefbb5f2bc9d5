package repl

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/towerkit/tower/internal/wire"
)

// eventLogCommand is the command that begins it, and ends it.
const eventLogCommand = ".live"

// A eventLog says what happens in the application, a sentence a line, for a person
// who listens to the lines.
type eventLog struct {
	dial  func(context.Context) (*Client, error)
	out   io.Writer
	write sync.Mutex

	stop    context.CancelFunc // nil: it says nothing
	running sync.WaitGroup
	users   map[uint64]string
}

// toggle begins or ends it, and says which.
func (n *eventLog) toggle(ctx context.Context) error {
	if n.stop != nil {
		n.end()
		n.print("What happens is not told any more.")
		return nil
	}
	client, err := n.dial(ctx)
	if err != nil {
		return err
	}
	ctx, n.stop = context.WithCancel(ctx)
	n.users = map[uint64]string{}
	l := newReconnector(n.dial, n.receive)
	n.running.Go(func() { l.run(ctx, client) })
	if _, err := l.wait(ctx); err != nil {
		n.end()
		return err
	}
	n.print("What happens is told from now on; .live ends that.")
	return nil
}

// end ends it, and waits until nothing more is said.
func (n *eventLog) end() {
	if n.stop != nil {
		n.stop()
		n.running.Wait()
		n.stop = nil
	}
}

func (n *eventLog) print(text string) {
	n.write.Lock()
	defer n.write.Unlock()
	_, _ = fmt.Fprintln(n.out, text) // a terminal that is gone is noticed by who reads from it
}

// receive says what a link hears of.
func (n *eventLog) receive(message any) {
	event, ok := message.(wire.ControlEvent)
	if !ok {
		return // the prompt says where the application has gone
	}
	for _, text := range n.lines(event) {
		n.print(text)
	}
}

func (n *eventLog) lines(event wire.ControlEvent) []string {
	switch {
	case event.Commit != nil:
		return n.commit(event.Commit)
	case event.Skipped != nil:
		return []string{fmt.Sprintf("%s more, up to commit %d.", counted(event.Skipped.Commits, "commit"), event.Skipped.Seq)}
	case event.Applied != nil && n.users[event.Applied.Connection] != "":
		return []string{fmt.Sprintf("Commit %d was applied by %s after %s.", event.Applied.Seq, n.users[event.Applied.Connection], duration(event.Applied.Micros))}
	case event.Joined != nil:
		n.users[event.Joined.ID] = clean(event.Joined.User)
		return []string{fmt.Sprintf("%s joined over %s.", clean(event.Joined.User), clean(event.Joined.Transport))}
	case event.Left != 0:
		user := n.users[event.Left]
		delete(n.users, event.Left)
		if user == "" {
			user = fmt.Sprintf("Connection %d", event.Left)
		}
		return []string{user + " left."}
	case event.Log != nil:
		return []string{fmt.Sprintf("Log, %s: %s %s", strings.ToLower(clean(event.Log.Level)), clean(event.Log.Message), clean(event.Log.Attrs))}
	case event.Missed > 0:
		return []string{fmt.Sprintf("%s could not be told.", counted(event.Missed, "event"))}
	}
	return nil
}

func (n *eventLog) commit(c *wire.CommitEvent) []string {
	what := counted(changesOf(c), "change")
	if len(c.Changes) == 1 {
		what = spoken(c.Changes[0])
	}
	reached := "it reached nobody"
	if c.ReachedAll > 0 {
		reached = "it reached " + reachedOf(c) + " in " + duration(c.Micros)
	}
	lines := []string{fmt.Sprintf("Commit %d by %s: %s; %s.", c.Seq, maker(c.By), what, reached)}
	for _, reach := range c.Reached {
		n.users[reach.Connection] = clean(reach.User)
		lines = append(lines, fmt.Sprintf("  %s, %s: %s.", clean(reach.User), clean(reach.Cursor), (&activity{}).outcome(formatter{}, reach)))
	}
	return lines
}

// spoken is a change in words.
func spoken(c wire.ChangeInfo) string {
	text := clean(c.Op) + " " + clean(c.Model) + " " + shortID(c.ID)
	if c.Label != "" {
		text += " " + quoted(c.Label)
	}
	for _, v := range c.Values {
		if c.Op == "update" {
			text += fmt.Sprintf(", %s from %s to %s", clean(v.Name), clean(v.Before), clean(v.After))
		}
	}
	return text
}
