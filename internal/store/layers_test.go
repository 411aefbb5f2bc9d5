package store

import (
	"maps"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Copies of a map behave as copies do, whichever is written or copied again.
func TestCopiesShareAndDiffer(t *testing.T) {
	type pair struct {
		layers layers[int, int]
		model  map[int]int
	}
	rapid.Check(t, func(t *rapid.T) {
		all := []*pair{{model: map[int]int{}}}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			p := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
			if rapid.IntRange(0, 3).Draw(t, "copies") == 0 {
				all = append(all, &pair{p.layers.copy(), maps.Clone(p.model)})
			} else {
				k, v := rapid.IntRange(0, 30).Draw(t, "key"), rapid.Int().Draw(t, "value")
				p.layers.set(k, v)
				p.model[k] = v
			}
		}
		for _, p := range all {
			if got := maps.Collect(p.layers.all()); !maps.Equal(got, p.model) {
				t.Fatalf("%v, want %v", got, p.model)
			}
			yielded := 0
			for range p.layers.all() {
				yielded++
			}
			if yielded != len(p.model) {
				t.Fatalf("%d keys were yielded, want %d", yielded, len(p.model))
			}
			for k := range 31 {
				v, ok := p.layers.get(k)
				if want, has := p.model[k]; v != want || ok != has {
					t.Fatalf("%d is %d, %v", k, v, ok)
				}
			}
		}
	})
}

func TestTrail(t *testing.T) {
	var a *trail[int]
	for i := range 5 {
		a = a.add(i)
	}
	b, c := a.add(5), a.add(6)
	if got := b.since(3); !slices.Equal(got, []int{3, 4, 5}) {
		t.Errorf("b: %v", got)
	}
	if got := c.since(0); !slices.Equal(got, []int{0, 1, 2, 3, 4, 6}) || len(c.since(6)) != 0 {
		t.Errorf("c: %v", got)
	}
}

// A transaction of many writes costs in proportion to them, however each is forked.
func TestForksDoNotCopyWhatTheTransactionHolds(t *testing.T) {
	b := newBlog(t, Options{})
	allocated := func(writes int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		tx := b.Begin("test")
		for range writes {
			fork := tx.Fork()
			if _, err := fork.Create(b.posts, &post{Title: "x"}); err != nil {
				t.Fatal(err)
			}
			if err := tx.Join(fork); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := allocated(500), allocated(4000)
	if ratio := float64(many) / float64(few); ratio > 2*8 { // a copy for each write makes it 64
		t.Errorf("8 times as many writes allocate %.1f times as much", ratio)
	}
}
