package nodes

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestWindow compares a window with all the numbers that have come.
func TestWindow(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		var w window
		come := map[uint64]bool{}
		var newest uint64
		for range 3000 {
			number := newest + random.Uint64N(4)
			switch random.IntN(8) {
			case 0:
				number = newest - min(newest, random.Uint64N(2*windowSize))
			case 1:
				number = newest - min(newest, random.Uint64N(8))
			}
			if random.IntN(500) == 0 {
				number = newest + random.Uint64N(3*windowSize)
			}
			old := number == 0 || newest >= windowSize && number <= newest-windowSize
			if took, want := w.take(number), !old && !come[number]; took != want {
				t.Fatalf("message %d, after %d: taken %v, not %v", number, newest, took, want)
			}
			if !old {
				come[number], newest = true, max(newest, number)
			}
		}
	}
}
