package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower/internal/wire"
)

// A demoClient is a client of the sample application, signed in as one of its
// people, with its lists open.
type demoClient struct {
	socket  *websocket.Conn
	cursors map[uint64]string // "published", "mine"
	lastID  uint64
}

// connect signs in over HTTP, as a browser does, and connects.
func (s *sample) connect(ctx context.Context, name, id string) (*demoClient, error) {
	body, err := json.Marshal(map[string]string{"user": id})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/session", bytes.NewReader(body))
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
	socket, _, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(s.url, "http")+"/_tower/socket", header)
	if err != nil {
		return nil, err
	}
	p := &demoClient{socket: socket, cursors: map[uint64]string{}}
	if err := p.open(ctx, wire.Request{Open: "posts.published"}, wire.Request{Open: "posts.mine"}); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *demoClient) close() { _ = p.socket.Close() }

// open says hello and opens cursors.
func (p *demoClient) open(ctx context.Context, cursors ...wire.Request) error {
	if err := p.socket.WriteJSON(wire.Request{Hello: wire.Version}); err != nil {
		return err
	}
	if _, err := p.read(ctx); err != nil {
		return err
	}
	for _, open := range cursors {
		answer, _, err := p.ask(ctx, open)
		if err != nil {
			return err
		}
		if answer.Error != nil {
			return fmt.Errorf("open %s: %s", open.Open, answer.Error.Message)
		}
		p.cursors[answer.Cursor] = strings.TrimPrefix(open.Open, "posts.")
	}
	return nil
}

// read returns the frames of the next message.
func (p *demoClient) read(ctx context.Context) ([]json.RawMessage, error) {
	stop := context.AfterFunc(ctx, p.close)
	defer stop()
	_, message, err := p.socket.ReadMessage()
	if err != nil {
		return nil, err
	}
	return wire.Frames(message)
}

// ask sends a request, and returns its answer and the commits that came before.
func (p *demoClient) ask(ctx context.Context, req wire.Request) (answer wire.Answer, commits []wire.Commit, err error) {
	p.lastID++
	req.ID = p.lastID
	if err := p.socket.WriteJSON(req); err != nil {
		return answer, nil, err
	}
	for {
		frames, err := p.read(ctx)
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

// received returns what became of the player's lists since it was last asked,
// sorted, and in how many messages it came. The commits so far have been sent
// before the answer to any request.
func (p *demoClient) received(ctx context.Context) (effects []string, messages int, err error) {
	_, commits, err := p.ask(ctx, wire.Request{Close: 1 << 52})
	for _, commit := range commits {
		for number, delta := range commit.Cursors {
			effects = appendEffects(effects, p.cursors[number], delta)
			for model, of := range delta.Include {
				effects = appendEffects(effects, p.cursors[number]+"/"+model, of)
			}
		}
	}
	slices.Sort(effects)
	return effects, len(commits), err
}

// appendEffects appends what becomes of the records of a list, or of what it includes.
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
