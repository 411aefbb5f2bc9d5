package nodes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/store/storetest"
)

const secret = "a secret of thirty-two characters, more or less"

// join adds a node that answers messages about "echo", "count", "fail" and "wait".
func join(t *testing.T, l *storetest.Log, secrets ...string) *nodes.Group {
	t.Helper()
	return joinAt(t, l.Node(), secrets...)
}

func joinAt(t *testing.T, registry nodes.Registry, secrets ...string) *nodes.Group {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{secret}
	}
	g, err := nodes.Join(t.Context(), nodes.Options{Registry: registry, Secrets: secrets, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	err = g.Listen(map[string]nodes.Handler{
		"echo": func(_ context.Context, _ nodes.Node, payload []byte, answer func([]byte) error) error {
			return answer(payload)
		},
		"count": func(_ context.Context, _ nodes.Node, _ []byte, answer func([]byte) error) error {
			for i := range 100 {
				if err := answer(fmt.Append(nil, i)); err != nil {
					return err
				}
			}
			return nil
		},
		"fail": func(context.Context, nodes.Node, []byte, func([]byte) error) error {
			return errors.New("it does not work")
		},
		"wait": func(ctx context.Context, _ nodes.Node, _ []byte, answer func([]byte) error) error {
			if err := answer([]byte("waiting")); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { g.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		g.Close()
	})
	return g
}

// announce lets nodes know each other.
func announce(t *testing.T, all ...*nodes.Group) {
	t.Helper()
	for range 2 {
		for _, g := range all {
			if err := g.Announce(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNodesKnowEachOther(t *testing.T) {
	l := storetest.NewLog()
	a, b, c := join(t, l), join(t, l), join(t, l)
	announce(t, a, b, c)
	for i, g := range []*nodes.Group{a, b, c} {
		others, _ := g.Others()
		if g.Self().Number != i+1 || len(others) != 2 || others[0].Address == "" || others[1].Address == "" {
			t.Fatalf("node %d is %+v and sees %+v", i+1, g.Self(), others)
		}
	}
	_, changed := a.Others()
	if err := l.Node().Withdraw(t.Context(), b.Self().ID); err != nil {
		t.Fatal(err)
	}
	announce(t, a)
	select {
	case <-changed:
	default:
		t.Error("nothing says that a node is gone")
	}
	// The node that lives all the same comes back by itself.
	for {
		others, next := a.Others()
		if len(others) == 2 {
			break
		}
		select {
		case <-next:
		case <-time.After(time.Minute):
			t.Fatal("the node never came back")
		}
	}
}

func TestTheRegistryIsAway(t *testing.T) {
	l := storetest.NewLog()
	end := l.Node()
	a, b := joinAt(t, end), join(t, l)
	announce(t, a, b)
	end.Away(errors.New("away"))
	if err := a.Announce(t.Context()); err == nil || a.Err() == nil {
		t.Errorf("announced without a registry: %v, %v", err, a.Err())
	}
	if others, _ := a.Others(); len(others) != 1 {
		t.Errorf("without a registry a node forgot the others: %+v", others)
	}
	if _, err := nodes.Join(t.Context(), nodes.Options{Registry: end, Secrets: []string{secret}}); err == nil || !strings.Contains(err.Error(), "announce this node") {
		t.Errorf("joined without a registry: %v", err)
	}
	end.Away(nil)
	announce(t, a)
	if a.Err() != nil {
		t.Error(a.Err())
	}
}

func TestMessages(t *testing.T) {
	l := storetest.NewLog()
	a, b := join(t, l), join(t, l)
	announce(t, a, b)
	others, _ := a.Others()
	large := bytes.Repeat([]byte("x"), 500<<10)
	var got [][]byte
	for answer, err := range a.Send(t.Context(), others[0], "echo", large) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, answer)
	}
	if len(got) != 1 || !bytes.Equal(got[0], large) {
		t.Fatalf("%d answers", len(got))
	}
	n := 0
	for answer, err := range a.Send(t.Context(), others[0], "count", nil) {
		if err != nil || string(answer) != fmt.Sprint(n) {
			t.Fatalf("answer %d is %q (%v)", n, answer, err)
		}
		n++
	}
	if n != 100 {
		t.Errorf("%d answers, not 100", n)
	}
	for subject, want := range map[string]string{"fail": "it does not work", "nonsense": "this node does not know nonsense"} {
		for _, err := range a.Send(t.Context(), others[0], subject, nil) {
			var remote nodes.ErrRemote
			if !errors.As(err, &remote) || remote.Error() != want {
				t.Errorf("%s: %v", subject, err)
			}
		}
	}
	for _, err := range a.Send(t.Context(), others[0], "echo", make([]byte, 1<<20)) {
		if err == nil || !strings.Contains(err.Error(), "has at most") {
			t.Errorf("too large: %v", err)
		}
	}
	silent := others[0]
	silent.Address = ""
	for _, err := range a.Send(t.Context(), silent, "echo", nil) {
		if err == nil || !strings.Contains(err.Error(), "takes no messages") {
			t.Errorf("without an address: %v", err)
		}
	}
}

// TestASenderStopsToListen stops in three ways; the handler's context ends each time, or the
// group would not close.
func TestASenderStopsToListen(t *testing.T) {
	l := storetest.NewLog()
	a, b := join(t, l), join(t, l)
	announce(t, a, b)
	others, _ := a.Others()
	for range a.Send(t.Context(), others[0], "wait", nil) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for answer, err := range a.Send(ctx, others[0], "wait", nil) {
		if string(answer) == "waiting" {
			cancel()
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("%q, %v", answer, err)
		}
	}
	for answer, err := range a.Send(t.Context(), others[0], "wait", nil) {
		if string(answer) == "waiting" {
			b.Close()
		} else if err == nil {
			t.Errorf("the other node is gone, and it answers %q", answer)
		}
	}
}

// A tap is a proxy that keeps what nodes send, and can change it.
type tap struct {
	*httptest.Server
	to     string
	mu     sync.Mutex
	header http.Header
	body   []byte
	change func(answer []byte) []byte
}

func newTap(t *testing.T, to string) *tap {
	p := &tap{to: to}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.header, p.body = r.Header.Clone(), body
		p.mu.Unlock()
		status, answer := p.post(t, r.Method, r.URL.Path, r.Header, body)
		if p.change != nil {
			answer = p.change(answer)
		}
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *tap) post(t *testing.T, method, path string, header http.Header, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+p.to+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	return response.StatusCode, answer
}

func TestOnlyNodesAreHeard(t *testing.T) {
	l := storetest.NewLog()
	a, b, c := join(t, l), join(t, l), join(t, l)
	announce(t, a, b, c)
	others, _ := a.Others()
	p := newTap(t, others[0].Address)
	through := others[0]
	through.Address = strings.TrimPrefix(p.URL, "http://")
	for answer, err := range a.Send(t.Context(), through, "echo", []byte("hello")) {
		if string(answer) != "hello" || err != nil {
			t.Fatalf("%q, %v", answer, err)
		}
	}
	if bytes.Contains(p.body, []byte("hello")) || bytes.Contains(p.body, []byte("echo")) {
		t.Error("the message can be read on its way")
	}
	refused := func(what string, method, path string, header http.Header, body []byte) {
		t.Helper()
		status, answer := p.post(t, method, path, header, body)
		if status != http.StatusNotFound || len(answer) > 0 {
			t.Errorf("%s: %d %q", what, status, answer)
		}
	}
	refused("the same again", "POST", nodes.Path, p.header, p.body)
	changed := bytes.Clone(p.body)
	changed[len(changed)-1] ^= 1
	refused("a bit changed", "POST", nodes.Path, p.header, changed)
	forged := p.header.Clone()
	forged.Set("Tower-Node", c.Self().ID)
	refused("from another", "POST", nodes.Path, forged, p.body)
	refused("from nobody", "POST", nodes.Path, http.Header{}, p.body)
	refused("nothing", "POST", nodes.Path, p.header, nil)
	refused("too large", "POST", nodes.Path, p.header, make([]byte, 2<<20))
	refused("a browser", "GET", nodes.Path, http.Header{"Cookie": {"session=x"}, "Origin": {"http://" + p.to}}, nil)
	refused("another path", "GET", "/", http.Header{}, nil)
	p.to = others[1].Address
	refused("to another node", "POST", nodes.Path, p.header, p.body)
	p.to = others[0].Address

	for what, change := range map[string]func([]byte) []byte{
		"cut":      func(answer []byte) []byte { return answer[:len(answer)-40] },
		"a bit":    func(answer []byte) []byte { answer[10] ^= 1; return answer },
		"huge":     func(answer []byte) []byte { answer[0] = 0xff; return answer },
		"repeated": func(answer []byte) []byte { return append(bytes.Clone(answer[:4+12+16+1+len("hello")]), answer...) },
	} {
		p.change = change
		var last error
		for _, err := range a.Send(t.Context(), through, "echo", []byte("hello")) {
			last = err
		}
		if last == nil {
			t.Errorf("an answer that was %s is believed", what)
		}
	}
}

func TestAnotherSecret(t *testing.T) {
	l := storetest.NewLog()
	a, b := join(t, l), join(t, l, "another secret, of another application")
	announce(t, a, b)
	others, _ := a.Others()
	for answer, err := range a.Send(t.Context(), others[0], "echo", []byte("hello")) {
		if err == nil || !strings.Contains(err.Error(), "TOWER_SECRET") {
			t.Errorf("%q, %v", answer, err)
		}
	}
	// While a secret is replaced, some nodes seal with the new one, and all open both.
	fresh := "the secret that replaces the one before it"
	c, d := join(t, l, fresh, secret), join(t, l, secret, fresh)
	announce(t, a, b, c, d)
	for _, pair := range [][2]*nodes.Group{{c, d}, {d, c}} {
		for answer, err := range pair[0].Send(t.Context(), pair[1].Self(), "echo", []byte("hello")) {
			if string(answer) != "hello" || err != nil {
				t.Errorf("%q, %v", answer, err)
			}
		}
	}
}

func TestAddress(t *testing.T) {
	l := storetest.NewLog()
	for address, want := range map[string]string{"": "127.0.0.1:", "127.0.0.1": "127.0.0.1:", "127.0.0.1:0": "127.0.0.1:"} {
		g, err := nodes.Join(t.Context(), nodes.Options{Registry: l.Node(), Secrets: []string{secret}, Address: address})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Listen(nil); err != nil || !strings.HasPrefix(g.Self().Address, want) {
			t.Errorf("%q: %q, %v", address, g.Self().Address, err)
		}
		g.Close()
	}
	g, err := nodes.Join(t.Context(), nodes.Options{Registry: l.Node(), Secrets: []string{secret}, Address: "192.0.2.1:7000"})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(nil); err == nil || !strings.Contains(err.Error(), "TOWER_NODE_ADDRESS") {
		t.Errorf("listens at an address of another machine: %v", err)
	}
}
