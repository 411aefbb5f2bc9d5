package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/store/unsynced"
)

// opens opens the file, and reports whether its replica was built.
func (b *blog) opens(log Log) (builds bool) {
	b.t.Helper()
	b.open(Options{Log: log, Say: func(progress string) { builds = builds || strings.Contains(progress, "building the replica") }})
	return builds
}

// sees checks that the store has what its log has.
func (b *blog) sees(log *plainLog) {
	b.t.Helper()
	if got := len(log.entries); b.Seq() != uint64(got) {
		b.t.Errorf("it has %d commits of %d", b.Seq(), got)
	}
	if err := b.Check(context.Background()); err != nil {
		b.t.Error(err)
	}
}

// TestAnotherRunOfTheMachine opens a replica after its process was killed, and after the machine
// has stopped: then it is built anew, unless it was closed.
func TestAnotherRunOfTheMachine(t *testing.T) {
	t.Cleanup(unsynced.SetRun("this run"))
	log := &plainLog{}
	b := newBlog(t, Options{Log: log})
	b.write("p", 0)
	left, err := os.ReadFile(b.path) // by a process that is killed now
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what     string
		mark     string // the run that has left the file; empty: it was closed
		run      string
		builds   bool
		unsynced bool
	}{
		{"closed, another run", "", "another run", false, true},
		{"killed, the same run", "this run", "this run", false, true},
		{"killed, another run", "this run", "another run", true, true},
		{"after that", "", "a third run", false, true},
		{"killed, no run is known", "this run", "", true, false},
		{"closed, no run is known", "", "", false, false},
		{"damaged", "damaged", "this run", true, true},
	} {
		t.Log(c.what)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(b.path + ".unsynced"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what is closed is marked: %v", err)
		}
		if c.mark != "" {
			if err := errors.Join(os.WriteFile(b.path, left, 0o600), os.WriteFile(b.path+".unsynced", []byte(c.mark), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		unsynced.SetRun(c.run)
		if builds := b.opens(log); builds != c.builds || b.db.Load().NoSync != c.unsynced {
			t.Errorf("it is built anew: %v; it does not wait for the disk: %v", builds, b.db.Load().NoSync)
		}
		b.sees(log)
	}
}

// TestTheMachineStops leaves some pages of a replica as they were, at random.
func TestTheMachineStops(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	t.Cleanup(unsynced.SetRun("run 0"))
	log := &plainLog{}
	b := newBlog(t, Options{Log: log})
	for run := range 20 {
		b.write(fmt.Sprint("before", run), 0)
		before, err := os.ReadFile(b.path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			b.write(fmt.Sprint("p", i, "in", run), 0)
		}
		after, err := os.ReadFile(b.path)
		if err != nil {
			t.Fatal(err)
		}
		mark, err := os.ReadFile(b.path + ".unsynced")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		const page = 4096
		for at := 0; at+page <= len(before); at += page {
			if random.IntN(2) == 0 {
				copy(after[at:at+page], before[at:])
			}
		}
		if err := errors.Join(os.WriteFile(b.path, after, 0o600), os.WriteFile(b.path+".unsynced", mark, 0o600)); err != nil {
			t.Fatal(err)
		}
		unsynced.SetRun(fmt.Sprint("run ", run+1))
		if !b.opens(log) {
			t.Errorf("run %d: the replica was believed", run)
		}
		b.sees(log)
	}
}

// TestADamagedReplica ends the store, and is built anew when it is opened again.
func TestADamagedReplica(t *testing.T) {
	log := &plainLog{}
	b := newBlog(t, Options{Log: log})
	b.write("p", 0)
	path := b.path
	if err := b.fail("a page"); err == nil || !strings.Contains(err.Error(), "start the application again, and it builds the replica anew: a page") {
		t.Errorf("the error is %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.db.Load().Close(); err != nil { // as the end of the process does
		t.Fatal(err)
	}
	b.path = path
	if !b.opens(log) {
		t.Error("the replica was believed")
	}
	b.sees(log)
}
