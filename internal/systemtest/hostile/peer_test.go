package hostile

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A peer is one connection of an attacker, over any transport. Its methods fail the test if
// the connection ends unexpectedly; the ones that begin with try return what happened.
type peer struct {
	attacker
	line  line
	heard []string // frames of the last message that were not asked for yet
}

// A line carries messages of one transport.
type line interface {
	send(message string) error           // frames, or a list of them
	receive() (string, *wire.End, error) // the next message, or the end of the connection
	close()
}

// onEachTransport runs a test for each transport.
func onEachTransport(t *testing.T, test func(t *testing.T, transport string)) {
	for _, transport := range towertest.Transports() {
		t.Run(transport, func(t *testing.T) { test(t, transport) })
	}
}

// tryConnect opens a connection, or returns the status and the text of the refusal. It sends
// no hello.
func (a attacker) tryConnect(transport string) (p *peer, status int, refusal string) {
	a.t.Helper()
	if a.user != "" && a.cookie == nil {
		a = a.onDevice(a.user) // a connection belongs to one session
	}
	links := links{a, a.client(), new(string), new(int)}
	var made line
	switch transport {
	case towertest.Socket:
		made, status, refusal = a.openSocket()
	case towertest.Stream:
		made, status, refusal = links.openStream()
	default:
		made, status, refusal = links.openPoll()
	}
	if made == nil {
		return nil, status, refusal
	}
	a.t.Cleanup(made.close)
	return &peer{attacker: a, line: made}, status, ""
}

// connect opens a connection without a hello.
func (a attacker) connect(transport string) *peer {
	a.t.Helper()
	p, status, refusal := a.tryConnect(transport)
	if p == nil {
		a.t.Fatalf("%s refused: %d %s", transport, status, refusal)
	}
	return p
}

// greet opens a connection and says hello.
func (a attacker) greet(transport string) *peer {
	a.t.Helper()
	p := a.connect(transport)
	if hello := p.ask(fmt.Sprintf(`{"hello":%d}`, wire.Version)); !strings.HasPrefix(hello, `{"hello":`) {
		a.t.Fatalf("the hello was answered by %s", hello)
	}
	return p
}

// say sends a frame, or a message that is none.
func (p *peer) say(frame string) {
	p.t.Helper()
	if err := p.line.send(frame); err != nil {
		p.t.Fatalf("send %.100s: %v", frame, err)
	}
}

// tryHear returns the next frame, or the end of the connection.
func (p *peer) tryHear() (string, *wire.End) {
	p.t.Helper()
	for len(p.heard) == 0 {
		message, end, err := p.line.receive()
		if err != nil {
			p.t.Fatalf("receive: %v", err)
		}
		if end != nil {
			return "", end
		}
		frames, err := wire.Frames([]byte(message))
		if err != nil {
			p.t.Fatalf("%v in %.200s", err, message)
		}
		for _, frame := range frames {
			p.heard = append(p.heard, string(frame))
		}
	}
	frame := p.heard[0]
	p.heard = p.heard[1:]
	return frame, nil
}

// hear returns the next frame.
func (p *peer) hear() string {
	p.t.Helper()
	frame, end := p.tryHear()
	if end != nil {
		p.t.Fatalf("the connection has ended: %d %s", end.Code, end.Reason)
	}
	return frame
}

// ask sends a frame and returns the next one that arrives.
func (p *peer) ask(frame string) string {
	p.t.Helper()
	p.say(frame)
	return p.hear()
}

// answer sends a frame and returns its answer, past all frames that arrive before. The frame
// must have the id.
func (p *peer) answer(id uint64, frame string) wire.Answer {
	p.t.Helper()
	p.say(frame)
	for {
		text := p.hear()
		var answer wire.Answer
		if !strings.Contains(text, `"status":`) {
			continue
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			p.t.Fatalf("%v in %.200s", err, text)
		}
		if answer.ID == id {
			return answer
		}
	}
}

// awaitEnd returns the end of the connection, past all frames that arrive before.
func (p *peer) awaitEnd() *wire.End {
	p.t.Helper()
	for {
		if _, end := p.tryHear(); end != nil {
			return end
		}
	}
}

// leave closes the connection.
func (p *peer) leave() { p.line.close() }

type socketLine struct{ *websocket.Conn }

func (a attacker) openSocket() (line, int, string) {
	a.t.Helper()
	dialer := websocket.Dialer{NetDialContext: a.dial, HandshakeTimeout: patience}
	header := a.newRequest("GET", "/", "").Header
	conn, response, err := dialer.DialContext(a.t.Context(), "ws"+strings.TrimPrefix(a.app.URL, "http")+"/_tower/socket", header)
	if err == nil {
		return socketLine{conn}, response.StatusCode, ""
	}
	if response == nil {
		a.t.Fatalf("open a socket: %v", err)
	}
	text, _ := io.ReadAll(response.Body)
	return nil, response.StatusCode, string(text)
}

func (s socketLine) send(message string) error {
	return s.WriteMessage(websocket.TextMessage, []byte(message))
}

func (s socketLine) receive() (string, *wire.End, error) {
	_ = s.SetReadDeadline(time.Now().Add(patience))
	_, message, err := s.ReadMessage()
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return "", &wire.End{Code: closed.Code, Reason: closed.Text}, nil
	}
	return string(message), nil, err
}

func (s socketLine) close() { s.Conn.Close() }

// links sends frames with requests of their own, for streams and polls.
type links struct {
	attacker
	http  *http.Client
	id    *string
	batch *int
}

func (l links) send(message string) error {
	frames := message
	if !strings.HasPrefix(frames, "[") {
		frames = "[" + frames + "]"
	}
	*l.batch++
	status, text := l.post("/_tower/send", fmt.Sprintf(`{"link":%q,"number":%d,"frames":%s}`, *l.id, *l.batch, frames))
	if status != http.StatusNoContent {
		return fmt.Errorf("status %d: %s", status, text)
	}
	return nil
}

func (l links) post(path, body string) (int, string) {
	response, text := l.request("POST", path, body)
	return response.StatusCode, text
}

func (l links) close() {
	response, err := l.http.Post(l.app.URL+"/_tower/send", "application/json", strings.NewReader(fmt.Sprintf(`{"link":%q,"end":true}`, *l.id)))
	if err == nil {
		response.Body.Close()
	}
}

type streamLine struct {
	links
	lines *bufio.Scanner
	body  io.Closer
}

func (l links) openStream() (line, int, string) {
	l.t.Helper()
	client := *l.client()
	client.Timeout = 0 // a stream lasts
	response, err := client.Do(l.newRequest("POST", "/_tower/stream", ""))
	if err != nil {
		l.t.Fatalf("open a stream: %v", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return nil, response.StatusCode, string(text)
	}
	s := &streamLine{l, bufio.NewScanner(response.Body), response.Body}
	s.lines.Buffer(nil, 1<<26)
	event, err := s.event()
	if err != nil {
		l.t.Fatalf("open a stream: %v", err)
	}
	*l.id = event.Link
	return s, response.StatusCode, ""
}

func (s *streamLine) event() (*wire.Delivery, error) {
	for s.lines.Scan() {
		if data, ok := strings.CutPrefix(s.lines.Text(), "data: "); ok {
			d := &wire.Delivery{}
			return d, json.Unmarshal([]byte(data), d)
		}
	}
	return nil, fmt.Errorf("the stream has ended without a reason: %w", s.lines.Err())
}

func (s *streamLine) receive() (string, *wire.End, error) {
	event, err := s.event()
	if err != nil {
		return "", nil, err
	}
	return string(event.Message), event.End, nil
}

func (s *streamLine) close() { s.body.Close() }

type pollLine struct {
	links
	have uint64
}

func (l links) openPoll() (line, int, string) {
	l.t.Helper()
	status, text := l.post("/_tower/poll", `{}`)
	if status != http.StatusOK {
		return nil, status, text
	}
	var d wire.Delivery
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		l.t.Fatalf("open a poll: %v in %s", err, text)
	}
	*l.id = d.Link
	return &pollLine{links: l}, status, ""
}

func (p *pollLine) receive() (string, *wire.End, error) {
	for {
		status, text := p.post("/_tower/poll", fmt.Sprintf(`{"link":%q,"have":%d,"wait":10}`, *p.id, p.have))
		if status == http.StatusTooManyRequests {
			continue
		}
		if status != http.StatusOK {
			return "", nil, fmt.Errorf("status %d: %s", status, text)
		}
		var d wire.Delivery
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return "", nil, fmt.Errorf("%w in %.200s", err, text)
		}
		if p.have = max(p.have, d.Number); d.Message != nil || d.End != nil {
			return string(d.Message), d.End, nil
		}
	}
}
