package cursor

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A previewer is a world whose moves are known in advance. It records what each client
// receives.
type previewer struct {
	*world
	moves    []Move
	received map[*replica]string
}

func (p *previewer) Rescope(store.Commit) []Move { return p.moves }

func (p *previewer) Deliver(c store.Commit, effects []Effect, moved []Moved) {
	for _, e := range effects {
		for _, h := range e.Holders {
			p.record(p.received, h, Previewed{Deltas: e.Deltas, Value: e.Value, Included: e.Included})
		}
	}
	for _, m := range moved {
		p.record(p.received, m.Holder, Previewed{Deltas: m.Deltas, Value: m.Value, Included: m.Included, Closed: m.To == nil})
	}
	p.world.Deliver(c, effects, moved)
}

func (p *previewer) record(by map[*replica]string, h Holder, seen Previewed) {
	if seen.empty() {
		return
	}
	text := fmt.Sprint(deltaText(seen.Deltas), seen.Closed)
	if seen.Value != nil {
		text += seen.Value.String()
	}
	var with []string
	for _, in := range seen.Included {
		with = append(with, in.Model.Name+" "+deltaText(in.Deltas))
		p.counts["included"]++
	}
	slices.Sort(with)
	by[h.(*replica)] += text + strings.Join(with, "; ")
}

// choose chooses the moves of the next commit.
func (p *previewer) choose(r *rand.Rand) {
	p.moves = nil
	clients := slices.SortedFunc(maps.Keys(p.clients), func(a, b *replica) int { return a.number - b.number })
	for _, c := range clients {
		switch n := r.IntN(12); {
		case n == 0:
			p.moves = append(p.moves, Move{Holder: c})
		case n == 1:
			tag := r.IntN(len(p.questions))
			if (kindOf(&p.questions[tag]) == query.ValueNone) != (kindOf(&p.questions[c.tag]) == query.ValueNone) {
				continue
			}
			to := p.spec(c, tag, c.viewer.level.Load)
			p.moves = append(p.moves, Move{Holder: c, To: &to})
		}
	}
}

// TestCommitsDoWhatTheirPreviewReported checks that a commit does to each holder what its
// preview reported, and that the preview changes nothing.
func TestCommitsDoWhatTheirPreviewReported(t *testing.T) {
	r := querytest.Rand(t)
	w := newWorld(t, r, 60, 90)
	p := &previewer{world: w, received: map[*replica]string{}}
	w.engine = NewEngine(w.st, p, func(err error) { t.Error(err) })
	w.engine.Bound(newLedger(t))
	w.engine.spare = 0
	querytest.RunEngine(t, w.engine)
	ctx := t.Context()
	var clients []*replica
	for i := range 40 {
		clients = append(clients, &replica{number: i, viewer: querytest.Pick(r, w.viewers)})
	}
	own := w.ids()
	previewed, seen := 0, map[*replica]string{}
	for range 300 {
		w.act(ctx, r, querytest.Pick(r, clients))
		w.mu.Lock()
		p.choose(r)
		w.mu.Unlock()
		tx := w.st.Begin("test")
		for range 1 + r.IntN(3) {
			var invalid *record.InvalidError
			if err := w.writeOne(r, tx, &own, 30); err != nil && !errors.As(err, &invalid) && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if r.IntN(4) == 0 {
			if _, err := tx.Update(w.m.Users, querytest.Pick(r, w.users), func(x any) error { x.(*querytest.User).Level++; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		clear(seen)
		clear(p.received)
		for range 2 { // a second preview reports the same
			clear(seen)
			_, all, err := w.engine.Preview(ctx, func(seq uint64) (store.Commit, error) { return tx.Preview(ctx, seq) }, p.Rescope)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range all {
				p.record(seen, f.Holder, f)
			}
		}
		if len(p.received) > 0 {
			t.Fatal("a preview reached a client")
		}
		c, err := tx.Commit(ctx)
		var invalid *record.InvalidError
		if errors.As(err, &invalid) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Seq == 0 {
			continue
		}
		if err := w.engine.Wait(ctx, c.Seq); err != nil {
			t.Fatal(err)
		}
		if previewed += len(seen); !maps.Equal(seen, p.received) {
			t.Fatalf("commit %d: preview was\n%s\nand received\n%s", c.Seq, allText(seen), allText(p.received))
		}
	}
	if previewed < 100 || w.counts["included"] < 10 {
		t.Errorf("only %d received anything, %d of included records", previewed, w.counts["included"])
	}
	w.end()
}

func allText(by map[*replica]string) string {
	var all []string
	for c, text := range by {
		all = append(all, fmt.Sprintf("%d: %s", c.number, text))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
