package chain

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// A Note is what the routes tell the access log about a request.
type Note struct {
	Who     string // the user's label; "": not known
	Path    string // the path, with secrets left out; "": that of the request
	Commit  uint64 // the last commit; 0: none
	Changed string // "create posts/01J…"
	Behind  uint64 // a commit of the client's that this node does not have yet; 0: none
	ended   string // why the answer is not complete
}

// lost notes an error of writing to the client.
func (n *Note) lost(err error) {
	if err != nil && n.ended == "" {
		n.ended = "the client left"
	}
}

// An Entry is a line of the access log.
type Entry struct {
	Method, Path string
	Status       int
	Took         time.Duration
	Remote       string
	Via          string // the transport of a call; "": HTTP
	Note
}

// An AccessLog writes a line for each request and for each call over a connection. It never
// holds the query of a request, its headers or its body. The log adds the request's id, which
// the context has. It is safe for concurrent use.
type AccessLog struct{ log *slog.Logger }

// NewAccessLog returns an access log that writes to log.
func NewAccessLog(log *slog.Logger) *AccessLog { return &AccessLog{log} }

// exchange writes the line of a request.
func (l *AccessLog) exchange(x *Exchange, r *http.Request) {
	entry := Entry{Method: r.Method, Path: r.URL.Path, Status: x.status, Took: time.Since(x.started), Remote: x.Facts.Remote, Note: x.note}
	if x.note.Path != "" {
		entry.Path = x.note.Path
	}
	if entry.Status == 0 {
		entry.Status = http.StatusOK
	}
	switch {
	case x.broken:
		entry.ended = "the handler broke off"
	case x.Context.Err() != nil:
		entry.lost(x.Context.Err())
	}
	l.Write(x, &entry)
}

// Write writes a line. Polls, requests that carry frames, and those of programs that watch
// over the application are written at the level of debugging unless they fail: the calls in
// them have their own lines.
func (l *AccessLog) Write(ctx context.Context, e *Entry) {
	level := slog.LevelInfo
	if e.Status < 400 && (e.Path == "/_tower/poll" || e.Path == "/_tower/send" || e.Path == "/_tower/metrics" || strings.HasPrefix(e.Path, "/_tower/health")) {
		level = slog.LevelDebug
	}
	if !l.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs, slog.Int("status", e.Status), slog.Duration("took", e.Took.Round(time.Microsecond)))
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("who", e.Who)
	add("remote", e.Remote)
	add("via", e.Via)
	if e.Commit > 0 {
		attrs = append(attrs, slog.Uint64("commit", e.Commit))
	}
	add("changed", e.Changed)
	if e.Behind > 0 {
		attrs = append(attrs, slog.Uint64("behind", e.Behind))
	}
	add("ended", e.ended)
	l.log.LogAttrs(ctx, level, shorten(e.Method, 20)+" "+shorten(e.Path, 300), attrs...)
}

// shorten keeps clients from filling the log.
func shorten(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
