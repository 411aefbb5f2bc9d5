package control

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/wire"
)

// A Stream is a cursor that the application holds open for a client. It is for one
// goroutine. A stream that is not read holds up the answers to the client's other
// requests, and, since the application merges what waits, loses nothing.
type Stream struct {
	client  *Client
	number  uint64
	events  chan wire.StreamEvent
	closing chan struct{}
}

// A StreamError says that the application has ended a stream.
type StreamError wire.StreamClosed

// Error returns the reason.
func (e *StreamError) Error() string { return e.Reason }

// Open opens a cursor: a declared one by Name, with In and As, or a query by Model,
// Where, Order, Limit and Offset; from Since on, if that is set. Errors are those
// of [Client.Do].
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

// Next waits for the next message and returns its frames: first a hello and the
// answer to the open, then commits. The error is a [*StreamError] when the application has ended
// the stream, [ErrLost] when it went away, or the cause of ctx.
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

// Close ends the stream. What has not been read of it is lost.
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

// stream hands an event to its stream, when that takes it.
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
