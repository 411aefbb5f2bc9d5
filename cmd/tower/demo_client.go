package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower/internal/wire"
)

// A demoClient is a WebSocket client of the sample application that is signed in as one of
// its users and has its lists open.
type demoClient struct {
	user    string
	title   string // the user, and the node
	socket  *websocket.Conn
	cursors map[uint64]string // "published" or "mine", by number
	lastID  uint64
}

// connect signs in over HTTP at a node, as a browser does, opens a socket and the cursors.
func (s *sample) connect(ctx context.Context, node, id string) (*demoClient, error) {
	body, err := json.Marshal(map[string]string{"user": id})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, node+"/session", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("sign in: %s", response.Status)
	}
	header := http.Header{"Cookie": {strings.Split(response.Header.Get("Set-Cookie"), ";")[0]}}
	socket, _, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(node, "http")+"/_tower/socket", header)
	if err != nil {
		return nil, err
	}
	c := &demoClient{socket: socket, cursors: map[uint64]string{}}
	if err := c.open(ctx, wire.Request{Open: "posts.published"}, wire.Request{Open: "posts.mine"}); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *demoClient) close() { _ = c.socket.Close() }

// open sends hello and opens cursors.
func (c *demoClient) open(ctx context.Context, cursors ...wire.Request) error {
	if err := c.socket.WriteJSON(wire.Request{Hello: wire.Version}); err != nil {
		return err
	}
	if _, err := c.read(ctx); err != nil {
		return err
	}
	for _, open := range cursors {
		answer, _, err := c.ask(ctx, open)
		if err != nil {
			return err
		}
		if answer.Error != nil {
			return fmt.Errorf("open %s: %s", open.Open, answer.Error.Message)
		}
		c.cursors[answer.Cursor] = strings.TrimPrefix(open.Open, "posts.")
	}
	return nil
}

// read returns the frames of the next message.
func (c *demoClient) read(ctx context.Context) ([]json.RawMessage, error) {
	stop := context.AfterFunc(ctx, c.close)
	defer stop()
	_, message, err := c.socket.ReadMessage()
	if err != nil {
		return nil, err
	}
	return wire.Frames(message)
}

// ask sends a request, and returns its answer and the commits that arrived before it.
func (c *demoClient) ask(ctx context.Context, req wire.Request) (answer wire.Answer, commits []wire.Commit, err error) {
	c.lastID++
	req.ID = c.lastID
	if err := c.socket.WriteJSON(req); err != nil {
		return answer, nil, err
	}
	for {
		frames, err := c.read(ctx)
		if err != nil {
			return answer, nil, err
		}
		for _, frame := range frames {
			var kind struct{ Seq, ID uint64 }
			if err := json.Unmarshal(frame, &kind); err != nil {
				return answer, nil, err
			}
			if kind.ID == req.ID {
				return answer, commits, json.Unmarshal(frame, &answer)
			}
			var commit wire.Commit
			if err := json.Unmarshal(frame, &commit); err != nil {
				return answer, nil, err
			}
			commits = append(commits, commit)
		}
	}
}

// received returns the effects on the client's lists up to a position, and since the previous
// call, sorted, and the number of messages with a commit. Another list that is opened from a position
// is answered after all commits up to there, on whichever node, so received waits for nothing
// else.
func (c *demoClient) received(ctx context.Context, position string) (effects []string, messages int, err error) {
	answer, commits, err := c.ask(ctx, wire.Request{Open: "posts.published", Limit: 1, Since: position})
	if err != nil {
		return nil, 0, err
	}
	if answer.Error != nil {
		return nil, 0, errors.New(answer.Error.Message)
	}
	if _, _, err := c.ask(ctx, wire.Request{Close: answer.Cursor}); err != nil {
		return nil, 0, err
	}
	for _, commit := range commits {
		for number, delta := range commit.Cursors {
			effects = appendEffects(effects, c.cursors[number], delta)
			for model, of := range delta.Include {
				effects = appendEffects(effects, c.cursors[number]+"/"+model, of)
			}
		}
	}
	slices.Sort(effects)
	return effects, len(commits), err
}

// appendEffects appends the effects of a delta on a list, or on the records of a model that
// the list includes.
func appendEffects(effects []string, of string, delta *wire.Delta) []string {
	for range delta.Enter {
		effects = append(effects, of+" enter")
	}
	for range delta.Change {
		effects = append(effects, of+" change")
	}
	for range delta.Leave {
		effects = append(effects, of+" leave")
	}
	return effects
}
