package cursor

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
)

// A cover makes the numbers by which clients know queries. They tell nothing: neither how
// many queries others have opened, as a counter would, nor whether others hold a query,
// since a query has the same number each time it is opened.
type cover [16]byte

func newCover() (c cover) {
	rand.Read(c[:])
	return c
}

// ofQuery returns the number of a query with canonical conditions.
func (c *cover) ofQuery(m *record.Model, where *query.Condition, by queryKey) uint64 {
	digest := where.Digest()
	text := append([]byte("query "), digest[:]...)
	text = query.AppendString(query.AppendString(text, m.Name), by.spec.key)
	return c.of(query.AppendString(text, by.tag))
}

// ofCount returns the number for a count.
func (c *cover) ofCount(n uint64) uint64 {
	return c.of(binary.BigEndian.AppendUint64([]byte("count "), n))
}

// of returns 52 bits, which every client's numbers can represent. 0 is no number.
func (c *cover) of(text []byte) uint64 {
	sum := sha256.Sum256(append(c[:len(c):len(c)], text...))
	return max(1, binary.BigEndian.Uint64(sum[:])>>12)
}
