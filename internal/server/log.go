package server

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/chain"
	"github.com/towerkit/tower/internal/server/requestid"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// maxLogLines is the most lines of the log that a console receives when it starts to watch.
const maxLogLines = 200

// A logTail holds the newest lines of the log.
type logTail struct {
	mu    sync.Mutex
	lines [maxLogLines]wire.LogEvent
	added int // since the start; the next line replaces the oldest
}

func (l *logTail) add(line wire.LogEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[l.added%maxLogLines] = line
	l.added++
}

// newest returns the lines, the oldest first.
func (l *logTail) newest() (lines []wire.LogEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := max(0, l.added-maxLogLines); i < l.added; i++ {
		lines = append(lines, l.lines[i%maxLogLines])
	}
	return lines
}

// A tap is a log handler that also sends each record to consoles. It adds the id of the
// request that the context of the record belongs to, outside of all groups.
type tap struct {
	slog.Handler
	inspector *inspector
	root      slog.Handler // without attributes and groups
	// attrs applies the attributes and groups of the tap to another handler.
	attrs func(slog.Handler) slog.Handler
}

// newTap returns a logger that writes to log and to consoles.
func newTap(log *slog.Logger, i *inspector) *slog.Logger {
	return slog.New(&tap{log.Handler(), i, log.Handler(), func(h slog.Handler) slog.Handler { return h }})
}

// Handle passes the record on and sends it to consoles.
func (t *tap) Handle(ctx context.Context, record slog.Record) error {
	identify := func(h slog.Handler) slog.Handler { return h }
	handler := t.Handler
	if id := requestid.Of(ctx); id != "" {
		identify = func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.String("request", id)}) }
		handler = t.attrs(identify(t.root))
	}
	line := wire.LogEvent{At: record.Time, Level: record.Level.String(), Message: shorten(record.Message, maxLogText), Attrs: shorten(text(ctx, record, func(h slog.Handler) slog.Handler { return t.attrs(identify(h)) }), maxLogText)}
	t.inspector.log.add(line)
	t.inspector.publish(wire.ControlEvent{Log: &line})
	return handler.Handle(ctx, record)
}

const maxLogText = 2000

// text returns the record's attributes, beside those that attrs adds, as "key=value key=value".
func text(ctx context.Context, record slog.Record, attrs func(slog.Handler) slog.Handler) string {
	var out bytes.Buffer
	plain := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return a
	}})
	_ = attrs(plain).Handle(ctx, record) // writing to a buffer does not fail
	return strings.TrimSuffix(out.String(), "\n")
}

// WithAttrs returns a tap on a handler with these attributes.
func (t *tap) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &tap{t.Handler.WithAttrs(attrs), t.inspector, t.root, func(h slog.Handler) slog.Handler { return t.attrs(h).WithAttrs(attrs) }}
}

// WithGroup returns a tap on a handler with this group.
func (t *tap) WithGroup(name string) slog.Handler {
	return &tap{t.Handler.WithGroup(name), t.inspector, t.root, func(h slog.Handler) slog.Handler { return t.attrs(h).WithGroup(name) }}
}

// noteOf returns what the access log is to know about an HTTP request, nil if there is no
// access log.
func noteOf(ctx context.Context) *chain.Note {
	if x := chain.From(ctx); x != nil {
		return x.Note()
	}
	return nil
}

// maxLoggedChanges is how many changes of a call the access log names.
const maxLoggedChanges = 3

// describe adds to a note what a call has committed.
func (c *call) describe(note *chain.Note) {
	if note == nil || c.Seq == 0 {
		return
	}
	names := make([]string, len(c.changes))
	for i, change := range c.changes {
		names[i] = fmt.Sprintf("%s %s/%s", change.Op, change.Model.Name, change.ID)
	}
	note.Commit, note.Changed = c.Seq, strings.Join(names, ", ")
	if more := c.changed - len(names); more > 0 {
		note.Changed += fmt.Sprintf(" and %d more", more)
	}
}

// secretNames are the names of values in a path that the access log leaves out.
var secretNames = []string{"token", "secret", "password", "code", "key", "ticket", "signature"}

// loggedPath returns a path without its query and the secrets in it.
func loggedPath(path string, rt *route.Route, values url.Values) string {
	path, _, _ = strings.Cut(path, "?")
	for name := range values {
		for _, secret := range secretNames {
			if strings.Contains(strings.ToLower(name), secret) {
				return rt.Path
			}
		}
	}
	return path
}

// logCall writes a line about a call over a connection.
func (c *Connection) logCall(ctx context.Context, began time.Time, req *wire.Request, note *chain.Note, answer *wire.Answer) {
	method, path, _ := strings.Cut(req.Call, " ")
	path, _, _ = strings.Cut(path, "?")
	entry := chain.Entry{Method: method, Path: cmp.Or(note.Path, path), Status: answer.Status, Took: time.Since(began), Remote: c.remote, Via: c.outbox.Transport.Name(), Note: *note}
	entry.Who = c.Label()
	c.app.access.Write(ctx, &entry)
}
