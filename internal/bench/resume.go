package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower/internal/wire"
)

const (
	missed     = 1000 // commits that clients miss before they come back
	backAtOnce = 64   // clients that are on their way back
)

// comeBack has all clients leave, and come back to the application when it has
// been started anew, each to what it held, and as many connect to the floor anew.
func (s *samples) comeBack(load *loadProcess, restart func() (url string, err error)) error {
	for _, target := range []string{"app", "floor"} {
		if err := load.do(loadRequest{Do: "leave", Target: target}, nil); err != nil {
			return err
		}
	}
	if err := load.do(loadRequest{Do: "miss", Target: "app", Published: true, Times: missed, Writers: writers}, nil); err != nil {
		return err
	}
	url, err := restart()
	if err != nil {
		return err
	}
	if err := s.reach(load, &s.back, loadRequest{Do: "return", Target: "app", URL: url}); err != nil {
		return err
	}
	return s.reach(load, &s.backFloor, loadRequest{Do: "return", Target: "floor"})
}

// leave closes all sockets. It notes the position up to which their clients have
// been told.
func (t *target) leave(ctx context.Context) error {
	if !t.floor {
		l := &listener{}
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
	for _, l := range t.listeners {
		_ = l.socket.Close()
	}
	t.readers.Wait()
	return nil
}

// miss makes records while nobody is there.
func (t *target) miss(ctx context.Context, req *loadRequest) error {
	method, path, body := t.message(req)
	return together(req.Times, req.Writers, func(int) error { return t.send(ctx, method, path, t.writer, body, nil) })
}

// comeBack connects those that have left, and returns how long it takes until
// the last of them is current. They hold what they held before.
func (t *target) comeBack(ctx context.Context, req *loadRequest) (reply loadReply, err error) {
	if req.URL != "" {
		t.url = req.URL
	}
	opens := t.opens()
	for i := range opens {
		opens[i].ID, opens[i].Since = uint64(i+1), t.since
	}
	began := time.Now()
	err = together(len(t.listeners), backAtOnce, func(i int) error {
		l := t.listeners[i]
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
	for _, l := range t.listeners {
		t.readers.Go(func() { t.read(l) })
	}
	return reply, err
}

// dial connects a listener.
func (t *target) dial(ctx context.Context, l *listener) (err error) {
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferSize: 256, HandshakeTimeout: 30 * time.Second}
	path := "/_tower/socket"
	if t.floor {
		path = "/socket"
	}
	l.socket, _, err = dialer.DialContext(ctx, "ws"+strings.TrimPrefix(t.url, "http")+path, http.Header{"Cookie": {l.cookie}})
	return err
}

// ask sends a message, and returns what it is answered, as an array.
func (l *listener) ask(message []wire.Request) (answers []byte, err error) {
	if err := l.socket.WriteJSON(message); err != nil {
		return nil, err
	}
	answers = []byte{'['}
	for left := len(message); left > 0; {
		_, text, err := l.socket.ReadMessage()
		if err != nil {
			return nil, err
		}
		if bytes.Contains(text, []byte(`"error":{`)) {
			return nil, fmt.Errorf("the server answers %s", text)
		}
		left -= bytes.Count(text, []byte(`"status":`)) + bytes.Count(text, []byte(`"hello":`))
		if len(answers) > 1 {
			answers = append(answers, ',')
		}
		answers = append(answers, bytes.Trim(text, "[]")...)
	}
	return append(answers, ']'), nil
}
