package postgres

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// The parts of a history beside the records of each model.
const (
	partCommits = "commits"
	partCalls   = "calls"
)

// Sums are hashes of what was copied, each of one part in its order.
type sums struct {
	order []string
	of    map[string]*sum
}

type sum struct {
	hash  hash.Hash
	count int
}

func (s *sums) add(part string, texts ...[]byte) {
	one := s.of[part]
	if one == nil {
		if s.of == nil {
			s.of = map[string]*sum{}
		}
		one = &sum{hash: sha256.New()}
		s.of[part], s.order = one, append(s.order, part)
	}
	one.count++
	var size [8]byte
	for _, text := range texts {
		binary.BigEndian.PutUint64(size[:], uint64(len(text)))
		one.hash.Write(size[:])
		one.hash.Write(text)
	}
}

func (s *sums) addRow(model string, row *store.Row) {
	s.add(model, []byte(row.ID), binary.BigEndian.AppendUint64(nil, row.Version), row.Public, row.Private)
}

func (s *sums) addEntry(e *store.Entry) {
	s.add(partCommits, binary.BigEndian.AppendUint64(nil, e.Seq), e.Data, e.Key, e.Call)
}

// compare returns an error if other is not the same.
func (s *sums) compare(other sums) error {
	for part, b := range other.of {
		if s.of[part] == nil {
			return fmt.Errorf("the copy has %d %s, and there are none", b.count, part)
		}
	}
	for part, a := range s.of {
		switch b := other.of[part]; {
		case b == nil || a.count != b.count:
			return fmt.Errorf("the copy does not have all %d %s", a.count, part)
		case !bytes.Equal(a.hash.Sum(nil), b.hash.Sum(nil)):
			return fmt.Errorf("the copy of the %s differs", part)
		}
	}
	return nil
}

func (s *sums) parts() (all []wire.ComparedPart) {
	for _, part := range s.order {
		all = append(all, wire.ComparedPart{Name: part, Count: s.of[part].count})
	}
	return all
}
