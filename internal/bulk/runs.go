package bulk

import (
	"bufio"
	"bytes"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/towerkit/tower/internal/private"
)

// A fact is what a row says of a record: that it exists, that it has a unique value, or that
// one of its fields refers to another. Facts about the same thing have the same hash, and
// stand together when all are sorted.
type fact [32]byte

// What a fact says.
const (
	exists byte = iota
	unique
	refers
)

func newFact(kind byte, file, line, field int, about ...string) (f fact) {
	hash := sha256.New()
	for _, part := range about {
		_ = binary.Write(hash, binary.BigEndian, uint32(len(part))) // a hash accepts everything
		_, _ = io.WriteString(hash, part)
	}
	var sum [sha256.Size]byte
	copy(f[:16], hash.Sum(sum[:0]))
	f[16] = kind
	binary.BigEndian.PutUint16(f[17:], uint16(file))
	binary.BigEndian.PutUint64(f[19:], uint64(line))
	binary.BigEndian.PutUint16(f[27:], uint16(field))
	return f
}

func (f *fact) about() []byte { return f[:16] }
func (f *fact) kind() byte    { return f[16] }
func (f *fact) file() int     { return int(binary.BigEndian.Uint16(f[17:])) }
func (f *fact) line() int     { return int(binary.BigEndian.Uint64(f[19:])) }
func (f *fact) field() int    { return int(binary.BigEndian.Uint16(f[27:])) }

func compareFacts(a, b fact) int { return bytes.Compare(a[:], b[:]) }

// facts sorts facts: in memory, and in sorted runs in a file if they are many.
type facts struct {
	path    string // of the file
	most    int    // in memory
	file    *os.File
	runs    []int64 // where each run ends
	waiting []fact
}

func (f *facts) add(one fact) error {
	f.waiting = append(f.waiting, one)
	if len(f.waiting) < f.most {
		return nil
	}
	return f.spill()
}

func (f *facts) spill() (err error) {
	if f.file == nil {
		if f.file, err = private.Open(f.path, os.O_CREATE|os.O_EXCL|os.O_RDWR); err != nil {
			return err
		}
	}
	slices.SortFunc(f.waiting, compareFacts)
	w := bufio.NewWriter(f.file)
	for i := range f.waiting {
		_, _ = w.Write(f.waiting[i][:]) // Flush returns the error
	}
	end := int64(len(f.waiting)) * int64(len(fact{}))
	if n := len(f.runs); n > 0 {
		end += f.runs[n-1]
	}
	f.runs, f.waiting = append(f.runs, end), f.waiting[:0]
	return w.Flush()
}

// each calls fn with all facts in order. No fact can be added after it.
func (f *facts) each(fn func(fact) error) error {
	slices.SortFunc(f.waiting, compareFacts)
	merged := &merge{}
	begin := int64(0)
	for _, end := range f.runs {
		r := bufio.NewReaderSize(io.NewSectionReader(f.file, begin, end-begin), 32<<10)
		if err := merged.add(func(next *fact) error {
			_, err := io.ReadFull(r, next[:])
			return err
		}); err != nil {
			return err
		}
		begin = end
	}
	if err := merged.add(func(next *fact) error {
		if len(f.waiting) == 0 {
			return io.EOF
		}
		*next, f.waiting = f.waiting[0], f.waiting[1:]
		return nil
	}); err != nil {
		return err
	}
	heap.Init(merged)
	for len(*merged) > 0 {
		run := (*merged)[0]
		if err := fn(run.first); err != nil {
			return err
		}
		more, err := run.advance()
		switch {
		case err != nil:
			return err
		case more:
			heap.Fix(merged, 0)
		default:
			heap.Pop(merged)
		}
	}
	return nil
}

func (f *facts) close() error {
	if f.file == nil {
		return nil
	}
	return errors.Join(f.file.Close(), os.Remove(f.path))
}

// A run is a sorted list of facts that is being read.
type run struct {
	first fact
	read  func(*fact) error // returns [io.EOF] at the end
}

// advance reads the next fact. It returns false if there is none.
func (r *run) advance() (bool, error) {
	err := r.read(&r.first)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

// A merge is a heap of runs by their first facts.
type merge []*run

func (m *merge) add(read func(*fact) error) error {
	r := &run{read: read}
	more, err := r.advance()
	if more {
		*m = append(*m, r)
	}
	return err
}

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return compareFacts(m[i].first, m[j].first) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*run)) }

// Pop removes the last run, to which heap.Pop has moved the first one.
func (m *merge) Pop() any {
	last := len(*m) - 1
	r := (*m)[last]
	*m = (*m)[:last]
	return r
}
