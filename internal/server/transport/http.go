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

// ServeStream opens a link and sends its messages as events. It returns when either side
// has ended the link.
func (s *Links) ServeStream(w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1024)) // a proxy may still be sending the body
	var l *link
	if err == nil {
		l, err = s.add(s.host.Accept(r), "stream")
	}
	if err != nil {
		s.host.Fail(w, r, err)
		return
	}
	defer s.remove(l, outbox.CloseDone, "the stream has ended")
	l.resetIdle(s.maxSilence)
	LimitSendBuffer(r.Context())
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no") // proxies must not collect events

	l.stream(http.NewResponseController(w))
	defer l.stream(nil)
	next, have := l.first(), uint64(0)
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

// event returns a delivery as an event of a stream. An empty delivery is a comment, which
// shows the client and proxies that the stream is alive.
func event(d *wire.Delivery) []byte {
	if d.Link == "" && d.Message == nil && d.End == nil {
		return []byte(":\n\n")
	}
	return append(d.Append([]byte("data: ")), "\n\n"...)
}

// ServePoll opens a link, or answers with the next message of an open link. It waits up
// to 25 seconds for a message.
func (s *Links) ServePoll(w http.ResponseWriter, r *http.Request) {
	var poll wire.Poll
	delivery := &wire.Delivery{}
	err := s.host.ReadJSON(w, r, &poll)
	if err == nil && poll.Link == "" {
		var l *link
		if l, err = s.add(s.host.Accept(r), "poll"); err == nil {
			delivery = l.first()
		}
	} else if err == nil {
		delivery, err = s.poll(r, &poll)
	}
	if err != nil {
		s.host.Fail(w, r, err)
		return
	}
	WriteJSON(w, delivery.Append(nil)) // the client asks again for a message that is lost
}

func (s *Links) poll(r *http.Request, poll *wire.Poll) (*wire.Delivery, error) {
	l, err := s.find(poll.Link, r)
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
	if err := l.count(poll.Have); err != nil {
		return nil, err
	}
	l.resetIdle(wait + s.maxAbsence)
	delivery, err := l.next(r.Context(), poll.Have, wait)
	l.resetIdle(s.maxAbsence)
	if err == nil {
		l.answered(delivery.Number)
	}
	if err == nil && delivery.End != nil {
		s.remove(l, delivery.End.Code, delivery.End.Reason)
	}
	return delivery, err
}

// ServeBatch handles the frames of a client with a stream or polls, and answers when it
// has. The answers to the frames go over the link.
func (s *Links) ServeBatch(w http.ResponseWriter, r *http.Request) {
	var batch wire.Batch
	var l *link
	err := s.host.ReadJSON(w, r, &batch)
	if err == nil {
		l, err = s.find(batch.Link, r)
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

// WriteJSON answers with JSON that no cache may keep.
func WriteJSON(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(data, '\n')) // the client may be gone
}

// LimitSendBuffer bounds what the kernel buffers for a client that does not read: data
// in the kernel cannot be merged any more.
func LimitSendBuffer(ctx context.Context) {
	if tcp, ok := ctx.Value(tcpKey{}).(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(outbox.MaxMessage)
	}
}

type tcpKey struct{}

// ConnContext must be the ConnContext of the [http.Server] that serves the application:
// a stream uses it to find its TCP connection.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, tcpKey{}, conn)
}
