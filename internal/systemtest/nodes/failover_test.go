package nodes

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/wire/line"
)

// TestAFailoverThatLosesCommits resyncs exactly those clients that hold a lost commit, at
// whatever node, and no others.
func TestAFailoverThatLosesCommits(t *testing.T) {
	for _, transport := range line.Transports() {
		t.Run(transport, func(t *testing.T) {
			log := storetest.NewLog()
			ahead, behind := join(t, log, 0, patient), join(t, log, 1, patient)
			loseCommits(t, transport, ahead, behind, func() { behind.log.Away(errors.New("it is cut off")) }, func() {
				log.Lose(2)
				behind.log.Away(nil)
			})
		})
	}
}

// loseCommits writes two commits to a node that the other does not see once it is cut off, and
// that fail loses. It checks what clients have then. After fail the log can be reached by both.
func loseCommits(t *testing.T, transport string, ahead, behind *node, cut, fail func()) {
	t.Helper()
	for i := range 3 {
		ahead.write(t, fmt.Sprint("kept ", i))
	}
	behind.level(t, ahead)
	peers := map[string]*peer{}
	for _, name := range []string{"connected, holds", "left, holds", "goes elsewhere, holds", "left before", "goes elsewhere before"} {
		peers[name] = newPeer(t, transport)
		peers[name].connect(ahead)
	}
	elsewhere := newPeer(t, transport)
	elsewhere.connect(behind)
	peers["left before"].leave()
	peers["goes elsewhere before"].leave()
	cut()
	for i := range 2 {
		ahead.write(t, fmt.Sprint("lost ", i))
	}
	lost := ahead.Seq()
	for _, name := range []string{"connected, holds", "left, holds", "goes elsewhere, holds"} {
		peers[name].receiveUntil(5)
	}
	peers["left, holds"].leave()
	peers["goes elsewhere, holds"].leave()
	fail()
	behind.write(t, "new")
	ahead.level(t, behind)
	if behind.Seq() <= lost {
		t.Errorf("commit %d is new, and %d was lost", behind.Seq(), lost)
	}
	elsewhere.receiveUntil(4) // it stays connected
	for {                     // its node hangs up
		if _, err := peers["connected, holds"].receive(); err != nil {
			break
		}
	}
	want := behind.list(t)
	for name, node := range map[string]*node{"connected, holds": ahead, "left, holds": ahead, "goes elsewhere, holds": behind, "left before": ahead, "goes elsewhere before": behind} {
		p := peers[name]
		p.connect(node)
		var resyncs []string
		if strings.HasSuffix(name, "holds") {
			resyncs = []string{"epoch"}
		}
		if !slices.Equal(p.resyncs, resyncs) {
			t.Errorf("%s: resyncs %v, want %v", name, p.resyncs, resyncs)
		}
		if got := p.texts(); !maps.Equal(got, want) {
			t.Errorf("%s: it holds %v, want %v", name, got, want)
		}
	}
	if len(elsewhere.resyncs) > 0 || !maps.Equal(elsewhere.texts(), want) {
		t.Errorf("elsewhere: resyncs %v, it holds %v, want %v", elsewhere.resyncs, elsewhere.texts(), want)
	}
	if len(want) != 4 || !maps.Equal(ahead.list(t), want) {
		t.Errorf("the nodes have %v and %v", want, ahead.list(t))
	}
}

// receiveUntil receives until the peer holds so many notes.
func (p *peer) receiveUntil(count int) {
	p.t.Helper()
	for len(p.texts()) < count {
		if _, err := p.receive(); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestAFailoverThatLosesNothing resyncs nobody, and no connection ends.
func TestAFailoverThatLosesNothing(t *testing.T) {
	log := storetest.NewLog()
	nodes := []*node{join(t, log, 0, patient), join(t, log, 1, patient)}
	nodes[0].write(t, "before")
	nodes[1].level(t, nodes[0])
	stays, comes := newPeer(t, line.Transports()[0]), newPeer(t, line.Transports()[0])
	stays.connect(nodes[0])
	comes.connect(nodes[0])
	comes.leave()
	log.Lose(0)
	nodes[1].write(t, "after")
	stays.receiveUntil(2)
	comes.connect(nodes[1])
	comes.receiveUntil(2) // the resumed list may be of the commit before
	if len(stays.resyncs)+len(comes.resyncs) > 0 || !maps.Equal(stays.texts(), comes.texts()) {
		t.Errorf("resyncs %v and %v; they hold %v and %v", stays.resyncs, comes.resyncs, stays.texts(), comes.texts())
	}
}
