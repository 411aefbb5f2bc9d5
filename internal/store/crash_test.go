package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A pair is two of these, made in one transaction: either both are there, or
// none. All later pairs change the first record, too.
type half struct {
	Record
	Pair int  `json:"pair" tower:"index"`
	Left bool `json:"left"`
}

const writersToKill = 4

// writeUntilKilled is the process that makes pairs and says so when they are
// committed.
func writeUntilKilled(path string) {
	halves, err := NewModel("halves", &half{})
	if err != nil {
		panic(err)
	}
	s, err := Open(path, Options{Models: []*Model{halves}, LogBytes: 50_000})
	if err != nil {
		panic(err)
	}
	var first *Image
	if err := s.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(halves, Range{}, func(image *Image) bool { first = image; return false })
	}); err != nil {
		panic(err)
	}
	seed := int(time.Now().UnixMicro())
	var wg sync.WaitGroup
	for i := range writersToKill {
		wg.Go(func() {
			for n := seed + i; ; n += writersToKill {
				if _, err := s.Update(context.Background(), "test", func(tx *Tx) error { return makePair(tx, halves, first, n) }); err != nil {
					panic(err)
				}
				fmt.Println(n)
			}
		})
	}
	wg.Wait()
}

func makePair(tx *Tx, halves *Model, first *Image, n int) error {
	_, err := tx.Create(halves, &half{Pair: n, Left: true})
	_, err2 := tx.Create(halves, &half{Pair: n})
	if first != nil && n%7 == 0 {
		_, err3 := tx.Update(halves, first.ID, func(record any) error {
			record.(*half).Left = !record.(*half).Left
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
	acknowledged := map[int]bool{}
	kills := 20
	if testing.Short() {
		kills = 5
	}
	for range kills {
		killWriter(t, path, random.IntN(60), acknowledged)
		s, err := Open(path, Options{Models: []*Model{halves}})
		if err != nil {
			t.Fatal(err)
		}
		checkPairs(t, s, halves, acknowledged)
		if err := errors.Join(s.Check(context.Background()), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d pairs were acknowledged", len(acknowledged))
}

// killWriter runs a writer until it has acknowledged some pairs, kills it, and
// notes all that it acknowledged.
func killWriter(t *testing.T, path string, after int, acknowledged map[int]bool) {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), "STORE_TEST_PROCESS=write", "STORE_TEST_FILE="+path)
	writer.Stderr = os.Stderr
	stdout, err := writer.StdoutPipe()
	if err == nil {
		err = writer.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for n := 0; lines.Scan(); n++ {
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
	}
	var exit *exec.ExitError
	if err := writer.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the writer ended by itself: %v", err)
	}
}

func checkPairs(t *testing.T, s *Store, halves *Model, acknowledged map[int]bool) {
	t.Helper()
	count := map[int]int{}
	if err := s.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(halves, Range{Index: halves.Field("pair")}, func(image *Image) bool {
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
