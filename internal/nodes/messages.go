package nodes

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Path is where nodes take messages, at an address of their own.
const Path = "/_tower/node"

// fromHeader names the sender of a message.
const fromHeader = "Tower-Node"

// The bounds of messages and answers.
const (
	maxMessage  = 1 << 20  // bytes of a message
	maxAnswer   = 64 << 20 // bytes of an answer
	maxHandled  = 256      // messages that are handled at once
	maxArriving = 64       // requests that are read at once
	dialTime    = 2 * time.Second
	readTime    = 10 * time.Second // for a whole message
	writeTime   = 10 * time.Second // for an answer
)

// A Handler handles messages. It sends any number of answers, and may answer an error, whose
// text the sender gets. ctx ends when the sender does not listen any more.
type Handler func(ctx context.Context, from Node, payload []byte, answer func([]byte) error) error

// ErrRemote is the error of a handler on another node.
type ErrRemote string

// Error returns its text.
func (e ErrRemote) Error() string { return string(e) }

// The kinds of an answer, its first byte.
const (
	kindAnswer = 'a'
	kindFailed = 'f'
	kindEnd    = 'e'
)

// Listen takes messages about these subjects from now on. Nodes that have something to answer
// call it, once.
func (g *Group) Listen(handlers map[string]Handler) error {
	address, err := g.listenAddress()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for other nodes: %w; TOWER_NODE_ADDRESS sets where", err)
	}
	in := &incoming{group: g, handlers: handlers, arriving: make(chan struct{}, maxArriving), handling: make(chan struct{}, maxHandled)}
	g.mu.Lock()
	g.server = &http.Server{Handler: in, ReadTimeout: readTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10, ErrorLog: nil}
	g.self.Address = listener.Addr().String()
	server := g.server
	g.mu.Unlock()
	g.serving.Go(func() { _ = server.Serve(listener) }) // until it is closed
	select {
	case g.changed <- struct{}{}:
	default:
	}
	return nil
}

// listenAddress returns where to listen. By default that is the address from which this machine
// reaches the registry, since that is a network that all nodes are in.
func (g *Group) listenAddress() (string, error) {
	if address := g.options.Address; address != "" {
		if _, _, err := net.SplitHostPort(address); err == nil {
			return address, nil
		}
		return net.JoinHostPort(strings.Trim(address, "[]"), "0"), nil
	}
	host := g.options.Registry.Host()
	if host == "" || strings.HasPrefix(host, "/") { // a unix socket
		return "127.0.0.1:0", nil
	}
	conn, err := net.DialTimeout("udp", net.JoinHostPort(host, "1"), dialTime) // sends nothing
	if err != nil {
		return "", fmt.Errorf("find the address that other nodes reach: %w; set TOWER_NODE_ADDRESS", err)
	}
	defer conn.Close()
	local, _, err := net.SplitHostPort(conn.LocalAddr().String())
	return net.JoinHostPort(local, "0"), err
}

// Send sends a message to a node, at most once, and returns its answers in their order as they
// come. An error ends them: [ErrRemote] is the handler's own. The caller ends ctx, or stops to
// range, when it needs no more.
func (g *Group) Send(ctx context.Context, to Node, subject string, payload []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := g.send(ctx, to, subject, payload, func(answer []byte) bool { return yield(answer, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

func (g *Group) send(ctx context.Context, to Node, subject string, payload []byte, yield func([]byte) bool) error {
	if to.Address == "" {
		return errors.New("it takes no messages: its consoles are off")
	}
	g.mu.Lock()
	g.sent++
	m := message{Number: g.sent, Subject: subject, Payload: payload}
	self := g.self.ID
	g.mu.Unlock()
	sealed, err := m.seal(g.options.Secrets[0], self, to.ID)
	if err != nil {
		return err
	}
	if len(sealed) > maxMessage {
		return fmt.Errorf("a message to another node has at most %d bytes", maxMessage)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+to.Address+Path, bytes.NewReader(sealed))
	if err != nil {
		return err
	}
	request.GetBody = nil // it is sent once
	request.Header.Set(fromHeader, self)
	response, err := g.client.Do(request)
	if err != nil {
		return reason(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("at %s it refused a message: %s; do all nodes have the same TOWER_SECRET?", to.Address, response.Status)
	}
	opened := newAnswers(g.options.Secrets[0], to.ID, self, sealed)
	for {
		text, err := readAnswer(response.Body, opened)
		switch {
		case err != nil:
			return fmt.Errorf("read its answer: %w", err)
		case text[0] == kindEnd:
			return nil
		case text[0] == kindFailed:
			return ErrRemote(text[1:])
		case !yield(text[1:]):
			return nil
		}
	}
}

func readAnswer(from io.Reader, opened *answers) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, unexpected(err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxAnswer+64 {
		return nil, errSeal
	}
	var sealed bytes.Buffer // grows by what has arrived, not by what was promised
	if _, err := io.CopyN(&sealed, from, int64(n)); err != nil {
		return nil, unexpected(err)
	}
	text, err := opened.open(sealed.Bytes())
	if err == nil && len(text) == 0 {
		err = errSeal
	}
	return text, err
}

// unexpected returns an error of a stream that ends before its end was sent.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// incoming serves the messages from other nodes. Whoever is none learns nothing.
type incoming struct {
	group    *Group
	handlers map[string]Handler
	arriving chan struct{}
	handling chan struct{}
}

func (in *incoming) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !in.group.begin() {
		return
	}
	defer in.group.serving.Done()
	if r.Method != http.MethodPost || r.URL.Path != Path {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	m, from, opened := in.read(w, r)
	if opened == nil {
		return
	}
	select {
	case in.handling <- struct{}{}:
		defer func() { <-in.handling }()
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	out := http.NewResponseController(w)
	write := func(kind byte, text []byte) error {
		if len(text) > maxAnswer {
			return fmt.Errorf("an answer to another node has at most %d MiB", maxAnswer>>20)
		}
		sealed := opened.seal(append([]byte{kind}, text...))
		if err := out.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(sealed)))); err != nil {
			return err
		}
		if _, err := w.Write(sealed); err != nil {
			return err
		}
		return out.Flush()
	}
	err := errors.New("this node does not know " + m.Subject)
	if handle := in.handlers[m.Subject]; handle != nil {
		w.WriteHeader(http.StatusOK)
		_ = out.SetReadDeadline(time.Time{}) // only the end of the connection is read now
		if err = out.Flush(); err == nil {   // the sender knows now that its message has come
			err = handle(r.Context(), from, m.Payload, func(text []byte) error { return write(kindAnswer, text) })
		}
	}
	if err != nil {
		_ = write(kindFailed, []byte(err.Error())) // the sender may be gone
		return
	}
	_ = write(kindEnd, nil)
}

// read reads a message and who sent it, and returns what seals the answers: nil if the request
// was answered already.
func (in *incoming) read(w http.ResponseWriter, r *http.Request) (m message, from Node, opened *answers) {
	select {
	case in.arriving <- struct{}{}:
		defer func() { <-in.arriving }()
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
		return m, from, nil
	}
	sealed, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil || len(sealed) < nonceSize {
		w.WriteHeader(http.StatusNotFound)
		return m, from, nil
	}
	g := in.group
	from.ID = r.Header.Get(fromHeader)
	self := g.Self()
	m, secret, err := openMessage(g.options.Secrets, from.ID, self.ID, sealed)
	if err != nil || !g.box.take(from.ID, m.Number) {
		w.WriteHeader(http.StatusNotFound)
		return m, from, nil
	}
	others, _ := g.Others()
	if i := slices.IndexFunc(others, func(n Node) bool { return n.ID == from.ID }); i >= 0 {
		from = others[i]
	}
	return m, from, newAnswers(secret, self.ID, from.ID, sealed)
}

// reason returns why a request failed, without its address.
func reason(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	var network *net.OpError
	if errors.As(err, &network) {
		err = network.Err
	}
	return err
}
