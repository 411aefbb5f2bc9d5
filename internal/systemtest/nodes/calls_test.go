package nodes

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/wire/line"
)

// TestACallOnTwoNodes sends calls with one key to all nodes at once. Each takes effect once,
// and all answers are those of the run that did.
func TestACallOnTwoNodes(t *testing.T) {
	nodes := serve(t, 3)
	for i := range 20 {
		key := string(record.NewID())
		answers := make([]response, 6)
		var all sync.WaitGroup
		for k := range answers {
			all.Go(func() {
				answers[k] = newBrowser(t).send(nodes[k%3], "POST", "/notes", newNote{fmt.Sprint("note ", i)}, "Idempotency-Key", key)
			})
		}
		all.Wait()
		first, replayed := "", 0
		for _, answer := range answers {
			if answer.StatusCode != 201 || !strings.Contains(answer.text, fmt.Sprint("note ", i)) || first != "" && answer.text != first {
				t.Fatalf("%s %s; another answer was %s", answer.Status, answer.text, first)
			}
			first = answer.text
			if answer.Header.Get("Idempotency-Replayed") == "true" {
				replayed++
			}
		}
		if replayed != len(answers)-1 {
			t.Errorf("%d of %d answers are those of another run", replayed, len(answers))
		}
	}
	for _, n := range nodes {
		n.level(t, nodes[0])
		nodes[0].level(t, n)
	}
	if got := len(nodes[1].list(t)); got != 20 {
		t.Errorf("there are %d notes", got)
	}
}

// TestACallThatStillRuns is sent again to another node, which waits for its answer.
func TestACallThatStillRuns(t *testing.T) {
	slow = make(chan struct{})
	defer func() { slow = nil }()
	nodes := serve(t, 2)
	key := string(record.NewID())
	answers := make(chan response, 2)
	send := func(n *node) {
		answers <- newBrowser(t).send(n, "POST", "/slow", newNote{"slow"}, "Idempotency-Key", key)
	}
	go send(nodes[0])
	<-slow // the note is made
	nodes[1].level(t, nodes[0])
	go send(nodes[1])
	select {
	case answer := <-answers:
		t.Fatalf("%s %s before the call has run", answer.Status, answer.text)
	case slow <- struct{}{}:
	}
	a, b := <-answers, <-answers
	if a.text != b.text || a.StatusCode != 201 || b.StatusCode != 201 {
		t.Errorf("%s %s and %s %s", a.Status, a.text, b.Status, b.text)
	}
}

// TestHandleReachesAllNodes pushes to the connections of all nodes, in order, after the
// commits that were made before, and to each once.
func TestHandleReachesAllNodes(t *testing.T) {
	nodes := serve(t, 3)
	var peers []*peer
	for _, n := range nodes {
		for _, transport := range line.Transports() {
			p := newPeer(t, transport)
			p.connect(n)
			peers = append(peers, p)
		}
	}
	const rounds = 3
	for i := range rounds {
		note := nodes[i%3].write(t, fmt.Sprint("note ", i))
		handled, err := nodes[i%3].Handle(t.Context(), tower.Request{Method: "POST", Path: "/notice", In: newNote{string(note.ID)}})
		if err != nil || handled != len(line.Transports()) {
			t.Fatalf("%d connections of this node, %v", handled, err)
		}
	}
	last := nodes[0].write(t, "the last")
	for i, p := range peers {
		for p.texts()[string(last.ID)] == "" || len(p.pushes) < rounds {
			if _, err := p.receive(); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := p.call("POST /notice", newNote{"done"}, "")
		if err != nil || answer.Error != nil {
			t.Fatal(err, answer)
		}
		if len(p.pushes) != rounds {
			t.Errorf("client %d received %v", i, p.pushes)
		}
	}
	if _, err := nodes[0].Handle(t.Context(), tower.Request{Method: "GET", Path: "/"}); err == nil {
		t.Error("a page was handled")
	}
}
