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

// EventLogCommand is the command that begins it, and ends it.
const EventLogCommand = ".live"

// A EventLog says what happens in the application, a sentence a line, for a person
// who listens to the lines.
type EventLog struct {
	Dial  func(context.Context) (*control.Client, error)
	Out   io.Writer
	write sync.Mutex

	stop    context.CancelFunc // nil: it says nothing
	running sync.WaitGroup
	users   map[uint64]string
}

// Toggle begins or ends it, and says which.
func (n *EventLog) Toggle(ctx context.Context) error {
	if n.stop != nil {
		n.End()
		n.print("What happens is not told any more.")
		return nil
	}
	client, err := n.Dial(ctx)
	if err != nil {
		return err
	}
	ctx, n.stop = context.WithCancel(ctx)
	n.users = map[uint64]string{}
	l := control.NewReconnector(n.Dial, n.receive)
	n.running.Go(func() { l.Run(ctx, client) })
	if _, err := l.Wait(ctx); err != nil {
		n.End()
		return err
	}
	n.print("What happens is told from now on; .live ends that.")
	return nil
}

// End ends it, and waits until nothing more is said.
func (n *EventLog) End() {
	if n.stop != nil {
		n.stop()
		n.running.Wait()
		n.stop = nil
	}
}

func (n *EventLog) print(text string) {
	n.write.Lock()
	defer n.write.Unlock()
	_, _ = fmt.Fprintln(n.Out, text) // a terminal that is gone is noticed by who reads from it
}

// receive says what a link hears of.
func (n *EventLog) receive(message any) {
	event, ok := message.(wire.ControlEvent)
	if !ok {
		return // the prompt says where the application has gone
	}
	for _, text := range n.lines(event) {
		n.print(text)
	}
}

func (n *EventLog) lines(event wire.ControlEvent) []string {
	switch {
	case event.Commit != nil:
		return n.commit(event.Commit)
	case event.Skipped != nil:
		return []string{fmt.Sprintf("%s more, up to commit %d.", show.Counted(event.Skipped.Commits, "commit"), event.Skipped.Seq)}
	case event.Applied != nil && n.users[event.Applied.Connection] != "":
		return []string{fmt.Sprintf("Commit %d was applied by %s after %s.", event.Applied.Seq, n.users[event.Applied.Connection], show.Duration(event.Applied.Micros))}
	case event.Joined != nil:
		n.users[event.Joined.ID] = term.Clean(event.Joined.User)
		return []string{fmt.Sprintf("%s joined over %s.", term.Clean(event.Joined.User), term.Clean(event.Joined.Transport))}
	case event.Left != 0:
		user := n.users[event.Left]
		delete(n.users, event.Left)
		if user == "" {
			user = fmt.Sprintf("Connection %d", event.Left)
		}
		return []string{user + " left."}
	case event.Log != nil:
		return []string{fmt.Sprintf("Log, %s: %s %s", strings.ToLower(term.Clean(event.Log.Level)), term.Clean(event.Log.Message), term.Clean(event.Log.Attrs))}
	case event.Missed > 0:
		return []string{fmt.Sprintf("%s could not be told.", show.Counted(event.Missed, "event"))}
	}
	return nil
}

func (n *EventLog) commit(c *wire.CommitEvent) []string {
	what := show.Counted(changesOf(c), "change")
	if len(c.Changes) == 1 {
		what = spoken(c.Changes[0])
	}
	reached := "it reached nobody"
	if c.ReachedAll > 0 {
		reached = "it reached " + reachedOf(c) + " in " + show.Duration(c.Micros)
	}
	lines := []string{fmt.Sprintf("Commit %d by %s: %s; %s.", c.Seq, maker(c.By), what, reached)}
	for _, reach := range c.Reached {
		n.users[reach.Connection] = term.Clean(reach.User)
		lines = append(lines, fmt.Sprintf("  %s, %s: %s.", term.Clean(reach.User), term.Clean(reach.Cursor), (&activity{}).outcome(show.Formatter{}, reach)))
	}
	return lines
}

// spoken is a change in words.
func spoken(c wire.ChangeInfo) string {
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
