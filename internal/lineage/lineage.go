// Package lineage numbers the commits of a history that may lose some.
//
// A server that takes over from another one may lack the newest commits, which others have
// seen. The commits that follow are another lineage of the same history, and none of their
// numbers has been used before: a number names one commit, or one that is lost, for ever.
package lineage

import (
	"encoding/binary"
	"slices"
	"sort"
	"time"
)

// A Fork is where a lineage begins: First is the first commit after the commit After. The
// history has no commit in between.
type Fork struct{ After, First uint64 }

// Forks are those of a history, in order.
type Forks []Fork

// each is the time for which a lineage has a number, and no history is that fast for long.
// Clients keep numbers up to 2^53 exactly.
const each = 10 * time.Microsecond

var origin = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// First returns the first number of a lineage that begins now, after a commit. It is greater
// than those of all lineages that began earlier.
func First(after uint64, now time.Time) uint64 {
	return max(after, uint64(max(0, now.Sub(origin)/each))) + 1
}

// Add returns the forks with one more, which is the last one.
func (f Forks) Add(fork Fork) Forks { return append(slices.Clip(f), fork) }

// Until returns the forks before a commit and at it.
func (f Forks) Until(seq uint64) Forks {
	return f[:sort.Search(len(f), func(i int) bool { return f[i].First > seq })]
}

// in returns the fork that has no commit with that number, if there is one.
func (f Forks) in(seq uint64) (Fork, bool) {
	i := sort.Search(len(f), func(i int) bool { return f[i].First > seq })
	if i < len(f) && f[i].After < seq {
		return f[i], true
	}
	return Fork{}, false
}

// Has reports whether the number is of no lost commit.
func (f Forks) Has(seq uint64) bool {
	_, lost := f.in(seq)
	return !lost
}

// Next returns the number that comes after a number.
func (f Forks) Next(seq uint64) uint64 {
	if fork, lost := f.in(seq + 1); lost {
		return fork.First
	}
	return seq + 1
}

// Before returns the number that comes before a number, which is not 0.
func (f Forks) Before(seq uint64) uint64 {
	if fork, lost := f.in(seq - 1); lost {
		return fork.After
	}
	return seq - 1
}

// Count returns how many numbers come after one number, up to a later one.
func (f Forks) Count(after, last uint64) uint64 {
	if last <= after {
		return 0
	}
	count := last - after
	for _, fork := range f {
		if from, to := max(fork.After, after), min(fork.First-1, last); from < to {
			count -= to - from
		}
	}
	return count
}

// Append appends the forks to a text.
func (f Forks) Append(text []byte) []byte {
	for _, fork := range f {
		text = binary.BigEndian.AppendUint64(text, fork.After)
		text = binary.BigEndian.AppendUint64(text, fork.First)
	}
	return text
}

// Read returns the forks that Append has written.
func Read(text []byte) (forks Forks) {
	for ; len(text) >= 16; text = text[16:] {
		forks = append(forks, Fork{binary.BigEndian.Uint64(text), binary.BigEndian.Uint64(text[8:])})
	}
	return forks
}
