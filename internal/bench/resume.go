package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// leave closes all sockets. It notes the position up to which their clients have
// been told.
func (t *target) leave(ctx context.Context) error {
	if !t.floor {
		l := &client{}
		if err := t.dial(ctx, l); err != nil {
			return err
		}
		text, err := l.ask([]wire.Request{{Hello: wire.Version}})
		_ = l.socket.Close()
		var hello []wire.Hello
		if err == nil {
			err = json.Unmarshal(text, &hello)
		}
		if err != nil || len(hello) != 1 {
			return fmt.Errorf("ask for the position: %w %s", err, text)
		}
		t.since = wire.Position(hello[0].Epoch, hello[0].Seq)
	}
	for _, l := range t.clients {
		_ = l.socket.Close()
	}
	t.readers.Wait()
	return nil
}

// writeMissed makes records while nobody is there.
func (t *target) writeMissed(ctx context.Context, req *loadRequest) error {
	method, path, body := t.writeRequest(req)
	return parallel(req.Times, req.Writers, func(int) error { return t.send(ctx, method, path, t.writer, body, nil) })
}

// resume connects those that have left, and returns how long it takes until
// the last of them is current. They hold what they held before.
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
		l := t.clients[i]
		if err := t.dial(ctx, l); err != nil || t.floor {
			return err
		}
		if _, err := l.ask([]wire.Request{{Hello: wire.Version}}); err != nil {
			return err
		}
		text, err := l.ask(opens)
		if err == nil && bytes.Contains(text, []byte(`"resync":`)) {
			err = fmt.Errorf("a client was sent everything anew: %.200s", text)
		}
		return err
	})
	reply.Seconds = []float64{time.Since(began).Seconds()}
	for _, l := range t.clients {
		t.readers.Go(func() { t.countCommits(l) })
	}
	return reply, err
}
