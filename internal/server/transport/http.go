package transport

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
)

// ServeStream opens a link and sends its messages as events, until either side
// ends it.
func (s *Links) ServeStream(w http.ResponseWriter, r *http.Request) {
	l, err := s.add(s.host.Accept(r), "stream")
	if err != nil {
		s.host.Fail(w, r, err)
		return
	}
	defer s.remove(l, outbox.CloseDone, "the stream has ended")
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1024)) // what is between may still be sending it
	l.resetIdle(s.maxSilence)
	limitSendBuffer(r.Context())
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no") // to proxies: pass each event on

	l.stream(http.NewResponseController(w))
	defer l.stream(nil)
	next, have := &wire.Delivery{Link: l.id}, uint64(0)
	for err = l.write(w, next); err == nil && next.End == nil; err = l.write(w, next) {
		have = max(have, next.Number)
		if next, err = l.next(r.Context(), have, s.heartbeat); err != nil || r.Context().Err() != nil {
			break
		}
	}
	if err != nil {
		s.limits.Log.Debug("stream", "remote", l.conn.Remote(), "error", err)
	}
}

// event is a delivery as an event of a stream. Nothing is a comment, by which the
// client, and what is between, know that the stream lives.
func event(d *wire.Delivery) []byte {
	if d.Link == "" && d.Message == nil && d.End == nil {
		return []byte(":\n\n")
	}
	return append(d.Append([]byte("data: ")), "\n\n"...)
}

// ServePoll opens a link, or answers with the next message of one.
func (s *Links) ServePoll(w http.ResponseWriter, r *http.Request) {
	var poll wire.Poll
	delivery := &wire.Delivery{}
	err := s.host.ReadJSON(w, r, &poll)
	if err == nil && poll.Link == "" {
		var l *link
		if l, err = s.add(s.host.Accept(r), "poll"); err == nil {
			delivery.Link = l.id
		}
	} else if err == nil {
		delivery, err = s.poll(r, &poll)
	}
	if err != nil {
		s.host.Fail(w, r, err)
		return
	}
	WriteJSON(w, delivery.Append(nil)) // what does not arrive is asked for again
}

func (s *Links) poll(r *http.Request, poll *wire.Poll) (*wire.Delivery, error) {
	l, err := s.find(poll.Link, s.host.User(r))
	if err != nil {
		return nil, err
	}
	if l.kind != "poll" {
		return nil, fault.Errorf(fault.BadRequest, "the messages of this link come over its %s", l.kind)
	}
	wait := s.maxPoll
	if asked := time.Duration(poll.Wait) * time.Second; 0 < asked && asked < wait {
		wait = asked
	}
	l.resetIdle(wait + s.maxAbsence)
	delivery, err := l.next(r.Context(), poll.Have, wait)
	l.resetIdle(s.maxAbsence)
	if err == nil && delivery.End != nil {
		s.remove(l, delivery.End.Code, delivery.End.Reason)
	}
	return delivery, err
}

// ServeBatch handles frames that a client sends beside its stream or its polls,
// and answers when that is done. What comes of them goes over the link.
func (s *Links) ServeBatch(w http.ResponseWriter, r *http.Request) {
	var batch wire.Batch
	var l *link
	err := s.host.ReadJSON(w, r, &batch)
	if err == nil {
		l, err = s.find(batch.Link, s.host.User(r))
	}
	switch {
	case err != nil:
	case batch.End:
		s.remove(l, outbox.CloseDone, "the client has left")
	default:
		if l.kind == "stream" {
			l.resetIdle(s.maxSilence)
		}
		err = l.handleBatch(&batch)
	}
	if err != nil {
		s.host.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// WriteJSON answers with what must not be kept by anybody between.
func WriteJSON(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(data, '\n')) // the client may be gone
}

// limitSendBuffer bounds what the system holds for a client that does not read: that can
// not be merged any more.
func limitSendBuffer(ctx context.Context) {
	if tcp, ok := ctx.Value(tcpKey{}).(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(outbox.MaxMessage)
	}
}

type tcpKey struct{}

// ConnContext is that of the [http.Server] that serves an application: by it a
// stream finds what it is sent over.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, tcpKey{}, conn)
}
