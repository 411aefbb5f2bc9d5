package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/towerkit/tower/internal/record"
)

// A pair is two of these, created in one transaction: the file must have both or none. All
// later pairs also change the first record. Each pair is created by a call with its own
// key, and again by later writers.
type half struct {
	record.Record
	Pair int  `json:"pair" tower:"index"`
	Left bool `json:"left"`
}

const writersToKill = 4

// writeUntilKilled is the process that creates pairs and reports when they are committed.
// It may kill itself after it has asked for the time a number of times: the writer does so
// in the middle of a transaction of the file.
func writeUntilKilled(path string, times int) {
	halves, err := record.NewModel("halves", &half{})
	if err != nil {
		panic(err)
	}
	var asked atomic.Int64
	now := func() time.Time {
		if asked.Add(1) == int64(times) {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {}
		}
		return time.Now()
	}
	s, err := Open(path, Options{Models: []*record.Model{halves}, LogBytes: 50_000, Now: now})
	if err != nil {
		panic(err)
	}
	var first *record.Image
	if err := s.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(halves, Range{}, func(image *record.Image) bool { first = image; return false })
	}); err != nil {
		panic(err)
	}
	repeatPairs(s, halves, first)
	seed := int(time.Now().UnixMicro())
	var wg sync.WaitGroup
	if times%2 == 0 {
		s.compactKeys = 1000
		wg.Go(func() {
			for {
				if _, err := s.Compact(context.Background(), func(int64, int64) {}); err != nil {
					panic(err)
				}
				fmt.Println("compacted")
			}
		})
	}
	for i := range writersToKill {
		wg.Go(func() {
			for n := seed + i; ; n += writersToKill {
				once := pairOnce(n)
				if _, err := s.Update(context.Background(), "test", func(tx *Tx) error {
					tx.SetAttempt(once)
					return makePair(tx, halves, first, n)
				}); err != nil {
					panic(err)
				}
				s.SaveAnswer(once, []byte(strconv.Itoa(n)))
				fmt.Println(n)
			}
		})
	}
	wg.Wait()
}

func pairOnce(n int) *Attempt {
	var key ulid.ULID
	binary.BigEndian.PutUint64(key[2:], uint64(n))
	once, err := NewAttempt("", record.ID(key.String()), []byte("POST /pairs"))
	if err != nil {
		panic(err)
	}
	return once
}

// repeatPairs tries to create the newest pairs again.
func repeatPairs(s *Store, halves *record.Model, first *record.Image) {
	var pairs []int
	if err := s.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(halves, Range{Index: halves.Field("pair"), Reverse: true}, func(image *record.Image) bool {
			pairs = append(pairs, int(image.Value(halves.Field("pair")).Any().(int64)))
			return len(pairs) < 40
		})
	}); err != nil {
		panic(err)
	}
	for _, n := range pairs {
		_, err := s.Update(context.Background(), "again", func(tx *Tx) error {
			tx.SetAttempt(pairOnce(n))
			return makePair(tx, halves, first, n)
		})
		var applied *AppliedError
		if !errors.As(err, &applied) || applied.Answer != nil && string(applied.Answer) != strconv.Itoa(n) {
			panic(fmt.Sprintf("pair %d again: %v", n, err))
		}
	}
}

func makePair(tx *Tx, halves *record.Model, first *record.Image, n int) error {
	_, err := tx.Create(halves, &half{Pair: n, Left: true})
	_, err2 := tx.Create(halves, &half{Pair: n})
	if first != nil && n%7 == 0 {
		_, err3 := tx.Update(halves, first.ID, func(rec any) error {
			rec.(*half).Left = !rec.(*half).Left
			return nil
		})
		err = errors.Join(err, err3)
	}
	return errors.Join(err, err2)
}

func TestKilledWriters(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "x.db")
	halves := mustModel(t, "halves", &half{})
	acknowledged, compacted := map[int]bool{}, 0
	kills := 20
	if testing.Short() {
		kills = 5
	}
	for range kills {
		after, times := random.IntN(60), -random.IntN(2)
		if random.IntN(2) == 0 {
			after, times = -1, 1+random.IntN(400)
		}
		compacted += killWriter(t, path, after, times, acknowledged)
		s, err := Open(path, Options{Models: []*record.Model{halves}})
		if err != nil {
			t.Fatal(err)
		}
		checkPairs(t, s, halves, acknowledged)
		if err := errors.Join(s.Check(context.Background()), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d pairs were acknowledged, in %d compactions", len(acknowledged), compacted)
	if left, err := filepath.Glob(path + ".c*"); err != nil || len(left) > 0 {
		t.Errorf("compactions have left %v, %v", left, err)
	}
}

// killWriter runs a writer until it has acknowledged some pairs and kills it, unless it
// kills itself first. It notes all pairs that the writer acknowledged.
func killWriter(t *testing.T, path string, after, times int, acknowledged map[int]bool) (compacted int) {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), "STORE_TEST_PROCESS=write", "STORE_TEST_FILE="+path, fmt.Sprint("STORE_TEST_TIMES=", times))
	writer.Stderr = os.Stderr
	stdout, err := writer.StdoutPipe()
	if err == nil {
		err = writer.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for n := 0; lines.Scan(); {
		if lines.Text() == "compacted" {
			compacted++
			continue
		}
		pair, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		acknowledged[pair] = true
		if n == after {
			if err := writer.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		n++
	}
	var exit *exec.ExitError
	if err := writer.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return compacted
}

func checkPairs(t *testing.T, s *Store, halves *record.Model, acknowledged map[int]bool) {
	t.Helper()
	count := map[int]int{}
	if err := s.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(halves, Range{Index: halves.Field("pair")}, func(image *record.Image) bool {
			count[int(image.Value(halves.Field("pair")).Any().(int64))]++
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	for pair, n := range count {
		if n != 2 {
			t.Errorf("of pair %d there are %d", pair, n)
		}
	}
	for pair := range acknowledged {
		if count[pair] != 2 {
			t.Errorf("pair %d was acknowledged, and there are %d of it", pair, count[pair])
		}
	}
}
