// Package control is the client of an application's control socket: requests and events
// ([Client]), open cursors ([Stream], [Replica]), and a client that outlives the
// application ([Reconnector]).
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

	"github.com/towerkit/tower/internal/wire"
)

// ErrNotRunning says that no application listens at the path.
var ErrNotRunning = errors.New("no application is running")

// ErrLost says that the application went away. A write that was under way may
// have been made.
var ErrLost = errors.New("the connection to the application was lost")

// A RemoteError is the application's own answer to a request it refused.
type RemoteError wire.Error

// Error returns the message, or the code if there is none.
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
// concurrent use. Close it when done.
type Client struct {
	conn  net.Conn
	by    string
	hello wire.ControlHello

	writing sync.Mutex // held while a line is written

	mu      sync.Mutex // guards the fields below
	next    uint64
	waiting map[uint64]chan wire.ControlReply
	streams map[uint64]*Stream
	err     error // why the connection ended

	events  chan wire.ControlEvent
	done    chan struct{} // closed when the connection has ended
	stopped chan struct{} // closed when the reader has returned
}

// Attach connects to the application that listens at path, as by, for example
// "console:ada". It waits for the application's greeting, at most ten seconds.
// The error is [ErrNotRunning] when nobody listens there.
func Attach(ctx context.Context, path, by string) (*Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w at %s", ErrNotRunning, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("attach to %s: the application belongs to another user: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("attach to %s: %w", path, err)
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
		_ = c.Close() // greet says what is wrong
		return nil, fmt.Errorf("attach to %s: %w", path, err)
	}
	return c, nil
}

func (c *Client) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, helloTimeout, errors.New("the application does not answer"))
	defer cancel()
	if err := c.Do(ctx, wire.ControlRequest{Do: wire.DoHello}, &c.hello); err != nil {
		return err
	}
	switch version := c.hello.Version; {
	case version > wire.Version:
		return fmt.Errorf("this console is older than the application (protocol %d, the application speaks %d): update the tower command", wire.Version, version)
	case version < wire.Version:
		return fmt.Errorf("the application is older than this console (protocol %d, the console speaks %d): rebuild it with this version of tower", version, wire.Version)
	}
	return nil
}

// Hello is the application's description of itself when the client attached.
func (c *Client) Hello() wire.ControlHello { return c.hello }

// Do sends a request and waits for its answer, which is decoded into out unless
// out is nil. It sets the request's ID and By. The error is a [*RemoteError]
// when the application refused, [ErrLost] when it went away, and the cause of
// ctx when that ended first, and the application is told to give the request up;
// in the last two cases a write may have been made.
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
		_ = c.send(wire.ControlRequest{ID: req.ID, Do: wire.DoCancel}) // where that fails, all ends
		return context.Cause(ctx)
	case <-c.done:
	}
	select { // an answer that arrived before the end counts
	case answer := <-reply:
		return decodeReply(req.Do, answer, out)
	default:
		return c.lost()
	}
}

func decodeReply(do string, reply wire.ControlReply, out any) error {
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
		c.end(err) // a part of the line may have been sent: nothing can follow it
		return c.lost()
	}
	return nil
}

// Watch asks for events. They arrive on the channel of [Client.Events].
func (c *Client) Watch(ctx context.Context) error {
	return c.Do(ctx, wire.ControlRequest{Do: wire.DoWatch}, nil)
}

// Events is the channel of what happens in the application, after
// [Client.Watch]. A receiver that does not keep up finds an event that counts
// what it missed. The channel is closed when the connection ends.
func (c *Client) Events() <-chan wire.ControlEvent { return c.events }

// Done is closed when the connection has ended, by Close or by the application.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection and waits for its reader. It may be called twice.
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
		_ = c.conn.Close() // err says why it ended
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
		if reply.ID == 0 && reply.Error != nil { // it could not read a request, and says why
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

// offer hands an event on without ever waiting, for a console that is busy
// must not hold up the answers behind it. It returns how many were missed.
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

// A Remote answers requests: a [Client], or a [Reconnector] that may have none now.
type Remote interface {
	Do(ctx context.Context, req wire.ControlRequest, out any) error
}
