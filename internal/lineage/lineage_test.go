package lineage

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestForks compares random forks with a plain list of the numbers that they leave.
func TestForks(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var forks Forks
		var numbers []uint64
		for next := uint64(1); next < 60; next++ {
			if random.IntN(8) == 0 {
				after := uint64(0)
				if len(numbers) > 0 {
					after = numbers[len(numbers)-1]
				}
				next += 1 + random.Uint64N(5)
				forks = forks.Add(Fork{after, next})
			}
			numbers = append(numbers, next)
		}
		last := numbers[len(numbers)-1]
		for seq := uint64(0); seq <= last; seq++ {
			i, has := slices.BinarySearch(numbers, seq)
			if seq > 0 && forks.Has(seq) != has {
				t.Fatalf("seed %d: %v: %d is there: %v", seed, forks, seq, !has)
			}
			next, before := last+1, uint64(0)
			if j, _ := slices.BinarySearch(numbers, seq+1); j < len(numbers) {
				next = numbers[j]
			}
			if i > 0 {
				before = numbers[i-1]
			}
			if got := forks.Next(seq); got != next {
				t.Fatalf("seed %d: %v: after %d comes %d, want %d", seed, forks, seq, got, next)
			}
			if seq > 0 && forks.Before(seq) != before {
				t.Fatalf("seed %d: %v: before %d comes %d, want %d", seed, forks, seq, forks.Before(seq), before)
			}
			j, _ := slices.BinarySearch(numbers, seq+1)
			if got := forks.Count(seq, last); got != uint64(len(numbers)-j) {
				t.Fatalf("seed %d: %v: %d come after %d, want %d", seed, forks, got, seq, len(numbers)-j)
			}
		}
		if got := Read(forks.Append(nil)); !slices.Equal(got, forks) {
			t.Fatalf("seed %d: %v was read as %v", seed, forks, got)
		}
		if cut := forks.Until(last / 2); slices.ContainsFunc(cut, func(f Fork) bool { return f.First > last/2 }) {
			t.Fatalf("seed %d: until %d: %v", seed, last/2, cut)
		}
	}
}

// TestFirst is never a number that an earlier lineage may have used.
func TestFirst(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	first := First(850, now)
	if first <= 850 || first >= 1<<53 {
		t.Errorf("after 850 comes %d", first)
	}
	if again := First(850, now.Add(time.Second)); again < first+uint64(time.Second/each) {
		t.Errorf("a second later comes %d after %d", again, first)
	}
	if behind := First(first+5, now.AddDate(-30, 0, 0)); behind != first+6 {
		t.Errorf("with a clock that is behind comes %d after %d", behind, first+5)
	}
}
