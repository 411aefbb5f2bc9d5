package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// leave disconnects all clients, and remembers the position of the last commit.
func (t *target) leave(ctx context.Context) error {
	for i, c := range t.clients {
		if i == 0 && !t.floor { // the others may have all the places that there are
			_ = c.socket.Close()
			if err := t.readPosition(ctx); err != nil {
				return err
			}
		}
		_ = c.socket.Close()
	}
	t.readers.Wait()
	return nil
}

// readPosition remembers the position of the last commit.
func (t *target) readPosition(ctx context.Context) error {
	c := &client{address: addressOf(0)}
	var text []byte
	err := until(ctx, func() (err error) {
		if err = t.dial(ctx, c); err == nil {
			text, err = c.ask([]wire.Request{{Hello: wire.Version}})
			_ = c.socket.Close()
		}
		return err
	})
	var hello []wire.Hello
	if err == nil {
		err = json.Unmarshal(text, &hello)
	}
	if err != nil || len(hello) != 1 {
		return fmt.Errorf("read the position: %w %s", err, text)
	}
	t.since = wire.Position(hello[0].Epoch, hello[0].Seq)
	return nil
}

// until calls try until it succeeds: the application may not know yet that another client
// has left its place. It gives up after some seconds.
func until(ctx context.Context, try func() error) error {
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		err := try()
		if err == nil || wait > 5*time.Second {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writeMissed creates records while no client is connected.
func (t *target) writeMissed(ctx context.Context, req *loadRequest) error {
	method, path, body := t.writeRequest(req)
	return parallel(req.Times, req.Writers, func(int) error { return t.send(ctx, method, path, t.writer, body, nil) })
}

// resume connects the clients that left, and measures the time until the last of
// them is up to date. Each resumes its cursors from the position before leave.
func (t *target) resume(ctx context.Context, req *loadRequest) (reply loadReply, err error) {
	if req.URL != "" {
		t.url = req.URL
	}
	opens := t.cursorRequests()
	for i := range opens {
		opens[i].ID, opens[i].Since = uint64(i+1), t.since
	}
	began := time.Now()
	err = parallel(len(t.clients), resumeWorkers, func(i int) error {
		c := t.clients[i]
		if err := t.dial(ctx, c); err != nil || t.floor {
			return err
		}
		if _, err := c.ask([]wire.Request{{Hello: wire.Version}}); err != nil {
			return err
		}
		text, err := c.ask(opens)
		if err == nil && bytes.Contains(text, []byte(`"resync":`)) {
			err = fmt.Errorf("a client could not resume and received all records again: %.200s", text)
		}
		return err
	})
	reply.Seconds = []float64{time.Since(began).Seconds()}
	for _, c := range t.clients {
		t.readers.Go(func() { t.countCommits(c) })
	}
	return reply, err
}
