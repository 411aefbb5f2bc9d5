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

// A Reconnector is a client that survives restarts of the application. When the
// application goes away the reconnector attaches again, and requests wait until it has.
// It is safe for concurrent use.
type Reconnector struct {
	dial   func(context.Context) (*Client, error)
	notify func(any)
	Mute   bool // do not subscribe to events; set before Run

	mu        sync.Mutex
	client    *Client            // nil while no application is attached
	available chan struct{}      // closed while client is set
	began     map[uint64]*Client // the client of each open transaction
}

// Attached reports that an application is attached, for the first time or again. Hello
// is its description, and Connections are its open connections.
type Attached struct {
	Hello       wire.ControlHello
	Connections []wire.ConnectionInfo
}

// Away reports that no application is attached. Err is the reason, or nil if the
// application ended normally.
type Away struct{ Err error }

// Text returns a sentence for a person.
func (a Away) Text() string {
	if a.Err == nil {
		return "The application has stopped. Requests wait until it is back."
	}
	return "The application does not respond: " + a.Err.Error()
}

// errGone is the error of a request in a transaction of an earlier process.
var errGone = errors.New("the application was restarted and the transaction was lost")

// NewReconnector returns a reconnector that attaches by calling dial. While
// [Reconnector.Run] runs, it calls notify from one goroutine with [Attached], [Away]
// and [wire.ControlEvent] values, in order.
func NewReconnector(dial func(context.Context) (*Client, error), notify func(any)) *Reconnector {
	return &Reconnector{dial: dial, notify: notify, available: make(chan struct{}), began: map[uint64]*Client{}}
}

// Do sends a request to the application, waiting for one if none is attached. If the
// application goes away during a request that only reads, outside a transaction, Do
// repeats the request. A transaction ends with the process that started it. Do
// fails like [Client.Do].
func (r *Reconnector) Do(ctx context.Context, req wire.ControlRequest, out any) error {
	harmless := req.Tx == 0 && (!Writes(req.Do) || req.At != nil)
	for {
		err := r.do(ctx, req, out)
		if !harmless || !errors.Is(err, ErrLost) || ctx.Err() != nil {
			return err
		}
	}
}

func (r *Reconnector) do(ctx context.Context, req wire.ControlRequest, out any) error {
	client, err := r.clientOf(ctx, req.Tx)
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
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != client {
		return errGone
	}
	r.began[tx] = client
	if to, ok := out.(*uint64); ok {
		*to = tx
	}
	return nil
}

// clientOf returns the client that started a transaction. Without a transaction it
// waits for the application's client.
func (r *Reconnector) clientOf(ctx context.Context, tx uint64) (*Client, error) {
	if tx == 0 {
		return r.Wait(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if client := r.began[tx]; client != nil {
		return client, nil
	}
	return nil, errGone
}

// Wait waits for an attached application and returns its client. The error is the cause
// of ctx.
func (r *Reconnector) Wait(ctx context.Context) (*Client, error) {
	for {
		client, found := r.state()
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

// Current returns the client of the attached application, or nil. It does not block.
func (r *Reconnector) Current() *Client {
	client, _ := r.state()
	return client
}

func (r *Reconnector) state() (*Client, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil && r.client.ended() {
		r.forget()
	}
	return r.client, r.available
}

func (r *Reconnector) set(client *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if client != nil {
		r.client = client
		close(r.available)
	} else if r.client != nil {
		r.forget()
	}
}

// forget drops a client that has ended.
func (r *Reconnector) forget() {
	r.client, r.available = nil, make(chan struct{})
	clear(r.began)
}

// Run keeps an application attached, starting with client, until ctx is done. It closes
// every client it uses.
func (r *Reconnector) Run(ctx context.Context, client *Client) {
	for client != nil {
		stop := context.AfterFunc(ctx, func() { _ = client.Close() })
		err := r.follow(ctx, client)
		stop()
		_ = client.Close() // Close always returns nil
		r.set(nil)
		if ctx.Err() != nil {
			return
		}
		r.notify(Away{err})
		client = r.redial(ctx)
	}
}

func (r *Reconnector) follow(ctx context.Context, client *Client) error {
	if r.Mute {
		r.notify(Attached{Hello: client.Hello()})
		r.set(client)
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
	r.notify(Attached{client.Hello(), connections})
	r.set(client)
	for event := range client.Events() {
		r.notify(event)
	}
	return nil
}

// redial attaches again, with a growing delay after each failure. It returns nil when
// ctx is done.
func (r *Reconnector) redial(ctx context.Context) *Client {
	for wait := firstRetry; ; wait = min(wait*3/2, lastRetry) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		client, err := r.dial(ctx)
		if err == nil {
			return client
		}
		if !errors.Is(err, ErrNotRunning) && ctx.Err() == nil {
			r.notify(Away{err})
		}
	}
}

// Writes reports whether a request of this kind may change data.
func Writes(do string) bool {
	switch do {
	case wire.DoCreate, wire.DoCreateAll, wire.DoUpdate, wire.DoDelete, wire.DoUpdateAll, wire.DoDeleteAll, wire.DoCall, wire.DoUndo, wire.DoReveal, wire.DoEndSession, wire.DoChangeJob, wire.DoRunJob:
		return true
	}
	return false
}
