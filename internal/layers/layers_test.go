package layers

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Copies of a map behave as copies do, whichever is written or copied again.
func TestCopiesShareAndDiffer(t *testing.T) {
	type pair struct {
		layers Map[int, int]
		model  map[int]int
	}
	rapid.Check(t, func(t *rapid.T) {
		all := []*pair{{model: map[int]int{}}}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			p := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
			if rapid.IntRange(0, 3).Draw(t, "copies") == 0 {
				all = append(all, &pair{p.layers.Copy(), maps.Clone(p.model)})
			} else {
				k, v := rapid.IntRange(0, 30).Draw(t, "key"), rapid.Int().Draw(t, "value")
				p.layers.Set(k, v)
				p.model[k] = v
			}
		}
		for _, p := range all {
			if got := maps.Collect(p.layers.All()); !maps.Equal(got, p.model) {
				t.Fatalf("%v, want %v", got, p.model)
			}
			yielded := 0
			for range p.layers.All() {
				yielded++
			}
			if yielded != len(p.model) {
				t.Fatalf("%d keys were yielded, want %d", yielded, len(p.model))
			}
			for k := range 31 {
				v, ok := p.layers.Get(k)
				if want, has := p.model[k]; v != want || ok != has {
					t.Fatalf("%d is %d, %v", k, v, ok)
				}
			}
		}
	})
}

func TestTrail(t *testing.T) {
	var a *Trail[int]
	for i := range 5 {
		a = a.Add(i)
	}
	b, c := a.Add(5), a.Add(6)
	if got := b.Since(3); !slices.Equal(got, []int{3, 4, 5}) {
		t.Errorf("b: %v", got)
	}
	if got := c.Since(0); !slices.Equal(got, []int{0, 1, 2, 3, 4, 6}) || len(c.Since(6)) != 0 {
		t.Errorf("c: %v", got)
	}
}
