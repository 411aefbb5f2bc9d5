package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// A plainLog is a log of one store. Package storetest tests several.
type plainLog struct {
	entries []Entry
}

func (l *plainLog) Begin(context.Context, []*record.Model) (string, error) { return "E", nil }

func (l *plainLog) Tail(_ context.Context, at Position) ([]Entry, error) {
	return l.entries[at.Seq:], nil
}

func (l *plainLog) Turn(_ context.Context, at Position) (Turn, []Entry, error) {
	return plainTurn{l}, l.entries[at.Seq:], nil
}

func (l *plainLog) Next() uint64 { return uint64(len(l.entries)) + 1 }

type plainTurn struct{ *plainLog }

func (plainTurn) Foreign() []Foreign { return nil }

func (l *plainLog) Snapshot(context.Context, func(string, []Row) error) (seq, start uint64, err error) {
	return 0, 1, nil
}

func (l *plainLog) Answer(context.Context, string) ([]byte, error) { return nil, nil }

func (l *plainLog) Secret(_ context.Context, _, fresh string) (string, error) { return fresh, nil }
func (l *plainLog) Foreign() bool                                             { return false }

func (l *plainLog) Wake() <-chan struct{} { return nil }

func (l *plainLog) End() {}

func (l *plainLog) Append(_ context.Context, commits []Appended, _ []Call) error {
	for _, c := range commits {
		c.Data = append([]byte(nil), c.Data...)
		l.entries = append(l.entries, c.Entry)
	}
	return nil
}

// limitFile lets the file grow up to so many bytes. The writer does nothing meanwhile.
func (b *blog) limitFile(most int) {
	undone := errors.New("nothing is written")
	if err := b.update(func(btx *bolt.Tx) error {
		btx.DB().MaxSize = most
		return undone
	}); err != undone {
		b.t.Fatal(err)
	}
}

// A commit that the log has is made, whatever becomes of the file. The file takes it in as
// soon as it can.
func TestTheFileFailsAfterTheLogHasTheCommit(t *testing.T) {
	log := &plainLog{}
	b := newBlog(t, Options{Log: log})
	p := b.write("p", 0)
	before := len(log.entries)
	b.limitFile(1 << 18)
	long := strings.Repeat("x", 100_000)
	var err error
	made := 0
	for b.Following() == nil && made < 100 {
		tx := b.Begin("test")
		if _, err = tx.Create(b.posts, &post{Title: "t", Tags: []string{long}}); err == nil {
			_, err = tx.Commit(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		made++
	}
	if len(log.entries) != before+made || b.Seq() >= uint64(len(log.entries)) {
		t.Fatalf("%d were made; the log has %d, the file %d", made, len(log.entries), b.Seq())
	}
	if err := b.Reach(t.Context(), uint64(len(log.entries))); err == nil || errors.Is(err, ErrNoCommit) {
		t.Errorf("while the file takes in nothing: %v", err)
	}
	b.limitFile(0)
	if err := b.Reach(t.Context(), uint64(len(log.entries))); err != nil {
		t.Error(err)
	}
	if c := b.like(p, 1); c.Seq != uint64(before+made+1) {
		t.Errorf("commit %d follows %d", c.Seq, before+made)
	}
}

// A file that a crash has left while it was being built is built anew.
func TestAReplicaThatIsNotWhole(t *testing.T) {
	log := &plainLog{}
	b := newBlog(t, Options{Log: log})
	b.write("p", 0)
	if err := b.update(b.emptyReplica); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(Options{Log: log})
	if got := len(log.entries); b.Seq() != uint64(got) {
		t.Errorf("it opened at commit %d of %d", b.Seq(), got)
	}
	other, err := Open(filepath.Join(t.TempDir(), "other.db"), Options{Models: b.Models(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}
