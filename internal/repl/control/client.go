// Package control is the client of an application's control socket. It has requests and
// events ([Client]), open cursors ([Stream], [Replica]), and a client that survives
// restarts of the application ([Reconnector]).
package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/wire"
)

// ErrNotRunning reports that no application listens at the path.
var ErrNotRunning = errors.New("no application is running")

// ErrLost reports that the application went away. A write in progress may have been
// committed.
var ErrLost = errors.New("the connection to the application was lost")

// A RemoteError is an error the application returned for a request.
type RemoteError wire.Error

// Error returns the message, or the code if there is no message.
func (e *RemoteError) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Message
}

const (
	helloTimeout = 10 * time.Second
	writeTimeout = 10 * time.Second
	eventBuffer  = 1024
)

// A Client is a connection to an application's control socket. It is safe for
// concurrent use. The caller must close it.
type Client struct {
	conn  net.Conn
	by    string
	hello wire.ControlHello

	writing sync.Mutex // locked while a line is written

	mu      sync.Mutex // guards the fields below
	next    uint64
	waiting map[uint64]chan wire.ControlReply
	streams map[uint64]*Stream
	err     error // why the connection ended

	events  chan wire.ControlEvent
	done    chan struct{} // closed when the connection has ended
	stopped chan struct{} // closed when the reader has returned
}

// Attach connects to the application that listens at path and identifies itself as by,
// for example "console:ada". It waits at most ten seconds for the application's
// greeting. The error wraps [ErrNotRunning] if no application listens there. A socket of
// another user, or one that others could have put there, is refused: it would learn what is
// typed, and what it answers would be believed.
func Attach(ctx context.Context, path, by string) (*Client, error) {
	if err := private.CheckSocket(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, attachError(path, err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w at %s", ErrNotRunning, path)
	case err != nil:
		return nil, attachError(path, err)
	}
	c := &Client{
		conn: conn, by: by,
		waiting: map[uint64]chan wire.ControlReply{},
		streams: map[uint64]*Stream{},
		events:  make(chan wire.ControlEvent, eventBuffer),
		done:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go c.read()
	if err := c.greet(ctx); err != nil {
		_ = c.Close() // the error of greet is the one to report
		return nil, fmt.Errorf("attach to %s: %w", path, err)
	}
	return c, nil
}

func attachError(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("attach to %s: the application belongs to another user: %w", path, err)
	}
	return fmt.Errorf("attach to %s: %w", path, err)
}

func (c *Client) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, helloTimeout, errors.New("the application does not respond"))
	defer cancel()
	if err := c.Do(ctx, wire.ControlRequest{Do: wire.DoHello}, &c.hello); err != nil {
		return err
	}
	switch version := c.hello.Version; {
	case version > wire.Version:
		return fmt.Errorf("this console is older than the application (protocol %d instead of %d): update the tower command", wire.Version, version)
	case version < wire.Version:
		return fmt.Errorf("the application is older than this console (protocol %d instead of %d): rebuild it with this version of tower", version, wire.Version)
	}
	return nil
}

// Hello returns the application's description of itself at the time the client
// attached.
func (c *Client) Hello() wire.ControlHello { return c.hello }

// Do sends a request, waits for its answer, and decodes the answer into out unless out
// is nil. out may be a [*Partial]. It sets the ID and By of the request. The error is a [*RemoteError] if the
// application returned one, or [ErrLost] if the application went away. If ctx ends
// first, Do asks the application to cancel the request and returns the cause of ctx. In
// the last two cases a write may have been committed.
func (c *Client) Do(ctx context.Context, req wire.ControlRequest, out any) error {
	reply := make(chan wire.ControlReply, 1)
	c.mu.Lock()
	c.next++
	req.ID, req.By = c.next, c.by
	c.waiting[req.ID] = reply
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, req.ID)
		c.mu.Unlock()
	}()

	if err := c.send(req); err != nil {
		return err
	}
	select {
	case answer := <-reply:
		return decodeReply(req.Do, answer, out)
	case <-ctx.Done():
		_ = c.send(wire.ControlRequest{ID: req.ID, Do: wire.DoCancel}) // if this fails, the connection has ended
		return context.Cause(ctx)
	case <-c.done:
	}
	select { // prefer an answer that arrived before the end
	case answer := <-reply:
		return decodeReply(req.Do, answer, out)
	default:
		return c.lost()
	}
}

// A Partial is where an answer is decoded to that may lack what other nodes of the
// application have. Silent says why, for each of them.
type Partial struct {
	Out    any
	Silent []string
}

func decodeReply(do string, reply wire.ControlReply, out any) error {
	if partial, ok := out.(*Partial); ok {
		partial.Silent, out = reply.Silent, partial.Out
	}
	if reply.Error != nil {
		return (*RemoteError)(reply.Error)
	}
	if out == nil || len(reply.OK) == 0 {
		return nil
	}
	if err := json.Unmarshal(reply.OK, out); err != nil {
		return fmt.Errorf("read the answer to %s: %w", do, err)
	}
	return nil
}

func (c *Client) send(req wire.ControlRequest) error {
	line, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode the request %s: %w", req.Do, err)
	}
	if len(line) > wire.MaxControlRequest { // the application would end the connection
		return &RemoteError{Code: "too_large", Message: fmt.Sprintf("the request has %d bytes, and at most %d can be sent at once", len(line), wire.MaxControlRequest)}
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.ended() {
		return c.lost()
	}
	err = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.conn.Write(append(line, '\n'))
	}
	if err != nil {
		c.end(err) // the line may be incomplete, so nothing can follow it
		return c.lost()
	}
	return nil
}

// Watch subscribes to events, which arrive on the channel of [Client.Events]. It fails
// like [Client.Do].
func (c *Client) Watch(ctx context.Context) error {
	return c.Do(ctx, wire.ControlRequest{Do: wire.DoWatch}, nil)
}

// Events returns the channel of events that [Client.Watch] subscribed to. If the
// receiver does not keep up, events are dropped and a later event counts them. The
// channel is closed when the connection ends.
func (c *Client) Events() <-chan wire.ControlEvent { return c.events }

// Done returns a channel that is closed when the connection ends, by Close or by the
// application.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection and waits for its reader. It always returns nil and may be
// called more than once.
func (c *Client) Close() error {
	c.end(net.ErrClosed)
	<-c.stopped
	return nil
}

// Lost reports whether the connection has ended.
func (c *Client) Lost() bool { return c.ended() }

func (c *Client) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.done)
		_ = c.conn.Close() // err is the reason
	}
}

func (c *Client) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.err, io.EOF) || errors.Is(c.err, net.ErrClosed) {
		return ErrLost
	}
	return fmt.Errorf("%w: %w", ErrLost, c.err)
}

func (c *Client) read() {
	defer close(c.stopped)
	defer close(c.events)
	missed := 0
	lines := bufio.NewReaderSize(c.conn, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			c.end(err)
			return
		}
		var reply wire.ControlReply
		if err := json.Unmarshal(line, &reply); err != nil {
			c.end(fmt.Errorf("the application sent a line that is not a reply: %w", err))
			return
		}
		if reply.Event != nil && reply.Event.Stream != nil {
			c.stream(*reply.Event.Stream)
			continue
		}
		if reply.Event != nil {
			missed = c.offer(*reply.Event, missed)
			continue
		}
		if reply.ID == 0 && reply.Error != nil { // the application could not read a request
			c.end((*RemoteError)(reply.Error))
			return
		}
		c.mu.Lock()
		if waiting, ok := c.waiting[reply.ID]; ok {
			waiting <- reply
			delete(c.waiting, reply.ID)
		}
		c.mu.Unlock()
	}
}

// offer sends an event without blocking, so that a busy console does not delay the
// answers behind the event. It returns the number of missed events.
func (c *Client) offer(event wire.ControlEvent, missed int) int {
	if missed > 0 {
		select {
		case c.events <- wire.ControlEvent{Missed: missed}:
			missed = 0
		default:
			return missed + 1
		}
	}
	select {
	case c.events <- event:
		return 0
	default:
		return missed + 1
	}
}

// A Remote answers requests. It is a [Client], or a [Reconnector], which waits for an
// application if none is attached. It is safe for concurrent use.
type Remote interface {
	// Do sends a request and decodes the answer into out, like [Client.Do].
	Do(ctx context.Context, req wire.ControlRequest, out any) error
}
