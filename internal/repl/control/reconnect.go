package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// A Reconnector is the application to a console that outlives it: when it goes away
// the link attaches again, and requests wait until it has.
type Reconnector struct {
	dial   func(context.Context) (*Client, error)
	notify func(any) // receives attached, away and wire.ControlEvent values, in order
	Mute   bool      // no events are asked for

	mu        sync.Mutex
	client    *Client            // nil while there is none
	available chan struct{}      // closed when there is one
	began     map[uint64]*Client // by the transactions that it has open
}

// Attached says that there is an application, for the first time or again.
type Attached struct {
	Hello       wire.ControlHello
	Connections []wire.ConnectionInfo
}

// Away says that there is none, and why, if it is not just that it ended.
type Away struct{ Err error }

func (a Away) Text() string {
	if a.Err == nil {
		return "The application has gone away. What is asked waits for it."
	}
	return "The application does not answer: " + a.Err.Error()
}

// errGone is the answer to a request in a transaction of an earlier process.
var errGone = errors.New("the application was restarted, and the transaction is gone with it")

func NewReconnector(dial func(context.Context) (*Client, error), tell func(any)) *Reconnector {
	return &Reconnector{dial: dial, notify: tell, available: make(chan struct{}), began: map[uint64]*Client{}}
}

// Do sends a request to the application, when there is one; again where the
// application goes away over it and nothing can have come of it. A transaction
// ends with the process that it was begun in.
func (l *Reconnector) Do(ctx context.Context, req wire.ControlRequest, out any) error {
	harmless := req.Tx == 0 && (!Writes(req.Do) || req.At != nil)
	for {
		err := l.do(ctx, req, out)
		if !harmless || !errors.Is(err, ErrLost) || ctx.Err() != nil {
			return err
		}
	}
}

func (l *Reconnector) do(ctx context.Context, req wire.ControlRequest, out any) error {
	client, err := l.clientOf(ctx, req.Tx)
	if err != nil {
		return err
	}
	if req.Do != wire.DoBegin {
		return client.Do(ctx, req, out)
	}
	var tx uint64
	if err := client.Do(ctx, req, &tx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != client {
		return errGone
	}
	l.began[tx] = client
	if to, ok := out.(*uint64); ok {
		*to = tx
	}
	return nil
}

// clientOf is the client that a transaction was begun with; without one, that of
// the application, once there is one.
func (l *Reconnector) clientOf(ctx context.Context, tx uint64) (*Client, error) {
	if tx == 0 {
		return l.Wait(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if client := l.began[tx]; client != nil {
		return client, nil
	}
	return nil, errGone
}

// Wait returns the application's client, once there is one that has not ended.
func (l *Reconnector) Wait(ctx context.Context) (*Client, error) {
	for {
		client, found := l.state()
		if client != nil {
			return client, nil
		}
		select {
		case <-found:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Current is the application's client now, or nil.
func (l *Reconnector) Current() *Client {
	client, _ := l.state()
	return client
}

func (l *Reconnector) state() (*Client, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil && l.client.ended() {
		l.forget()
	}
	return l.client, l.available
}

func (l *Reconnector) set(client *Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if client != nil {
		l.client = client
		close(l.available)
	} else if l.client != nil {
		l.forget()
	}
}

// forget lets go of a client that has ended.
func (l *Reconnector) forget() {
	l.client, l.available = nil, make(chan struct{})
	clear(l.began)
}

// Run follows client, and its successors, until ctx is done. It closes them.
func (l *Reconnector) Run(ctx context.Context, client *Client) {
	for client != nil {
		stop := context.AfterFunc(ctx, func() { _ = client.Close() })
		err := l.follow(ctx, client)
		stop()
		_ = client.Close() // it always succeeds
		l.set(nil)
		if ctx.Err() != nil {
			return
		}
		l.notify(Away{err})
		client = l.redial(ctx)
	}
}

func (l *Reconnector) follow(ctx context.Context, client *Client) error {
	if l.Mute {
		l.notify(Attached{Hello: client.Hello()})
		l.set(client)
		<-client.Done()
		return nil
	}
	if err := client.Watch(ctx); err != nil {
		return err
	}
	var connections []wire.ConnectionInfo
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoConnections}, &connections); err != nil {
		return err
	}
	l.notify(Attached{client.Hello(), connections})
	l.set(client)
	for event := range client.Events() {
		l.notify(event)
	}
	return nil
}

// redial attaches again, waiting longer after each failure. It returns nil when
// ctx is done.
func (l *Reconnector) redial(ctx context.Context) *Client {
	for wait := firstRetry; ; wait = min(wait*3/2, lastRetry) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		client, err := l.dial(ctx)
		if err == nil {
			return client
		}
		if !errors.Is(err, ErrNotRunning) && ctx.Err() == nil {
			l.notify(Away{err})
		}
	}
}

// Writes tells whether a request may change something.
func Writes(do string) bool {
	switch do {
	case wire.DoCreate, wire.DoUpdate, wire.DoDelete, wire.DoUpdateAll, wire.DoDeleteAll, wire.DoCall, wire.DoUndo:
		return true
	}
	return false
}
