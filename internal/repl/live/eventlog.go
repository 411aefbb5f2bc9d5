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
	users   map[uint64]string
}

// Toggle starts or stops the log and prints its new state. It fails if Dial fails
// or ctx ends.
func (l *EventLog) Toggle(ctx context.Context) error {
	if l.stop != nil {
		l.End()
		l.print("Live events are off.")
		return nil
	}
	client, err := l.Dial(ctx)
	if err != nil {
		return err
	}
	ctx, l.stop = context.WithCancel(ctx)
	l.users = map[uint64]string{}
	application := control.NewReconnector(l.Dial, l.receive)
	l.running.Go(func() { application.Run(ctx, client) })
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
			l.users[c.ID] = term.Clean(c.User)
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
		return l.commit(event.Commit)
	case event.Skipped != nil:
		return []string{fmt.Sprintf("%s more, up to commit %d.", show.Counted(event.Skipped.Commits, "commit"), event.Skipped.Seq)}
	case event.Applied != nil && l.users[event.Applied.Connection] != "":
		return []string{fmt.Sprintf("Commit %d was applied by %s after %s.", event.Applied.Seq, l.users[event.Applied.Connection], show.Duration(event.Applied.Micros))}
	case event.Joined != nil:
		l.users[event.Joined.ID] = term.Clean(event.Joined.User)
		return []string{fmt.Sprintf("%s joined over %s.", term.Clean(event.Joined.User), term.Clean(event.Joined.Transport))}
	case event.Left != 0:
		user := l.users[event.Left]
		delete(l.users, event.Left)
		if user == "" {
			user = fmt.Sprintf("Connection %d", event.Left)
		}
		return []string{user + " left."}
	case event.Log != nil:
		return []string{fmt.Sprintf("Log, %s: %s %s", strings.ToLower(term.Clean(event.Log.Level)), term.Clean(event.Log.Message), term.Clean(event.Log.Attrs))}
	case event.Missed > 0:
		return []string{fmt.Sprintf("%s could not be shown.", show.Counted(event.Missed, "event"))}
	}
	return nil
}

func (l *EventLog) commit(c *wire.CommitEvent) []string {
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
	lines := []string{fmt.Sprintf("Commit %d by %s: %s; %s.", c.Seq, authorOf(c.By), what, reached)}
	for _, reach := range c.Reached {
		l.users[reach.Connection] = term.Clean(reach.User)
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
