package live

import (
	"testing"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

func TestThePaneKeepsTheLastCommits(t *testing.T) {
	p, at := NewPane(), time.Time{}
	p.Now = func() time.Time { return at }
	for seq := uint64(1); seq < 1200; seq++ {
		at = at.Add(time.Second)
		p.Event(wire.ControlEvent{Commit: &wire.CommitEvent{Seq: seq}})
	}
	if n := len(p.List().rows); n != longestPane || len(p.bySeq) != longestPane {
		t.Errorf("%d commits are kept, %d by seq", n, len(p.bySeq))
	}
}
