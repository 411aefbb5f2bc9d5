package store

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// longPost makes a commit whose entry has that size in the log.
func (b *blog) longPost(size int) Commit {
	b.t.Helper()
	for tag := strings.Repeat("x", size-500); ; {
		c := b.do(func(tx *Tx) error {
			_, err := tx.Create(b.posts, &post{Title: "long", Tags: []string{tag}})
			return err
		})
		all, err := b.Entries(c.Seq, 1)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(all[0].Data) == size {
			return c
		}
		tag = strings.Repeat("x", len(tag)+size-len(all[0].Data))
	}
}

// pieces returns the sizes of the pieces in which the log keeps a commit, and checks their keys.
func (b *blog) pieces(seq uint64) (sizes []int) {
	b.t.Helper()
	if err := b.db.Load().View(func(btx *bolt.Tx) error {
		cursor := btx.Bucket(logBucket).Cursor()
		for k, v := cursor.Seek(seqKey(seq)); k != nil && slices.Equal(k[:8], seqKey(seq)); k, v = cursor.Next() {
			if want := pieceKey(seq, uint32(len(sizes))); !slices.Equal(k, want) {
				b.t.Errorf("the log has the key %x, want %x", k, want)
			}
			sizes = append(sizes, len(v))
		}
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	return sizes
}

func TestALongEntryIsInPieces(t *testing.T) {
	b := newBlog(t, Options{})
	b.ring.maxCount = 1
	var commits []Commit
	for _, c := range []struct {
		size int
		want []int
	}{
		{pieceSize - 1, []int{pieceSize - 1}},
		{pieceSize, []int{pieceSize}},
		{pieceSize + 1, []int{pieceSize, 1}},
		{2 * pieceSize, []int{pieceSize, pieceSize}},
		{2*pieceSize + 1, []int{pieceSize, pieceSize, 1}},
		{5*pieceSize - 1, []int{pieceSize, pieceSize, pieceSize, pieceSize, pieceSize - 1}},
	} {
		commit := b.longPost(c.size)
		if got := b.pieces(commit.Seq); !slices.Equal(got, c.want) {
			t.Errorf("an entry of %d bytes is kept as %d, want %d", c.size, got, c.want)
		}
		commits = append(commits, commit)
		b.write("short", 0)
	}
	for _, c := range commits {
		got, err := b.Feed(c.Seq - 1).Next(context.Background())
		if err != nil || got.Seq != c.Seq || string(got.Changes[0].After.JSON) != string(c.Changes[0].After.JSON) {
			t.Errorf("commit %d is read as commit %d, with an error %v", c.Seq, got.Seq, err)
		}
	}
	all, err := b.Entries(1, math.MaxInt)
	if err != nil || len(all) != int(b.Seq()) {
		t.Errorf("the log has %d of %d entries: %v", len(all), b.Seq(), err)
	}
	size, counted := b.logBytes()
	if size != counted {
		t.Errorf("the log has %d bytes, its header states %d", counted, size)
	}
}

// The log drops all pieces of a commit at once.
func TestALongEntryIsTrimmedWhole(t *testing.T) {
	now := time.UnixMicro(1_000_000)
	b := newBlog(t, Options{LogAge: time.Hour, Now: func() time.Time { return now }})
	b.write("short", 0)
	b.longPost((trimMore + 40) * pieceSize)
	last := b.longPost(2*pieceSize + 1)
	now = now.Add(time.Hour + time.Second)
	b.write("new", 0)
	if start := b.LogStart(); start != last.Seq+1 {
		t.Errorf("the log begins at %d, want %d", start, last.Seq+1)
	}
	for seq := range last.Seq + 1 {
		if pieces := b.pieces(seq); pieces != nil {
			t.Errorf("of commit %d, the log still has %d", seq, pieces)
		}
	}
	if size, counted := b.logBytes(); size != counted {
		t.Errorf("the log has %d bytes, its header states %d", counted, size)
	}
}

func TestALongEntryIsForgottenWhole(t *testing.T) {
	b := newBlog(t, Options{})
	last := b.longPost(3*pieceSize + 1)
	b.longPost(2*pieceSize + 1)
	if err := b.Forget(last.Seq, func([]byte) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if start := b.LogStart(); start != last.Seq+1 {
		t.Errorf("the log begins at %d, want %d", start, last.Seq+1)
	}
}

// A feed and Check report a missing piece.
func TestAMissingPieceIsAnError(t *testing.T) {
	for number := range uint32(3) {
		b := &blog{t: t, posts: mustModel(t, "posts", &post{}), users: mustModel(t, "users", &user{}), path: t.TempDir() + "/x.db"}
		b.open(Options{})
		b.ring.maxCount = 1
		commit := b.longPost(2*pieceSize + 100)
		b.write("short", 0)
		if err := b.db.Load().Update(func(btx *bolt.Tx) error {
			return btx.Bucket(logBucket).Delete(pieceKey(commit.Seq, number))
		}); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Feed(commit.Seq - 1).Next(context.Background()); err == nil {
			t.Errorf("without its piece %d, commit %d is read as %v", number, commit.Seq, got)
		}
		if err := b.Check(context.Background()); err == nil {
			t.Errorf("nobody misses the piece %d", number)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A file of the earlier format keeps each entry whole. The store reads it, and gives it the new format, which
// earlier programs refuse.
func TestAFileWithWholeEntries(t *testing.T) {
	b := newBlog(t, Options{})
	b.ring.maxCount = 1
	c := b.longPost(3*pieceSize + 1)
	b.write("short", 0)
	if err := b.db.Load().Update(func(btx *bolt.Tx) error {
		entry, log := readEntry(btx, c.Seq), btx.Bucket(logBucket)
		return errors.Join(
			deleteEntry(log, c.Seq),
			log.Put(seqKey(c.Seq), entry),
			btx.Bucket(metaBucket).Put(formatKey, []byte(wholeFormat)),
		)
	}); err != nil {
		t.Fatal(err)
	}
	b.close()
	f, err := OpenFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(Options{})
	if got, err := b.Feed(c.Seq - 1).Next(context.Background()); err != nil || string(got.Changes[0].After.JSON) != string(c.Changes[0].After.JSON) {
		t.Errorf("commit %d is read as %d: %v", c.Seq, got.Seq, err)
	}
	if err := b.db.Load().View(func(btx *bolt.Tx) error {
		if got := string(btx.Bucket(metaBucket).Get(formatKey)); got != format {
			t.Errorf("the file has the format %q, want %q", got, format)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b.close()
	if f, err = OpenFile(b.path); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if state, err := f.State(); err != nil || state.Seq != b.Seq() {
		t.Errorf("the file is at %d, want %d: %v", state.Seq, b.Seq(), err)
	}
}
