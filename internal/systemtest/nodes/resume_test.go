package nodes

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/line"
)

// TestRoaming lets clients go to another node after each answer, while all write. They see no
// gap and nothing twice, which the replica refuses, and their own writes at once. Some calls
// are sent again, to another node.
func TestRoaming(t *testing.T) {
	for _, transport := range line.Transports() {
		t.Run(transport, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			nodes := serve(t, 3)
			stop := make(chan struct{})
			written := make(chan int)
			go func() {
				made := 0
				defer func() { written <- made }()
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
						nodes[made%3].write(t, fmt.Sprint("beside ", made))
						made++
					}
				}
			}()
			p := newPeer(t, transport)
			p.connect(nodes[0])
			own := map[string]bool{}
			for i := range 40 {
				key := string(record.NewID())
				answer, err := p.call("POST /notes", newNote{fmt.Sprint("own ", i)}, key)
				if err != nil || answer.Error != nil {
					t.Fatal(err, answer)
				}
				var note Note
				if err := wireOut(answer, &note); err != nil {
					t.Fatal(err)
				}
				own[string(note.ID)] = true
				next := nodes[random.IntN(3)]
				if random.IntN(2) == 0 {
					p.connect(next)
					if again, err := p.call("POST /notes", newNote{fmt.Sprint("own ", i)}, key); err != nil || !again.Repeated {
						t.Fatalf("sent again: %v, %+v", err, again)
					}
				} else {
					p.connect(next)
				}
				for id := range own {
					if p.texts()[id] == "" {
						t.Fatalf("after answer %d the client does not see its own %s", i, id)
					}
				}
			}
			close(stop)
			made := <-written
			for _, n := range nodes[1:] {
				n.level(t, nodes[0])
				nodes[0].level(t, n)
			}
			p.connect(nodes[1])
			want := nodes[1].list(t)
			if got := p.texts(); !maps.Equal(got, want) || len(want) != made+40 {
				t.Errorf("the client has %d notes, the node %d; %d were made", len(got), len(want), made+40)
			}
			if len(p.resyncs) > 0 {
				t.Errorf("resyncs: %v", p.resyncs)
			}
		})
	}
}

// TestANodeThatLags lets a client resume at a node that does not have its position yet.
func TestANodeThatLags(t *testing.T) {
	for _, transport := range line.Transports() {
		t.Run(transport, func(t *testing.T) {
			nodes := serve(t, 2)
			p := newPeer(t, transport)
			p.connect(nodes[0])
			resume := nodes[1].log.Stall()
			defer resume()
			if answer, err := p.call("POST /notes", newNote{"new"}, ""); err != nil || answer.Error != nil {
				t.Fatal(err, answer)
			}
			connected := make(chan error, 1)
			go func() {
				answer, err := p.tryConnect(nodes[1])
				if err == nil && answer.Error != nil {
					err = fmt.Errorf("%s", answer.Error.Message)
				}
				connected <- err
			}()
			select {
			case err := <-connected:
				t.Fatalf("it is connected before the node has the commit: %v", err)
			case <-time.After(100 * time.Millisecond): // longer finds no more
			}
			resume()
			if err := <-connected; err != nil {
				t.Fatal(err)
			}
			if len(p.texts()) != 1 || len(p.resyncs) > 0 {
				t.Errorf("it holds %v, and was resynced for %v", p.texts(), p.resyncs)
			}
		})
	}
}

// TestAPositionThatNobodyHas is one of another history.
func TestAPositionThatNobodyHas(t *testing.T) {
	nodes := serve(t, 2)
	nodes[0].write(t, "a")
	p := newPeer(t, line.Socket)
	p.connect(nodes[0])
	epoch, seq, err := wire.ParsePosition(p.state.At)
	if err != nil {
		t.Fatal(err)
	}
	p.state.At = wire.Position(epoch, seq+1_000_000)
	p.connect(nodes[1])
	if fmt.Sprint(p.resyncs) != "[epoch]" || len(p.texts()) != 1 {
		t.Errorf("resyncs %v; it holds %v", p.resyncs, p.texts())
	}
}

// TestALinkOfAnotherNode sends what belongs to a stream or a poll to another node: the client
// connects again.
func TestALinkOfAnotherNode(t *testing.T) {
	for _, transport := range []string{line.Stream, line.Poll} {
		t.Run(transport, func(t *testing.T) {
			nodes := serve(t, 2)
			p := newPeer(t, transport)
			p.connect(nodes[0])
			b := newBrowser(t)
			for _, path := range []string{"/_tower/send", "/_tower/poll"} {
				answer := b.send(nodes[1], "POST", path, map[string]any{"link": "01", "number": 1, "frames": []any{}})
				if answer.StatusCode != 404 {
					t.Errorf("%s: %s %s", path, answer.Status, answer.text)
				}
			}
			nodes[0].write(t, "meanwhile")
			p.connect(nodes[1])
			nodes[1].level(t, nodes[0])
			p.connect(nodes[1])
			if len(p.texts()) != 1 || len(p.resyncs) > 0 {
				t.Errorf("it holds %v, and was resynced for %v", p.texts(), p.resyncs)
			}
		})
	}
}
