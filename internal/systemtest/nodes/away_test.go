package nodes

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/wire/line"
)

// impatient is the pace of nodes whose writes fail soon when the log is away.
var impatient = server.Pace{Reach: patience, LogWait: 50 * time.Millisecond}

var errNetwork = errors.New("the network is down")

// TestTheLogIsAway cuts one node off from the log. It serves what it has and refuses writes,
// over every transport and with the same code. When the log is back, what clients send again
// takes effect once, in the same history, and nobody reads everything again.
func TestTheLogIsAway(t *testing.T) {
	nodes := serveAt(t, 2, impatient)
	cut, other := nodes[0], nodes[1]
	cut.write(t, "before")
	var peers []*peer
	keys := map[*peer]string{}
	for _, transport := range line.Transports() {
		p := newPeer(t, transport)
		p.connect(cut)
		peers, keys[p] = append(peers, p), string(record.NewID())
	}
	epoch := peers[0].hello.Epoch
	other.level(t, cut)
	cut.log.Away(errNetwork)
	other.write(t, "meanwhile")

	b := newBrowser(t)
	for what, read := range reads {
		if n := read(newBrowser(t), cut); n != 1 {
			t.Errorf("%s finds %d notes", what, n)
		}
	}
	for what, answer := range map[string]response{
		"call":    b.send(cut, "POST", "/notes", newNote{"http"}),
		"form":    b.send(cut, "POST", "/notes", "text=http", "Accept", "text/html"),
		"handler": b.send(cut, "POST", "/raw", newNote{}),
		"sign-in": b.send(cut, "POST", "/users", name{"ada"}),
	} {
		if answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" || !strings.Contains(answer.text, "nothing can be saved at the moment") {
			t.Errorf("%s: %s, Retry-After %q: %s", what, answer.Status, answer.Header.Get("Retry-After"), answer.text)
		}
		if len(answer.Cookies()) > 0 {
			t.Errorf("%s sets %v", what, answer.Cookies())
		}
	}
	if answer := b.send(cut, "POST", "/notes", newNote{"http"}); !strings.Contains(answer.text, `"code":"unavailable"`) {
		t.Errorf("a call: %s", answer.text)
	}
	for _, p := range peers {
		answer, err := p.call("POST /notes", newNote{"sent again"}, keys[p])
		if err != nil || answer.Status != 503 || answer.Error.Code != "unavailable" || answer.Error.RetryAfter == 0 {
			t.Errorf("over a %s: %v, %+v", p.transport, err, answer)
		}
	}
	await(t, "state that is not ready", func() bool { status, _ := cut.health(t); return status == 503 })
	if _, report := cut.health(t); !strings.Contains(report, "the network is down") || !strings.Contains(report, "nothing can be written") || !strings.Contains(report, "Live:true") {
		t.Errorf("the report is %s", report)
	}
	if status, _ := other.health(t); status != 200 {
		t.Errorf("the other node: %d", status)
	}
	if live := b.send(cut, "GET", "/_tower/health/live", nil); live.StatusCode != 200 {
		t.Errorf("it is not live: %s", live.text)
	}

	cut.log.Away(nil)
	await(t, "state that is ready", func() bool { status, _ := cut.health(t); return status == 200 })
	for _, p := range peers {
		for range 2 {
			answer, err := p.call("POST /notes", newNote{"sent again"}, keys[p])
			if err != nil || answer.Error != nil {
				t.Fatalf("over a %s: %v, %+v", p.transport, err, answer)
			}
		}
	}
	last := cut.write(t, "after")
	other.level(t, cut)
	want := other.list(t)
	for _, p := range peers {
		for p.texts()[string(last.ID)] == "" {
			if _, err := p.receive(); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.texts(); !maps.Equal(got, want) || len(got) != 3+len(peers) {
			t.Errorf("over a %s: %v, want %v", p.transport, got, want)
		}
		p.connect(other)
		if len(p.resyncs) > 0 || p.hello.Epoch != epoch {
			t.Errorf("over a %s: resynced for %v in the history %s, which was %s", p.transport, p.resyncs, p.hello.Epoch, epoch)
		}
	}
}

// TestAWriteWaitsForTheLog lets writes wait for a log that comes back in time.
func TestAWriteWaitsForTheLog(t *testing.T) {
	nodes := serve(t, 2)
	nodes[0].log.Away(errNetwork)
	answers := make(chan response, 3)
	for i := range cap(answers) {
		go func() { answers <- newBrowser(t).send(nodes[0], "POST", "/notes", newNote{fmt.Sprint(i)}) }()
	}
	select {
	case answer := <-answers:
		t.Errorf("%s %s while the log is away", answer.Status, answer.text)
	case <-time.After(100 * time.Millisecond): // longer finds no more
	}
	nodes[0].log.Away(nil)
	for range cap(answers) {
		if answer := <-answers; answer.StatusCode != 201 {
			t.Errorf("%s %s", answer.Status, answer.text)
		}
	}
	nodes[1].level(t, nodes[0])
	if got := len(nodes[1].list(t)); got != cap(answers) {
		t.Errorf("there are %d notes", got)
	}
}

// TestANodeThatDoesNotGetThere sends clients away that have more than it gets. They keep what
// they have, and resume on another node.
func TestANodeThatDoesNotGetThere(t *testing.T) {
	for _, transport := range line.Transports() {
		for _, how := range []string{"stalled", "away"} {
			t.Run(transport+" "+how, func(t *testing.T) {
				nodes := serveAt(t, 2, server.Pace{Reach: 50 * time.Millisecond})
				p := newPeer(t, transport)
				p.connect(nodes[0])
				if how == "away" {
					nodes[1].log.Away(errNetwork)
				} else {
					resume := nodes[1].log.Stall()
					defer resume()
				}
				if answer, err := p.call("POST /notes", newNote{"new"}, ""); err != nil || answer.Error != nil {
					t.Fatal(err, answer)
				}
				_, err := p.tryConnect(nodes[1])
				var closed *line.ClosedError
				if !errors.As(err, &closed) || closed.Code != 1013 {
					t.Errorf("the node that lags: %v", err)
				}
				p.connect(nodes[0])
				if len(p.texts()) != 1 || len(p.resyncs) > 0 {
					t.Errorf("it holds %v, and was resynced for %v", p.texts(), p.resyncs)
				}
				answer := p.browser.send(nodes[1], "GET", "/_tower/read/notes.all?since="+p.state.At, nil)
				if answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
					t.Errorf("read over HTTP: %s %s", answer.Status, answer.text)
				}
			})
		}
	}
}

// TestANodeThatWasAwayForTooLong cannot follow the log any more. It says so, and a new start
// builds its replica anew.
func TestANodeThatWasAwayForTooLong(t *testing.T) {
	log := storetest.NewLog()
	log.Keep = 3
	nodes := []*node{join(t, log, 0, patient), join(t, log, 1, patient)}
	nodes[1].log.Away(errNetwork)
	for i := range 10 {
		nodes[0].write(t, fmt.Sprint(i))
	}
	nodes[1].log.Away(nil)
	await(t, "state that is not live", func() bool {
		return newBrowser(t).send(nodes[1], "GET", "/_tower/health/live", nil).StatusCode == 503
	})
	if _, report := nodes[1].health(t); !strings.Contains(report, "started again, it builds its replica anew") {
		t.Errorf("the report is %s", report)
	}
	fresh := join(t, log, 2, patient)
	if got := len(fresh.list(t)); got != 10 {
		t.Errorf("a fresh node has %d notes", got)
	}
}
