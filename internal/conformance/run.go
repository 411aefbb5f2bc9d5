package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/line"
)

// patience is how long a run waits for a frame.
const patience = time.Minute

// Run plays the script with the server at url, "http://localhost:3000", whose clients use one
// of [line.Transports]. The error names the line of the script where the server differs.
func (s Script) Run(ctx context.Context, url, transport string) error {
	r := &run{ctx: ctx, url: strings.TrimSuffix(url, "/"), transport: transport, names: bindings{"$ulid": ulid.Make().String()}, clients: map[string]*client{}}
	defer r.close()
	for _, a := range s.acts {
		if err := r.take(a); err != nil {
			return fmt.Errorf("%s, line %d: %w", s.Name, a.line, err)
		}
	}
	return nil
}

type run struct {
	ctx       context.Context
	url       string
	transport string
	names     bindings
	clients   map[string]*client
	status    int // of the last request
	body      []byte
}

// A client reads its line in a goroutine, which ends with the line.
type client struct {
	line   line.Line
	frames chan json.RawMessage
	err    error // why the line ended; set before frames is closed
}

func (r *run) close() {
	for _, c := range r.clients {
		c.close()
	}
}

func (c *client) close() {
	c.line.Close()
	for range c.frames { // until the goroutine has ended
	}
}

func (c *client) read() {
	defer close(c.frames)
	for {
		message, err := c.line.Receive()
		var frames []json.RawMessage
		if err == nil {
			frames, err = wire.Frames(message)
		}
		if err != nil {
			c.err = err
			return
		}
		for _, frame := range frames {
			c.frames <- frame
		}
	}
}

func (r *run) take(a act) error {
	if a.client == "http" {
		return r.request(a)
	}
	c := r.clients[a.client]
	switch {
	case a.do == "connect":
		if c != nil {
			c.close()
		}
		return r.connect(a.client)
	case c == nil:
		return fmt.Errorf("%s is not connected", a.client)
	}
	switch a.do {
	case "close":
		c.close()
		delete(r.clients, a.client)
		return nil
	case "send":
		return r.send(c, a)
	case "closed":
		return c.awaitClose(a.status)
	}
	frame, err := c.next()
	if err != nil {
		return err
	}
	got, err := decode(frame)
	if err == nil {
		err = r.names.match(a.json, got)
	}
	if err != nil {
		return fmt.Errorf("%w\n  the server sent %s", err, frame)
	}
	return nil
}

func (r *run) connect(name string) error {
	to, err := line.Dial(r.ctx, r.transport, r.url, http.Header{})
	if err != nil {
		return fmt.Errorf("connect over a %s: %w", r.transport, err)
	}
	c := &client{line: to, frames: make(chan json.RawMessage)}
	go c.read()
	r.clients[name] = c
	return nil
}

func (r *run) send(c *client, a act) error {
	if a.json == nil {
		return c.line.Send([]byte(`"not a frame"`))
	}
	filled, err := r.names.fill(a.json)
	if err != nil {
		return err
	}
	frame, err := json.Marshal(filled)
	if err != nil {
		return err
	}
	return c.line.Send(frame)
}

func (c *client) next() (json.RawMessage, error) {
	select {
	case frame, ok := <-c.frames:
		if !ok {
			return nil, fmt.Errorf("the connection ended: %w", c.err)
		}
		return frame, nil
	case <-time.After(patience):
		return nil, fmt.Errorf("no frame within %s", patience)
	}
}

// awaitClose waits until the server ends the line. It skips the frames before.
func (c *client) awaitClose(code int) error {
	for {
		if _, err := c.next(); err != nil {
			var closed *line.ClosedError
			switch {
			case !errors.As(err, &closed):
				return fmt.Errorf("expected close code %d: %w", code, err)
			case closed.Code != code:
				return fmt.Errorf("the close code is %d (%s), expected %d", closed.Code, closed.Reason, code)
			}
			return nil
		}
	}
}

// request sends a request outside of a connection, or checks its answer.
func (r *run) request(a act) error {
	if a.do == "receive" {
		return r.checkAnswer(a)
	}
	filled, err := r.names.fill(a.json)
	if err != nil {
		return err
	}
	path, err := r.names.fillText(a.path)
	if err != nil {
		return err
	}
	var body io.Reader
	if a.json != nil {
		data, err := json.Marshal(filled)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(r.ctx, a.method, r.url+fmt.Sprint(path), body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	r.status = response.StatusCode
	r.body, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return err
}

func (r *run) checkAnswer(a act) error {
	if r.status != a.status {
		return fmt.Errorf("the status is %d, expected %d: %s", r.status, a.status, r.body)
	}
	if a.json == nil {
		return nil
	}
	got, err := decode(r.body)
	if err == nil {
		err = r.names.match(a.json, got)
	}
	if err != nil {
		return fmt.Errorf("%w\n  the server sent %s", err, r.body)
	}
	return nil
}
