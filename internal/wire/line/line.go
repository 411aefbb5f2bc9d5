// Package line connects to an application over each transport of the protocol, as a client
// does. Tests, and commands that check a server, use it.
package line

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower/internal/wire"
)

// The transports of a client: a WebSocket; an event stream, with requests beside it; and
// requests alone.
const (
	Socket = "socket"
	Stream = "stream"
	Poll   = "poll"
)

// Transports returns all transports.
func Transports() []string { return []string{Socket, Stream, Poll} }

// A Line is the client's end of a transport. One goroutine may call Send and another Receive.
type Line interface {
	Send(message []byte) error // a frame, or an array of frames
	Receive() ([]byte, error)  // returns the next message, or an error if the line has ended
	Close()
}

// A ClosedError is how the server ended a line.
type ClosedError struct {
	Code   int
	Reason string
}

func (e *ClosedError) Error() string { return fmt.Sprintf("closed %d: %s", e.Code, e.Reason) }

// Dial connects to the application at url over one of the [Transports], with the header of
// each request. It sends no frame. The line does not end with ctx: close it.
func Dial(ctx context.Context, transport, url string, header http.Header) (Line, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	posts := posts{ctx: ctx, cancel: cancel, url: url, header: header}
	switch transport {
	case Stream:
		l := &streamLine{posts: posts}
		return l, l.open()
	case Poll:
		l := &pollLine{posts: posts}
		return l, l.open()
	default:
		defer cancel()
		conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(url, "http")+"/_tower/socket", header)
		return socketLine{conn}, err
	}
}

type socketLine struct{ conn *websocket.Conn }

func (l socketLine) Send(frame []byte) error {
	return l.conn.WriteMessage(websocket.TextMessage, frame)
}

func (l socketLine) Receive() ([]byte, error) {
	_, message, err := l.conn.ReadMessage()
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return nil, &ClosedError{closed.Code, closed.Text}
	}
	return message, err
}

func (l socketLine) Close() { _ = l.conn.Close() }

// posts holds the requests of a line without a socket.
type posts struct {
	ctx    context.Context
	cancel context.CancelFunc
	url    string
	header http.Header
	link   string
	batch  uint64
}

func (p *posts) post(path string, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.url+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header = p.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(req)
	if err != nil || response.StatusCode < 300 {
		return response, err
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return nil, fmt.Errorf("%s %s: %s", path, response.Status, text)
}

func (p *posts) Send(message []byte) error {
	var frames []json.RawMessage
	if json.Unmarshal(message, &frames) != nil { // it is not an array
		frames = []json.RawMessage{message}
	}
	p.batch++
	response, err := p.post("/_tower/send", wire.Batch{Link: p.link, Number: p.batch, Frames: frames})
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// take returns the message of a delivery, or an error if the line has ended.
func take(d *wire.Delivery) ([]byte, error) {
	if d.End != nil {
		return nil, &ClosedError{d.End.Code, d.End.Reason}
	}
	return d.Message, nil
}

type streamLine struct {
	posts
	events *bufio.Reader
	body   io.Closer
}

func (l *streamLine) open() error {
	response, err := l.post("/_tower/stream", struct{}{})
	if err != nil {
		return err
	}
	l.events, l.body = bufio.NewReader(response.Body), response.Body
	_, err = l.Receive()
	return err
}

func (l *streamLine) Receive() ([]byte, error) {
	for {
		line, err := l.events.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		var d wire.Delivery
		if err := json.Unmarshal(data, &d); err != nil {
			return nil, err
		}
		if d.Link != "" {
			l.link = d.Link
		}
		return take(&d)
	}
}

func (l *streamLine) Close() {
	l.cancel()
	_ = l.body.Close()
}

type pollLine struct {
	posts
	have uint64
}

func (l *pollLine) open() error {
	d, err := l.poll()
	if err == nil {
		l.link = d.Link
	}
	return err
}

func (l *pollLine) poll() (*wire.Delivery, error) {
	response, err := l.post("/_tower/poll", wire.Poll{Link: l.link, Have: l.have})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	d := &wire.Delivery{}
	return d, json.NewDecoder(response.Body).Decode(d)
}

func (l *pollLine) Receive() ([]byte, error) {
	for {
		d, err := l.poll()
		if err != nil {
			return nil, err
		}
		if l.have = max(l.have, d.Number); d.Message != nil || d.End != nil {
			return take(d)
		}
	}
}

// Close ends the link before the requests. Otherwise the server would keep the link for a while.
func (l *pollLine) Close() {
	if response, err := l.post("/_tower/send", wire.Batch{Link: l.link, End: true}); err == nil {
		_ = response.Body.Close()
	}
	l.cancel()
}
