package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/towerkit/tower/internal/wire"
)

// A client is one client.
type client struct {
	socket   *websocket.Conn
	cookie   string
	received atomic.Int64
	size     atomic.Int64 // of the last message
}

// open says hello and opens cursors.
func (l *client) open(cursors []wire.Request) error {
	if _, err := l.ask([]wire.Request{{Hello: wire.Version}}); err != nil {
		return err
	}
	for i, cursor := range cursors {
		cursor.ID = uint64(i + 1)
		if err := l.socket.WriteJSON(cursor); err != nil {
			return err
		}
		answer, err := l.answer(cursor.ID)
		if err != nil {
			return err
		}
		if answer.Error != nil {
			return fmt.Errorf("open %s: %s", cursor.Open, answer.Error.Message)
		}
	}
	return nil
}

// answer reads messages until the answer to a request.
func (l *client) answer(id uint64) (answer wire.Answer, err error) {
	for {
		_, message, err := l.socket.ReadMessage()
		if err != nil {
			return answer, err
		}
		frames, err := wire.Frames(message)
		if err != nil {
			return answer, err
		}
		for _, frame := range frames {
			var kind struct{ ID uint64 }
			if err := json.Unmarshal(frame, &kind); err != nil {
				return answer, err
			}
			if kind.ID == id {
				return answer, json.Unmarshal(frame, &answer)
			}
		}
	}
}

// commitMark begins a commit, and mergedMark several that had to wait and became
// one frame, from that with one seq to that with another. Nothing else that a
// server sends begins so.
var commitMark, mergedMark = []byte(`{"seq":`), []byte(`{"from":`)

// commitsIn counts the commits that a message tells of. While a benchmark waits,
// all that are made reach the clients that it waits for, so a merged frame tells of
// each from its first to its last.
func commitsIn(message []byte) int64 {
	n := int64(bytes.Count(message, commitMark))
	for {
		_, rest, found := bytes.Cut(message, mergedMark)
		if !found {
			return n
		}
		var from, to int64
		if _, err := fmt.Sscanf(string(rest[:min(len(rest), 64)]), `%d,"seq":%d`, &from, &to); err == nil {
			n += to - from + 1
		}
		message = rest
	}
}

// countCommits counts the commits that a client is sent.
func (t *target) countCommits(l *client) {
	for {
		_, message, err := l.socket.ReadMessage()
		if err != nil {
			return
		}
		n := commitsIn(message)
		if n == 0 {
			continue
		}
		l.size.Store(int64(len(message)))
		l.received.Add(n)
		if now := t.received.Add(n); now >= t.wanted.Load() && now-n < t.wanted.Load() {
			t.allReceived <- time.Now()
		}
	}
}

// dial connects a listener.
func (t *target) dial(ctx context.Context, l *client) (err error) {
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferSize: 256, HandshakeTimeout: 30 * time.Second}
	path := "/_tower/socket"
	if t.floor {
		path = "/socket"
	}
	l.socket, _, err = dialer.DialContext(ctx, "ws"+strings.TrimPrefix(t.url, "http")+path, http.Header{"Cookie": {l.cookie}})
	return err
}

// ask sends a message, and returns what it is answered, as an array.
func (l *client) ask(message []wire.Request) (answers []byte, err error) {
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
