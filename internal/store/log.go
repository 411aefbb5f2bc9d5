package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/towerkit/tower/internal/lineage"
	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// An Op is what a commit did to a record.
type Op uint8

// The ops.
const (
	Create Op = iota + 1
	Update
	Delete
)

func (o Op) String() string {
	return [...]string{"", "create", "update", "delete"}[o]
}

// A Change is the net effect of a commit on one record. A record that was created and
// deleted in the same transaction is not in its commit.
type Change struct {
	Op     Op
	Model  *record.Model
	ID     record.ID
	Before *record.Image // nil for a create
	After  *record.Image // nil for a delete
}

// Same reports whether an update left a field unchanged.
func (c Change) Same(f *record.Field) bool {
	return c.Before != nil && c.After != nil && c.Before.SameField(c.After, f)
}

// A Commit is the changes of one transaction, in the order of the transaction's
// first writes to the records. All readers share it, so it must not be written to.
type Commit struct {
	Seq     uint64 // 1 is the epoch's first; 0 is no commit. See [Store.Before] for the others
	At      time.Time
	By      string // author, as passed to Begin
	Changes []Change
	Trace   any // what Tx.SetTrace was given; nil for a commit that was read from the log
}

// size estimates how much memory the commit takes: each image as JSON and as a
// struct.
func (c *Commit) size() int {
	size := 256
	for i := range c.Changes {
		size += 64 + c.Changes[i].Before.Size() + c.Changes[i].After.Size()
	}
	return size
}

// A head is the file's record of its log.
type head struct {
	seq   uint64 // of the newest commit
	bytes uint64 // total size of the log's entries
	tag   uint64 // of the newest commit, in a replica
}

func readHead(btx *bolt.Tx) head {
	data := btx.Bucket(metaBucket).Get(headKey)
	h := head{seq: binary.BigEndian.Uint64(data), bytes: binary.BigEndian.Uint64(data[8:])}
	if len(data) > 16 {
		h.tag = binary.BigEndian.Uint64(data[16:])
	}
	return h
}

func (h head) write(btx *bolt.Tx) error {
	data := binary.BigEndian.AppendUint64(nil, h.seq)
	data = binary.BigEndian.AppendUint64(data, h.bytes)
	if h.tag != 0 {
		data = binary.BigEndian.AppendUint64(data, h.tag)
	}
	return btx.Bucket(metaBucket).Put(headKey, data)
}

// An entry that is longer than this is cut into pieces. The first has the commit's seq as
// its key, the others the seq followed by their number, 4 bytes big-endian from 1.
//
// bbolt keeps a value in pages that lie side by side, with up to three more in the same leaf,
// and writes the leaf anew when one of them changes. Without pieces, a commit after
// a large one would write megabytes again, and the file would be full of gaps that no other
// large entry fits into.
const pieceSize = 64 << 10

func pieceKey(seq uint64, number uint32) []byte {
	if number == 0 {
		return seqKey(seq)
	}
	return binary.BigEndian.AppendUint32(seqKey(seq), number)
}

func isFirstPiece(key []byte) bool { return len(key) == 8 }

// isPiece reports whether key is that of the commit's piece with a number above 0.
func isPiece(key []byte, seq uint64, number uint32) bool {
	return len(key) == 12 && binary.BigEndian.Uint64(key) == seq && binary.BigEndian.Uint32(key[8:]) == number
}

// A writableLog is the bucket of the log in a transaction that writes: a [bolt.Bucket], or a
// bucket that notes the keys for a compaction.
type writableLog interface {
	Put(key, piece []byte) error
	Delete(key []byte) error
	Cursor() *bolt.Cursor
}

// putEntry puts the entry of a commit into the log. The entry must not be written to before
// the end of the transaction.
func putEntry(log writableLog, seq uint64, entry []byte) error {
	var number uint32
	for len(entry) > pieceSize {
		if err := log.Put(pieceKey(seq, number), entry[:pieceSize:pieceSize]); err != nil {
			return err
		}
		entry = entry[pieceSize:]
		number++
	}
	return log.Put(pieceKey(seq, number), entry)
}

// deleteEntry removes the entry of a commit from the log.
func deleteEntry(log writableLog, seq uint64) error {
	for {
		k, _ := log.Cursor().Seek(seqKey(seq))
		if k == nil || binary.BigEndian.Uint64(k) != seq {
			return nil
		}
		if err := log.Delete(k); err != nil {
			return err
		}
	}
}

// entries yields the log from that commit on: each commit's seq, and a copy of its entry.
func entries(btx *bolt.Tx, from uint64) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		cursor := btx.Bucket(logBucket).Cursor()
		k, v := cursor.Seek(seqKey(from))
		for k != nil {
			seq, entry := binary.BigEndian.Uint64(k), bytes.Clone(v)
			k, v = cursor.Next()
			for number := uint32(1); isPiece(k, seq, number); number++ {
				entry = append(entry, v...)
				k, v = cursor.Next()
			}
			if !yield(seq, entry) {
				return
			}
		}
	}
}

// readEntry returns a copy of a commit's entry, or nil.
func readEntry(btx *bolt.Tx, seq uint64) []byte {
	for found, entry := range entries(btx, seq) {
		if found == seq {
			return entry
		}
		break
	}
	return nil
}

// readForks returns where lineages begin that the file has commits of.
func readForks(btx *bolt.Tx) lineage.Forks {
	return lineage.Read(btx.Bucket(metaBucket).Get(forksKey))
}

// logStart returns the seq of the oldest commit in the log, or of the next commit if
// the log is empty.
func logStart(btx *bolt.Tx, h head) uint64 {
	k, _ := btx.Bucket(logBucket).Cursor().First()
	if k == nil {
		return h.seq + 1
	}
	return binary.BigEndian.Uint64(k)
}

// readLog returns the commits from to last: at least one, and no more than fit into
// budget bytes. If the log starts later than from, it returns [ErrExpired], and
// [ErrNoCommit] if from has been lost.
func (s *Store) readLog(btx *bolt.Tx, from, last uint64, budget int) ([]Commit, error) {
	var commits []Commit
	forks := readForks(btx)
	if !forks.Has(from) {
		return nil, lost(from)
	}
	err := eachEntry(btx, forks, from, last, budget, func(seq uint64, entry []byte) (size int, err error) {
		c, err := decodeCommit(seq, entry, s.Model)
		commits = append(commits, c)
		return len(entry), err
	})
	if err != nil {
		return nil, err
	}
	return commits, nil
}

// eachEntry calls fn with copies of the entries from one commit to another. It stops once the
// sizes that fn returns reach budget bytes. It returns [ErrExpired] if the log does not
// have one of the entries.
func eachEntry(btx *bolt.Tx, forks lineage.Forks, from, last uint64, budget int, fn func(seq uint64, entry []byte) (size int, err error)) error {
	if from > last {
		return nil
	}
	next := from
	for seq, entry := range entries(btx, from) {
		if seq != next {
			break
		}
		size, err := fn(seq, entry)
		if err != nil {
			return err
		}
		budget -= size
		if next = forks.Next(seq); next > last || budget <= 0 {
			return nil
		}
	}
	return expired(next)
}

func expired(seq uint64) error { return fmt.Errorf("commit %d: %w", seq, ErrExpired) }

func lost(seq uint64) error {
	return fmt.Errorf("commit %d was lost: %w: %w", seq, ErrNoCommit, ErrExpired)
}

// clearLog removes all commits from the log, and leaves out a number: whoever knows the
// state of the last commit has missed something.
func clearLog(btx *bolt.Tx) error {
	if err := btx.DeleteBucket(logBucket); err != nil {
		return err
	}
	if _, err := btx.CreateBucket(logBucket); err != nil {
		return err
	}
	return head{seq: readHead(btx).seq + 1}.write(btx)
}

// How much larger and older the log may get while somebody has not read it: see [Store.Hold].
const (
	heldBytes = 4
	heldAge   = 7
)

// Hold says that somebody has yet to read the commits after seq, or, with [math.MaxUint64],
// that nobody has. The log keeps them, up to four times its size and seven times its age.
func (s *Store) Hold(seq uint64) { s.held.Store(seq) }

// trim removes commits while the log is too large or they are too old, oldest first,
// at most limit of them.
func (s *Store) trim(btx *bolt.Tx, h *head, now time.Time, limit int) error {
	bucket := s.bucket(btx, logBucket)
	for trimmed := 0; ; {
		k, v := bucket.Cursor().First()
		if k == nil {
			return nil
		}
		if isFirstPiece(k) {
			if trimmed == limit || !s.outgrown(h, binary.BigEndian.Uint64(k), entryTime(v), now) {
				return nil
			}
			trimmed++
		}
		h.bytes -= uint64(len(v))
		if err := bucket.Delete(k); err != nil {
			return err
		}
	}
}

// outgrown reports whether the log must drop its oldest commit, made at that time: the log is
// too large, or the commit too old.
func (s *Store) outgrown(h *head, seq uint64, at, now time.Time) bool {
	most, age := uint64(s.options.LogBytes), s.options.LogAge
	if seq > s.held.Load() {
		most, age = most*heldBytes, age*heldAge
	}
	return h.bytes > most || at.Before(now.Add(-age))
}

// EachSetting calls fn with what the file has beside records, their indexes and the log, and what
// belongs to calls and marks: the names of its buckets, and what it states about the models.
func (s *Store) EachSetting(fn func([]byte)) error {
	return s.read(func(btx *bolt.Tx) error {
		return btx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			fn(name)
			switch string(name) {
			case string(metaBucket), string(schemaBucket), string(migrationsBucket):
				return bucket.ForEach(func(k, v []byte) error {
					fn(k)
					fn(v)
					return nil
				})
			}
			return nil
		})
	})
}

// Forget removes what the file has of the commits up to seq, and of those alone: their
// entries in the log, and the answers of calls that has finds something in. It also removes
// the marks that has finds something in, and what migrations have prepared. A client that
// knows an older state than that of seq reads everything again. The pages that this frees keep
// their content until the file is compacted.
func (s *Store) Forget(seq uint64, has func([]byte) bool) error {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	s.answers.forget(has)
	start := uint64(0)
	err := s.update(func(btx *bolt.Tx) error {
		h := readHead(btx)
		log := btx.Bucket(logBucket).Cursor()
		for k, v := log.First(); k != nil && binary.BigEndian.Uint64(k) <= seq; k, v = log.First() {
			h.bytes -= uint64(len(v))
			if err := log.Delete(); err != nil {
				return err
			}
		}
		start = logStart(btx, h)
		if btx.Bucket(preparedBucket) != nil {
			if err := btx.DeleteBucket(preparedBucket); err != nil {
				return err
			}
		}
		return errors.Join(h.write(btx), forgetAnswers(btx, has), forgetMarks(btx, has))
	})
	if err != nil {
		return fmt.Errorf("forget the commits up to %d: %w", seq, err)
	}
	s.ring.forget(start)
	return nil
}
