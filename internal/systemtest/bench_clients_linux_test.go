package systemtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// The clients of benchmarks run in a process of their own, so that what the
// server's process takes is the server's: the test binary starts itself again,
// with the swarm's orders in its environment.

const swarmVariable = "TOWER_TEST_SWARM"

func TestMain(m *testing.M) {
	if path := os.Getenv(consoleVariable); path != "" {
		os.Exit(consoleMain(path))
	}
	if orders := os.Getenv(swarmVariable); orders != "" {
		if err := swarmMain(orders); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		return
	}
	if address := os.Getenv(nodeVariable); address != "" {
		if err := nodeMain(address); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(pgtest.Run(m))
}

// Orders say what a swarm does. Clients of sockets connect, say their frames, "%d"
// standing for their number, and count how often the mark comes in what they
// receive; or come when they are told to where, as many at once as come, say their
// frames, and go; or open narrowed cursors as fast as they can. Clients of HTTP post or get,
// all at once, again and again; callers do so over sockets, each with a number of calls on the way.
type orders struct {
	URL     string
	Clients int
	Say     []string
	Mark    string
	Post    string
	Get     bool
	Call    string
	Come    bool
	Narrow  string
}

// A swarm is the other end of the process: lines of text, one for each step.
type swarm struct {
	b   *testing.B
	in  io.WriteCloser
	out *bufio.Scanner
}

func startSwarm(b *testing.B, o orders) *swarm {
	b.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		b.Fatal(err)
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), swarmVariable+"="+string(text))
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	s := &swarm{b, in, bufio.NewScanner(out)}
	b.Cleanup(func() {
		in.Close()
		_ = command.Wait()
	})
	s.hear("ready")
	return s
}

func (s *swarm) say(format string, args ...any) { fmt.Fprintf(s.in, format+"\n", args...) }

// hear waits for a line that begins so, and returns the number that follows.
func (s *swarm) hear(word string) (number int64) {
	s.b.Helper()
	if !s.out.Scan() || !strings.HasPrefix(s.out.Text(), word) {
		s.b.Fatalf("the clients said %q (%v) instead of %q", s.out.Text(), s.out.Err(), word)
	}
	_, _ = fmt.Sscan(strings.TrimPrefix(s.out.Text(), word), &number)
	return number
}

// expect says that the swarm is to receive so many marks more; until then waits
// for them and returns when the last came.
func (s *swarm) expect(marks int) (until func() time.Time) {
	s.b.Helper()
	s.say("expect %d", marks)
	s.hear("expecting")
	return func() time.Time { return time.Unix(0, s.hear("received")) }
}

func swarmMain(text string) error {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	switch {
	case o.Post != "" || o.Get:
		return requesters(o)
	case o.Call != "":
		return callers(o)
	case o.Come:
		return comers(o)
	case o.Narrow != "":
		return narrowers(o)
	}
	var left atomic.Int64
	var ages ages
	for i := range o.Clients {
		socket, err := o.connect(i)
		if err != nil {
			return fmt.Errorf("client %d: %w", i, err)
		}
		go func() {
			sample := &ages
			if i%100 != 0 {
				sample = nil
			}
			if err := count(socket, []byte(o.Mark), &left, sample); err != nil {
				fmt.Println("failed", i, err)
			}
		}()
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "age" {
			fmt.Println("age", ages.takeP99().Nanoseconds())
			continue
		}
		var marks int64
		if _, err := fmt.Sscanf(lines.Text(), "expect %d", &marks); err != nil {
			return err
		}
		left.Add(marks)
		fmt.Println("expecting")
	}
	return nil
}

// come has all clients connect and say their frames, and returns how long it took
// until the last of them was answered. Then they go.
func (s *swarm) come(url string) time.Duration {
	s.say("come %s", socketURL(url))
	return time.Duration(s.hear("came"))
}

// comers come and go as they are told.
func comers(o orders) error {
	const atOnce = 64
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		o.URL = strings.TrimPrefix(lines.Text(), "come ")
		sockets := make([]*websocket.Conn, o.Clients)
		failed := make(chan error, atOnce)
		var next atomic.Int64
		var all sync.WaitGroup
		start := time.Now()
		for range atOnce {
			all.Go(func() {
				for i := int(next.Add(1)) - 1; i < o.Clients; i = int(next.Add(1)) - 1 {
					var err error
					if sockets[i], err = o.connect(i); err != nil {
						failed <- err
						return
					}
				}
			})
		}
		all.Wait()
		took := time.Since(start)
		if len(failed) > 0 {
			return <-failed
		}
		fmt.Println("came", took.Nanoseconds())
		for _, socket := range sockets {
			socket.Close()
		}
	}
	return nil
}

// connect connects a client and waits for the answers to each of its messages.
func (o orders) connect(number int) (*websocket.Conn, error) {
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferSize: 512, WriteBufferPool: &swarmBuffers}
	socket, _, err := dialer.Dial(o.URL, nil)
	for _, say := range o.Say {
		if err == nil {
			err = socket.WriteMessage(websocket.TextMessage, []byte(strings.ReplaceAll(say, "%d", fmt.Sprint(number))))
		}
		for left := max(1, strings.Count(say, `"id":`)); err == nil && left > 0; {
			var answer []byte
			if _, answer, err = socket.ReadMessage(); bytes.Contains(answer, []byte(`"error"`)) || bytes.Contains(answer, []byte(`"resync"`)) {
				err = fmt.Errorf("%s", answer)
			}
			left -= bytes.Count(answer, []byte(`"hello":`)) + bytes.Count(answer, []byte(`"status":`))
		}
	}
	return socket, err
}

// connectAll connects all clients.
func (o orders) connectAll() (sockets []*websocket.Conn, err error) {
	sockets = make([]*websocket.Conn, o.Clients)
	for i := range sockets {
		if sockets[i], err = o.connect(i); err != nil {
			return nil, err
		}
	}
	return sockets, nil
}

var swarmBuffers sync.Pool

// ages are how old records were when some of the clients received them.
type ages struct {
	mu  sync.Mutex
	all []time.Duration
}

// note takes the ages of the records in a message. A nil receiver takes none.
func (a *ages) note(message []byte) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rest := range bytes.Split(message, []byte(`"createdAt":"`))[1:] {
		text, _, _ := bytes.Cut(rest, []byte(`"`))
		if at, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
			a.all = append(a.all, time.Since(at))
		}
	}
}

// takeP99 returns the 99th percentile of the ages, and forgets them.
func (a *ages) takeP99() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) == 0 {
		return 0
	}
	defer func() { a.all = nil }()
	return p99(a.all)
}

// count takes the marks that a client receives off what is left to come.
func count(socket *websocket.Conn, mark []byte, left *atomic.Int64, sample *ages) error {
	var message bytes.Buffer
	for {
		_, reader, err := socket.NextReader()
		if err == nil {
			message.Reset()
			_, err = message.ReadFrom(reader)
		}
		if err != nil {
			return err
		}
		sample.note(message.Bytes())
		if marks := int64(bytes.Count(message.Bytes(), mark)); marks > 0 && left.Add(-marks) == 0 {
			fmt.Println("received", time.Now().UnixNano())
		}
	}
}

// requesters send requests over HTTP.
func requesters(o orders) error {
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.Clients, DisableCompression: true}}
	send := func() (*http.Response, error) { return client.Get(o.URL) }
	wanted := http.StatusOK
	if !o.Get {
		send = func() (*http.Response, error) {
			return client.Post(o.URL, "application/json", strings.NewReader(o.Post))
		}
		wanted = http.StatusCreated
	}
	return o.share(func(_ int, left *atomic.Int64) error {
		for left.Add(-1) >= 0 {
			response, err := send()
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
			if err == nil && response.StatusCode != wanted {
				err = fmt.Errorf("status %s", response.Status)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// callers call over sockets.
func callers(o orders) error {
	sockets, err := o.connectAll()
	if err != nil {
		return err
	}
	return o.share(func(client int, left *atomic.Int64) error { return o.callAhead(sockets[client], left) })
}

// share reads lines "send N". For each, the clients send N messages in all, and share prints "sent" and how many
// nanoseconds they took. Clients call send, which counts its messages down from left until none is left.
func (o orders) share(send func(client int, left *atomic.Int64) error) error {
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var messages int64
		if _, err := fmt.Sscanf(lines.Text(), "send %d", &messages); err != nil {
			return err
		}
		var left atomic.Int64
		left.Store(messages)
		failed := make(chan error, o.Clients)
		var all sync.WaitGroup
		start := time.Now()
		for client := range o.Clients {
			all.Go(func() {
				if err := send(client, &left); err != nil {
					failed <- err
				}
			})
		}
		all.Wait()
		if len(failed) > 0 {
			return <-failed
		}
		fmt.Println("sent", time.Since(start).Nanoseconds())
	}
	return nil
}

// callAhead makes calls while any are left, and does not wait for an answer until 16 are missing.
func (o orders) callAhead(socket *websocket.Conn, left *atomic.Int64) error {
	const ahead = 16
	for waiting := 0; ; {
		for ; waiting < ahead && left.Add(-1) >= 0; waiting++ {
			if err := socket.WriteMessage(websocket.TextMessage, []byte(o.Call)); err != nil {
				return err
			}
		}
		if waiting == 0 {
			return nil
		}
		_, answers, err := socket.ReadMessage()
		if err != nil {
			return err
		}
		created := bytes.Count(answers, []byte(`"status":201`))
		if created == 0 {
			return fmt.Errorf("%s", answers)
		}
		waiting -= created
	}
}
