package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/towerkit/tower/internal/wire"
)

// A client is one connection to a target.
type client struct {
	socket   *websocket.Conn
	cookie   string
	address  string       // where the client is, for an application that trusts this machine as a proxy
	received atomic.Int64 // number of commits
	size     atomic.Int64 // bytes of the last message with a commit
}

// open sends hello and opens cursors.
func (c *client) open(cursors []wire.Request) error {
	if _, err := c.ask([]wire.Request{{Hello: wire.Version}}); err != nil {
		return err
	}
	for i, cursor := range cursors {
		cursor.ID = uint64(i + 1)
		if err := c.socket.WriteJSON(cursor); err != nil {
			return err
		}
		answer, err := c.answer(cursor.ID)
		if err != nil {
			return err
		}
		if answer.Error != nil {
			return fmt.Errorf("open %s: %s", cursor.Open, answer.Error.Message)
		}
	}
	return nil
}

// answer reads messages up to the answer to a request.
func (c *client) answer(id uint64) (answer wire.Answer, err error) {
	for {
		_, message, err := c.socket.ReadMessage()
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

// commitMark begins the frame of a commit, and mergedMark the frame of several commits
// that the server merged, {"from":815,"seq":829,…}. No other frame begins like them.
var commitMark, mergedMark = []byte(`{"seq":`), []byte(`{"from":`)

// commitsIn returns the number of commits in a message. A merged frame counts as every
// commit from its first to its last: while a benchmark waits, each commit concerns the
// clients that it waits for.
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

// countCommits reads the messages of a client and counts their commits, until the
// socket is closed, and remembers the error of one that the server has ended. It reports when all clients together have received t.wanted.
func (t *target) countCommits(c *client) {
	for {
		_, message, err := c.socket.ReadMessage()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				t.ended.Store(&err)
			}
			return
		}
		n := commitsIn(message)
		if n == 0 {
			continue
		}
		c.size.Store(int64(len(message)))
		c.received.Add(n)
		if now := t.received.Add(n); now >= t.wanted.Load() && now-n < t.wanted.Load() {
			t.allReceived <- time.Now()
		}
	}
}

// dial opens the socket of a client.
func (t *target) dial(ctx context.Context, c *client) (err error) {
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferSize: 256, HandshakeTimeout: 30 * time.Second}
	path := "/_tower/socket"
	if t.floor {
		path = "/socket"
	}
	header := http.Header{"Cookie": {c.cookie}, "X-Forwarded-For": {c.address}}
	c.socket, _, err = dialer.DialContext(ctx, "ws"+strings.TrimPrefix(t.url, "http")+path, header)
	return err
}

// addressOf returns an address for a client of its own, as clients have elsewhere: an
// application bounds the connections of each.
func addressOf(client int) string {
	return netip.AddrFrom4([4]byte{10, byte(client >> 16), byte(client >> 8), byte(client)}).String()
}

// closeTooMany is the close code of a connection that there is no place for.
const closeTooMany = 4429

// refused adds advice to the error of a connection that the application has no place for.
func refused(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code == closeTooMany {
		return tooMany(closed.Text)
	}
	return err
}

// refusal returns the error in a message whose answers include one.
func refusal(message []byte) error {
	frames, _ := wire.Frames(message) // without frames, the message itself is the error
	for _, frame := range frames {
		var answer wire.Answer
		if json.Unmarshal(frame, &answer) == nil && answer.Error != nil && answer.Error.Code == "too_many" {
			return tooMany(answer.Error.Message)
		}
	}
	return fmt.Errorf("the server answered %s", message)
}

func tooMany(reason string) error {
	return &hintedError{fmt.Errorf("the application refused it: %s", reason),
		"raise MaxClients, and for visitors MaxVisitors, in Config.Limits of the application, or use fewer --connections"}
}

// ask sends a message of requests, and returns the answers as a JSON array. It only
// counts the answers instead of decoding them, so that the load generator is no part
// of what is measured.
func (c *client) ask(message []wire.Request) (answers []byte, err error) {
	if err := c.socket.WriteJSON(message); err != nil {
		return nil, err
	}
	answers = []byte{'['}
	for left := len(message); left > 0; {
		_, text, err := c.socket.ReadMessage()
		if err != nil {
			return nil, err
		}
		if bytes.Contains(text, []byte(`"error":{`)) {
			return nil, refusal(text)
		}
		left -= bytes.Count(text, []byte(`"status":`)) + bytes.Count(text, []byte(`"hello":`))
		if len(answers) > 1 {
			answers = append(answers, ',')
		}
		answers = append(answers, bytes.Trim(text, "[]")...)
	}
	return append(answers, ']'), nil
}
