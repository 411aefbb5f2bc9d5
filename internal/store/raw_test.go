package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

// dump returns every record of a state, with its version and what is private of it.
func dump(t *testing.T, s *Store) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := s.View(context.Background(), func(snap *Snapshot) error {
		for _, m := range s.Models() {
			if err := snap.Scan(m, Range{}, func(image *record.Image) bool {
				found[m.Name+"/"+string(image.ID)] = fmt.Sprintf("%d %s %s", image.Version, image.JSON, image.Private)
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A written store has seen some random commits. states has what each of them left, the
// first one nothing.
type written struct {
	store  *Store
	models []*record.Model
	path   string
	states []map[string]string
	keys   map[uint64]*Attempt // the calls of commits that belong to one
}

func writeAtRandom(t *testing.T, rng *rand.Rand, commits int) *written {
	t.Helper()
	w := &written{path: filepath.Join(t.TempDir(), "test.db"), states: []map[string]string{{}}, keys: map[uint64]*Attempt{}}
	w.models = []*record.Model{mustModel(t, "users", &user{}), mustModel(t, "posts", &post{})}
	w.open(t, w.path)
	for range commits {
		w.commit(t, rng)
	}
	return w
}

func (w *written) open(t *testing.T, path string) {
	t.Helper()
	s, err := Open(path, Options{Models: w.models})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w.store = s
}

// tags returns none, or one that may be so long that the log keeps its commit in pieces.
func tags(rng *rand.Rand) []string {
	if rng.IntN(6) > 0 {
		return nil
	}
	return []string{strings.Repeat("t", rng.IntN(4*pieceSize))}
}

// commit makes one random commit.
func (w *written) commit(t *testing.T, rng *rand.Rand) {
	t.Helper()
	tx := w.store.Begin("test")
	if rng.IntN(3) == 0 {
		attempt, err := NewAttempt("ada", record.NewID(), []byte("request"))
		if err != nil {
			t.Fatal(err)
		}
		tx.SetAttempt(attempt)
		w.keys[uint64(len(w.states))] = attempt
	}
	var users []record.ID
	if err := w.store.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(w.models[0], Range{}, func(image *record.Image) bool {
			users = append(users, image.ID)
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 1 + rng.IntN(3) {
		u := &user{Name: fmt.Sprint("name ", rng.IntN(5)), Email: fmt.Sprint(rng.Int64()), Hash: fmt.Sprint("hash ", rng.Int64())}
		_, err := tx.Create(w.models[0], u)
		must(err)
		_, err = tx.Create(w.models[1], &post{AuthorID: u.ID, Title: "t", Tags: tags(rng), Likes: rng.IntN(9)})
		must(err)
	}
	rng.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	for i, id := range users[:min(len(users), rng.IntN(4))] {
		if i > 0 {
			must(tx.Delete(w.models[0], id))
			continue
		}
		_, err := tx.Update(w.models[0], id, func(rec any) error {
			rec.(*user).Name = fmt.Sprint("renamed ", rng.Int64())
			return nil
		})
		must(err)
	}
	if _, err := tx.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.states = append(w.states, dump(t, w.store))
}

// copyStore copies the store's file, and returns the number of its newest commit.
func copyStore(t *testing.T, s *Store, path string) (seq uint64) {
	t.Helper()
	var b bytes.Buffer
	if err := s.CopyTo(func(at uint64, size int64) (io.Writer, error) {
		seq = at
		return &b, nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return seq
}

// settled opens the file at path after it was restored, and checks all of it.
func (w *written) settled(t *testing.T, f *File, path string) {
	t.Helper()
	before := w.store.Epoch()
	epoch, err := f.Settle()
	if err != nil || epoch == before {
		t.Fatalf("the epoch is %q, it was %q: %v", epoch, before, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w.open(t, path)
	if got := w.store.Epoch(); got != epoch {
		t.Errorf("the epoch is %s, want %s", got, epoch)
	}
	if err := w.store.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

// checkKeys checks that exactly the calls up to a commit are known.
func (w *written) checkKeys(t *testing.T, seq uint64) {
	t.Helper()
	for at, attempt := range w.keys {
		applied, err := w.store.Applied(attempt)
		if err != nil || (applied != nil) != (at <= seq) {
			t.Errorf("at commit %d, the call of commit %d is %v, %v", seq, at, applied, err)
		}
	}
}

func TestRewind(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		w := writeAtRandom(t, rng, 12)
		path := filepath.Join(t.TempDir(), "copy.db")
		copyStore(t, w.store, path)
		f, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seq := rng.Uint64N(13)
		if err := f.Rewind(context.Background(), seq, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		w.settled(t, f, path)
		if got := dump(t, w.store); !maps.Equal(got, w.states[seq]) {
			t.Fatalf("after commit %d:\n%v\nwant\n%v", seq, got, w.states[seq])
		}
		w.checkKeys(t, seq)
		w.states = w.states[:seq+1]
		w.commit(t, rng) // the history goes on
	}
}

func TestAppend(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		w := writeAtRandom(t, rng, rng.IntN(6))
		path := filepath.Join(t.TempDir(), "copy.db")
		seq := copyStore(t, w.store, path)
		for range 6 {
			w.commit(t, rng)
		}
		entries, err := w.store.Entries(seq+1, math.MaxInt)
		if err != nil || len(entries) != 6 {
			t.Fatal(len(entries), err)
		}
		until := rng.IntN(7)
		f, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < until; {
			n := 1 + rng.IntN(until-i)
			if err := f.Append(entries[i : i+n]); err != nil {
				t.Fatal(err)
			}
			i += n
		}
		w.settled(t, f, path)
		if got, want := dump(t, w.store), w.states[seq+uint64(until)]; !maps.Equal(got, want) {
			t.Fatalf("after commit %d:\n%v\nwant\n%v", seq+uint64(until), got, want)
		}
		w.checkKeys(t, seq+uint64(until))
	}
}

func TestAppendRefusesAGap(t *testing.T) {
	w := writeAtRandom(t, rand.New(rand.NewPCG(1, 1)), 3)
	path := filepath.Join(t.TempDir(), "copy.db")
	copyStore(t, w.store, path)
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries, err := w.store.Entries(1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Append(entries[2:]); err == nil {
		t.Error("a commit that the file has was added again")
	}
	if state, err := f.State(); err != nil || state.Seq != 3 || state.Start != 1 {
		t.Error(state, err)
	}
}

func TestOpenFileOfARunningStore(t *testing.T) {
	w := writeAtRandom(t, rand.New(rand.NewPCG(1, 1)), 1)
	_, err := OpenFile(w.path)
	var inUse *InUseError
	if !errors.As(err, &inUse) {
		t.Errorf("%v, want an InUseError", err)
	}
}

func TestDigest(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := writeAtRandom(t, rng, 12)
	seen := map[string]uint64{}
	for seq := range uint64(13) {
		live, err := w.store.Digest(context.Background(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[live]; twice {
			t.Errorf("the commits %d and %d have the same digest", other, seq)
		}
		seen[live] = seq
		path := filepath.Join(t.TempDir(), "copy.db")
		copyStore(t, w.store, path)
		f, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Rewind(context.Background(), seq, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		rewound, err := f.Digest(context.Background())
		if err := errors.Join(err, f.Check(context.Background()), f.Close()); err != nil || rewound != live {
			t.Errorf("at commit %d: %s, want %s: %v", seq, rewound, live, err)
		}
	}
}
