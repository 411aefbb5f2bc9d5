package towertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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

// A line is the client's end of a transport.
type line interface {
	send(frame []byte) error
	receive() ([]byte, error) // returns the next message, or an error if the line has ended
	close()
}

func dialLine(ctx context.Context, transport, url string, header http.Header) (line, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // close ends it, after the test's context has ended
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

func (l socketLine) send(frame []byte) error {
	return l.conn.WriteMessage(websocket.TextMessage, frame)
}

func (l socketLine) receive() ([]byte, error) {
	_, message, err := l.conn.ReadMessage()
	return message, err
}

func (l socketLine) close() { _ = l.conn.Close() }

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

func (p *posts) send(frame []byte) error {
	p.batch++
	response, err := p.post("/_tower/send", wire.Batch{Link: p.link, Number: p.batch, Frames: []json.RawMessage{frame}})
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// take returns the message of a delivery, or an error if the line has ended.
func take(d *wire.Delivery) ([]byte, error) {
	if d.End != nil {
		return nil, fmt.Errorf("closed %d: %s", d.End.Code, d.End.Reason)
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
	_, err = l.receive()
	return err
}

func (l *streamLine) receive() ([]byte, error) {
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

func (l *streamLine) close() {
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

func (l *pollLine) receive() ([]byte, error) {
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

// close ends the link before the requests. Otherwise the server would keep the link for a while.
func (l *pollLine) close() {
	if response, err := l.post("/_tower/send", wire.Batch{Link: l.link, End: true}); err == nil {
		_ = response.Body.Close()
	}
	l.cancel()
}
