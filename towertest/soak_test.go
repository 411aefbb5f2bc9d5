package towertest

import (
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/wire"
)

// A soak is an application that serves days by a fast clock.
type soak struct {
	*library
	archive string
	began   time.Time
	speed   float64      // of its clock
	count   atomic.Int64 // of notes
	writes  atomic.Int64
	opens   atomic.Int64
}

const (
	soakDays   = 6
	soakEpochs = 12
	soakNotes  = 300 // their number stays about this
)

// A plateau is what the application takes up when no client is connected.
type plateau struct {
	heap, resident, file, archive int64
	goroutines                    int
	logStart                      uint64
}

// TestSoak lets an application serve six days by a fast clock. Clients come and go, narrow,
// write, go offline and resume; the log and the archive forget what is old, a backup is made
// each day, and the file is compacted. All the time the auditor compares what the clients
// hold. When no client is connected, what is left on the heap must not grow.
//
// TOWER_TEST_SOAK sets how long it takes, as in TOWER_TEST_SOAK=25m.
func TestSoak(t *testing.T) {
	length := 24 * time.Second
	if text := os.Getenv("TOWER_TEST_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := openSoak(t, length)
	var plateaus []plateau
	for epoch := range soakEpochs {
		t.Run(fmt.Sprint(epoch), func(t *testing.T) { s.live(t, length/soakEpochs) })
		plateaus = append(plateaus, s.measure(t))
	}
	counts, last := s.audits(), plateaus[len(plateaus)-1]
	t.Logf("%d commits, %d writes, %d cursors opened; audits %+v", s.Seq(), s.writes.Load(), s.opens.Load(), counts)
	if counts.Equal == 0 || counts.Divergences+counts.Failed > 0 {
		t.Errorf("the audits are %+v", counts)
	}
	if last.logStart <= 1 {
		t.Error("the log has forgotten nothing in six days")
	}
	s.checkArchive(t)
	// What is kept of the newest commits grows and is cut again, so the heap rises and falls.
	_, before := heaps(plateaus[soakEpochs/4 : soakEpochs/2])
	after, _ := heaps(plateaus[soakEpochs*3/4:])
	if after > before+before/4+4<<20 {
		t.Errorf("what lives on the heap grew from at most %d to at least %d bytes", before, after)
	}
}

// heaps returns the least and the most that lived on the heap.
func heaps(plateaus []plateau) (least, most int64) {
	least = plateaus[0].heap
	for _, p := range plateaus {
		least, most = min(least, p.heap), max(most, p.heap)
	}
	return least, most
}

func openSoak(t *testing.T, length time.Duration) *soak {
	s := &soak{archive: t.TempDir(), began: time.Now(), speed: soakDays * 24 * float64(time.Hour) / float64(length)}
	t.Setenv("TOWER_AUDIT", "100ms")
	t.Setenv("TOWER_BACKUP", s.archive)
	t.Setenv("TOWER_BACKUP_KEEP", "2d")
	s.library = openLibraryAt(t, server.Pace{Now: s.now, LogAge: 24 * time.Hour, Archive: 50 * time.Millisecond}, slog.LevelWarn)
	s.count.Store(5)
	return s
}

// now is the time by the fast clock.
func (s *soak) now() time.Time {
	return s.began.Add(time.Duration(float64(time.Since(s.began)) * s.speed))
}

// live lets clients come and go for some time, over all transports.
func (s *soak) live(t *testing.T, length time.Duration) {
	end := time.Now().Add(length)
	var clients sync.WaitGroup
	for n := range 6 {
		clients.Go(func() {
			for time.Now().Before(end) {
				s.visit(t, n, end)
			}
		})
	}
	clients.Wait()
}

// visit is one visit of a client: it connects, opens cursors and a page, writes, loses its
// connection, resumes and goes.
func (s *soak) visit(t *testing.T, n int, end time.Time) {
	app := *s.App
	app.Transport = Transports()[n%len(Transports())]
	user := s.ada.ID
	if n%3 == 0 {
		user = "" // a visitor
	}
	client := app.Connect(t, user)
	defer func() { client.Close() }()
	lists := s.open(t, client, nil)
	for range 1 + rand.IntN(3) {
		client.Page("/notes")
		for range rand.IntN(30) {
			if time.Now().After(end) {
				return
			}
			s.write(client, lists)
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // as people do
		}
		client.Close() // others go on meanwhile
		client = app.Connect(t, user)
		s.write(client, nil)
		lists = s.open(t, client, lists)
	}
}

// open opens some cursors, or resumes those that a connection held before.
func (s *soak) open(t *testing.T, client *Client, before []*watched) (lists []*watched) {
	for len(before) < 4 {
		request := wire.Request{Open: "notes.best"}
		switch rand.IntN(4) {
		case 0:
			request.Where = client.encode(map[string]any{"rank": map[string]any{"gte": rand.IntN(100)}})
		case 1:
			request.Open, request.Order, request.Limit = "notes.all", []string{"rank"}, 1+rand.IntN(5)
		case 2:
			values := []string{"count", "window", "exists", "sum", "weight", "avg", "first", "last"}
			request.Open = "notes." + values[rand.IntN(len(values))]
		}
		before = append(before, &watched{request: request})
	}
	for _, w := range before {
		cursor, answer := client.resume(w.request, w.cursor)
		if answer.Status != http.StatusOK {
			t.Errorf("open %s: %+v", w.request.Open, answer)
			continue
		}
		s.opens.Add(1)
		lists = append(lists, &watched{cursor, w.request})
	}
	return lists
}

// write creates, changes or deletes a note, so that their number stays about the same.
func (s *soak) write(client *Client, lists []*watched) {
	var ids []string
	for _, w := range lists {
		ids = append(ids, w.cursor.IDs()...)
	}
	input := map[string]any{"rank": rand.IntN(100)}
	if rand.IntN(3) > 0 {
		input["weight"] = rand.NormFloat64()
	}
	s.writes.Add(1)
	if len(ids) == 0 || s.count.Load() < soakNotes && rand.IntN(2) == 0 {
		client.Call("POST /notes", input)
		s.count.Add(1)
		return
	}
	path := "/notes/" + ids[rand.IntN(len(ids))]
	if s.count.Load() < soakNotes || rand.IntN(2) == 0 {
		client.Call("PATCH "+path, input)
	} else if client.Call("DELETE "+path, nil).Status < http.StatusBadRequest {
		s.count.Add(-1)
	}
}

// measure compacts the file and measures what the application takes up now, when no client
// is connected.
func (s *soak) measure(t *testing.T) (p plateau) {
	store := server.AppOf(s.App.App).Store()
	if _, err := store.Compact(t.Context(), func(int64, int64) {}); err != nil {
		t.Fatalf("compact: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
	runtime.GC()
	runtime.GC() // what the first has finalized
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	p = plateau{heap: int64(mem.HeapAlloc), goroutines: runtime.NumGoroutine(), logStart: store.LogStart(), resident: resident()}
	p.file, p.archive = sizeOf(t, filepath.Join(s.data, "library.db")), sizeOf(t, s.archive)
	t.Logf("day %.1f: heap %.1f MB, resident %.0f MB, %d goroutines, file %.1f MB, archive %.1f MB, %d commits, log from %d, %d notes; audits %+v", s.now().Sub(s.began).Hours()/24,
		float64(p.heap)/1e6, float64(p.resident)/1e6, p.goroutines, float64(p.file)/1e6, float64(p.archive)/1e6, s.Seq(), p.logStart, s.count.Load(), s.audits())
	return p
}

// resident returns the resident memory of this process in bytes, 0 where it is not known.
func resident() (bytes int64) {
	status, _ := os.ReadFile("/proc/self/status") // of Linux
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &bytes); err == nil {
			return bytes * 1024
		}
	}
	return 0
}

func sizeOf(t *testing.T, path string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) { // the archive replaces files meanwhile
		t.Fatal(err)
	}
	return bytes
}

// checkArchive checks that the archive has backups of the last days, and no others.
// On a slow machine, there are fewer.
func (s *soak) checkArchive(t *testing.T) {
	status, ok := server.AppOf(s.App.App).Archived()
	if !ok || status.Error != "" {
		t.Errorf("the archive is %+v, %v", status, ok)
	}
	backups, err := filepath.Glob(filepath.Join(s.archive, "*", "*.backup"))
	if err != nil || len(backups) < 1 || len(backups) > 4 {
		t.Errorf("the archive has the backups %v (%v), want those of two days", backups, err)
	}
}
