//go:build linux

package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/netcut"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// A member is a store on a database that counts the outcomes of its writes.
type member struct {
	*store.Store
	t       *testing.T
	notes   *record.Model
	hot     record.ID
	made    atomic.Int64 // acknowledged
	added   atomic.Int64 // to the hot record, acknowledged
	unknown atomic.Int64 // writes with an unknown outcome
	failed  atomic.Int64
}

func join(t *testing.T, address string, wait time.Duration) *member {
	t.Helper()
	m := &member{t: t, notes: model(t, "notes", &noteWithStars{}), hot: "00000000000000000000000H0T"}
	var err error
	m.Store, err = store.Open(filepath.Join(t.TempDir(), "replica.db"), store.Options{
		Models: []*record.Model{m.notes}, Log: open(t, address, Options{}), LogWait: wait})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// make makes a note, add adds a star to the hot one, which it makes if there is none.
func (m *member) make() error {
	_, err := m.Update(context.Background(), "test", func(tx *store.Tx) error {
		_, err := tx.Create(m.notes, &noteWithStars{Text: "made"})
		return err
	})
	return m.count(&m.made, err)
}

func (m *member) add() error {
	_, err := m.Update(context.Background(), "test", func(tx *store.Tx) error {
		_, err := tx.Update(m.notes, m.hot, func(v any) error { v.(*noteWithStars).Stars++; return nil })
		if errors.Is(err, store.ErrNotFound) {
			_, err = tx.Create(m.notes, &noteWithStars{Record: record.Record{ID: m.hot}, Text: "hot", Stars: 1})
		}
		return err
	})
	return m.count(&m.added, err)
}

func (m *member) count(acknowledged *atomic.Int64, err error) error {
	switch {
	case err == nil:
		acknowledged.Add(1)
	case errors.Is(err, store.ErrConflict): // another one was first, again and again
	case errors.Is(err, store.ErrUnknown):
		m.unknown.Add(1)
	default:
		m.failed.Add(1)
	}
	return err
}

// holds returns all that the store holds: rows by model and id, and the log.
func (m *member) holds() []byte {
	m.t.Helper()
	var all bytes.Buffer
	err := m.View(context.Background(), func(snap *store.Snapshot) error {
		return snap.Scan(m.notes, store.Range{}, func(image *record.Image) bool {
			fmt.Fprintln(&all, image.ID, image.Version, string(image.JSON), string(image.Private))
			return true
		})
	})
	if err != nil {
		m.t.Fatal(err)
	}
	for seq := uint64(1); seq <= m.Seq(); {
		entries, err := m.Entries(seq, 1<<20)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, e := range entries {
			fmt.Fprintf(&all, "%d %x\n", e.Seq, e.Data)
			seq = e.Seq + 1
		}
	}
	return all.Bytes()
}

// checkNothingLost compares the outcomes that members counted with the database, and the members
// with each other and with one that comes late.
func checkNothingLost(t *testing.T, address string, members ...*member) {
	t.Helper()
	var made, added, unknown, failed int64
	for _, m := range members {
		made, added, unknown, failed = made+m.made.Load(), added+m.added.Load(), unknown+m.unknown.Load(), failed+m.failed.Load()
	}
	stars := query[int64](t, address, "SELECT coalesce(sum(stars), 0) FROM notes")
	notes := query[int64](t, address, "SELECT count(*) FROM notes WHERE text = 'made'")
	t.Logf("%d notes of %d acknowledged, %d stars of %d acknowledged; %d unknown, %d failed", notes, made, stars, added, unknown, failed)
	if notes < made || stars < added || notes+stars > made+added+unknown {
		t.Error("writes were lost, or made twice, or made though they had failed")
	}
	if gaps := query[int64](t, address, "SELECT max(seq) - count(*) FROM tower.commits"); gaps != 0 {
		t.Errorf("%d commits are missing", gaps)
	}
	late := join(t, address, 0)
	want := late.holds()
	for i, m := range members {
		if err := m.Reach(context.Background(), late.Seq()); err != nil {
			t.Fatal(err)
		}
		if got := m.holds(); !bytes.Equal(got, want) {
			t.Errorf("member %d differs from one that came late:\n%s\nwant\n%s", i, got, want)
		}
	}
}

// TestTheConnectionBreaks cuts the connection at many bytes of a turn, in each direction. Each
// write is made once, and acknowledged.
func TestTheConnectionBreaks(t *testing.T) {
	server := pgtest.Shared(t)
	address := server.Database(t)
	proxy := netcut.New(t, fmt.Sprint("127.0.0.1:", server.Port))
	m := join(t, strings.Replace(address, fmt.Sprint("127.0.0.1:", server.Port), proxy.Address(), 1), time.Minute)
	other := join(t, address, time.Minute)
	if err := m.add(); err != nil {
		t.Fatal(err)
	}
	step := 61
	if testing.Short() {
		step = 397
	}
	for direction, name := range map[netcut.Direction]string{netcut.ToServer: "to the server", netcut.ToClient: "to the client"} {
		for at := 0; at < 1500; at += step {
			proxy.Trap(direction, "", at, proxy.Cut)
			if err := m.add(); err != nil {
				t.Fatalf("cut %s at byte %d: %v", name, at, err)
			}
			proxy.Disarm()
			if err := other.make(); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkNothingLost(t, address, m, other)
}

// work lets members write with several goroutines until disturb returns.
func work(members []*member, disturb func()) {
	var ended atomic.Bool
	var all sync.WaitGroup
	for _, m := range members {
		for w := range 4 {
			all.Go(func() {
				for n := 0; !ended.Load(); n++ {
					if (n+w)%3 == 0 {
						_ = m.make() // count has the error
					} else {
						_ = m.add()
					}
				}
			})
		}
	}
	disturb()
	ended.Store(true)
	all.Wait()
}

// TestBackendsAreTerminated ends connections in the server at random moments.
func TestBackendsAreTerminated(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	address := pgtest.Shared(t).Database(t)
	members := []*member{join(t, address, time.Minute), join(t, address, time.Minute), join(t, address, time.Minute)}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	ended := 0
	work(members, func() {
		for ended < 25 {
			time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond) // any moment of a turn
			tag, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) AS one`)
			if err != nil {
				t.Error(err)
				return
			}
			ended += int(tag.RowsAffected())
		}
	})
	checkNothingLost(t, address, members...)
	for _, m := range members {
		if m.failed.Load()+m.unknown.Load() > 0 {
			t.Errorf("%d writes have failed, and of %d it is not known", m.failed.Load(), m.unknown.Load())
		}
	}
}

// TestTheServerIsKilled kills the server under load. What was acknowledged is there when it is
// started again, and nothing is there twice.
func TestTheServerIsKilled(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	members := []*member{join(t, address, time.Minute), join(t, address, time.Minute)}
	made := func() (n int64) {
		for _, m := range members {
			n += m.made.Load() + m.added.Load()
		}
		return n
	}
	work(members, func() {
		for range 3 {
			for before := made(); made() < before+50 && !t.Failed(); {
				time.Sleep(time.Millisecond)
			}
			server.Kill()
			server.Restart(t)
		}
		for before := made(); made() < before+50; {
			time.Sleep(time.Millisecond)
		}
	})
	checkNothingLost(t, address, members...)
}
