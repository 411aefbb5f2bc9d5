package control

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/wire"
)

// A Stream is a cursor that the application keeps open for a client. It is not safe for
// concurrent use. A stream that is not read delays the answers to the client's other
// requests. It loses nothing, because the application merges the waiting commits.
type Stream struct {
	client  *Client
	number  uint64
	events  chan wire.StreamEvent
	closing chan struct{}
}

// A StreamError reports that the application ended a stream.
type StreamError wire.StreamClosed

// Error returns the reason.
func (e *StreamError) Error() string { return e.Reason }

// Open opens a cursor: a declared one by Name, with In and As, or a query by Model,
// Where, Order, Limit and Offset. It resumes from Since if that is set. The caller must
// close the stream. It fails like [Client.Do].
func (c *Client) Open(ctx context.Context, req wire.ControlRequest) (*Stream, error) {
	s := &Stream{client: c, events: make(chan wire.StreamEvent), closing: make(chan struct{})}
	c.mu.Lock()
	c.next++
	s.number = c.next
	c.streams[s.number] = s
	c.mu.Unlock()
	req.Do, req.Stream = wire.DoOpen, s.number
	if err := c.Do(ctx, req, nil); err != nil {
		s.forget()
		return nil, err
	}
	return s, nil
}

// Next waits for the next message and returns its frames: first a hello and the answer
// to the open, then commits. The error is a [*StreamError] if the application ended the
// stream, [ErrLost] if the application went away, or the cause of ctx.
func (s *Stream) Next(ctx context.Context) ([]json.RawMessage, error) {
	select {
	case event := <-s.events:
		if event.Closed != nil {
			return nil, (*StreamError)(event.Closed)
		}
		frames, err := wire.Frames(event.Frames)
		if err != nil {
			return nil, fmt.Errorf("read a message of the application: %w", err)
		}
		return frames, nil
	case <-s.client.done:
		return nil, s.client.lost()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Close ends the stream and drops unread messages.
func (s *Stream) Close(ctx context.Context) error {
	s.forget()
	if err := s.client.Do(ctx, wire.ControlRequest{Do: wire.DoClose, Stream: s.number}, nil); err != nil {
		return fmt.Errorf("close a cursor: %w", err)
	}
	return nil
}

func (s *Stream) forget() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.client.streams[s.number] == s {
		delete(s.client.streams, s.number)
		close(s.closing)
	}
}

// stream passes an event to its stream, waiting until the stream accepts it.
func (c *Client) stream(event wire.StreamEvent) {
	c.mu.Lock()
	s := c.streams[event.Stream]
	c.mu.Unlock()
	if s == nil {
		return // it was closed
	}
	select {
	case s.events <- event:
	case <-s.closing:
	case <-c.done:
	}
}
