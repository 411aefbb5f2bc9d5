package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

type note struct {
	record.Record
	Title  string `json:"title" tower:"index"`
	Secret string `json:"secret" tower:"private"`
}

// A site is a store that is written at random. digests has the digest of each state,
// times when it was committed.
type site struct {
	t       *testing.T
	rng     *rand.Rand
	notes   *record.Model
	store   *store.Store
	clock   clock
	ids     []record.ID
	digests []string
	times   []time.Time
}

// A clock shows the time that it was set to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func newSite(t *testing.T, logBytes int64) *site {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	notes, err := record.NewModel("notes", &note{})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, rng: rand.New(rand.NewPCG(seed, 0)), notes: notes, clock: clock{now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}}
	s.open(filepath.Join(t.TempDir(), "test.db"), logBytes)
	s.note()
	return s
}

func (s *site) open(path string, logBytes int64) {
	s.t.Helper()
	opened, err := store.Open(path, store.Options{Models: []*record.Model{s.notes}, LogBytes: logBytes, Now: s.clock.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = opened
	s.t.Cleanup(func() { _ = opened.Close() })
}

// note notes the newest state.
func (s *site) note() {
	s.t.Helper()
	digest, err := s.store.Digest(context.Background(), s.store.Seq())
	if err != nil {
		s.t.Fatal(err)
	}
	s.digests, s.times = append(s.digests, digest), append(s.times, s.clock.Now())
}

func (s *site) commit() {
	s.t.Helper()
	s.clock.Set(s.clock.Now().Add(time.Minute))
	tx := s.store.Begin("test")
	image, err := tx.Create(s.notes, &note{Title: fmt.Sprint(s.rng.Int64()), Secret: fmt.Sprint(s.rng.Int64())})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(s.ids) > 0 {
		i := s.rng.IntN(len(s.ids))
		if s.rng.IntN(2) == 0 {
			err = tx.Delete(s.notes, s.ids[i])
			s.ids = append(s.ids[:i], s.ids[i+1:]...)
		} else {
			_, err = tx.Update(s.notes, s.ids[i], func(rec any) error { rec.(*note).Title += " again"; return nil })
		}
	}
	s.ids = append(s.ids, image.ID)
	if err == nil {
		_, err = tx.Commit(context.Background())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.note()
}

func (s *site) archiver(place Place) *Archiver {
	return New(s.store, place, Options{App: "blog", Now: s.clock.Now, Folder: s.t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// check restores a state and compares it with what was there.
func (s *site) check(want int, restore func(path string) (Restored, error)) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "restored.db")
	restored, err := restore(path)
	if err != nil {
		s.t.Fatalf("restore commit %d: %v", want, err)
	}
	f, err := store.OpenFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	digest, err := f.Digest(context.Background())
	if err != nil || restored.Seq != uint64(want) || digest != s.digests[want] {
		s.t.Errorf("restored commit %d, want %d; the digest is %s, want %s: %v", restored.Seq, want, digest, s.digests[want], err)
	}
	if restored.Epoch == restored.From {
		s.t.Errorf("the restored store goes on with the epoch %s", restored.From)
	}
}

func silent(string, int64, int64) {}

// flaky is a place that fails now and then.
type flaky struct {
	Place
	rng *rand.Rand
}

var errAway = errors.New("the place is away")

func (f flaky) Put(ctx context.Context, name string, content io.Reader, size int64) error {
	if f.rng.IntN(4) == 0 {
		return errAway
	}
	return f.Place.Put(ctx, name, content, size)
}

func (f flaky) Delete(ctx context.Context, name string) error {
	if f.rng.IntN(4) == 0 {
		return errAway
	}
	return f.Place.Delete(ctx, name)
}

// Every commit since the archive began can be restored, by its number and by its time,
// whatever fails meanwhile. The archive misses no commit, although the log is short. With
// TOWER_TEST_RUNS that many archives are tried.
func TestRestoreAnyCommit(t *testing.T) {
	runs, _ := strconv.Atoi(os.Getenv("TOWER_TEST_RUNS"))
	for range max(runs, 3) {
		s := newSite(t, 4000)
		place := Folder(filepath.Join(t.TempDir(), "archive"))
		a := s.archiver(flaky{place, s.rng})
		a.options.Backup = time.Hour
		begun := -1
		for range 150 {
			s.commit()
			if s.rng.IntN(3) > 0 {
				continue
			}
			if s.rng.IntN(10) == 0 { // it is started again
				a.known = false
			}
			if err := a.archive(context.Background()); err != nil && !errors.Is(err, errAway) {
				t.Fatal(err)
			}
			if begun < 0 && !a.backup.IsZero() {
				begun = int(a.seq)
			}
		}
		for a.archive(context.Background()) != nil {
		}
		if a.Status().Newest != a.seq {
			t.Errorf("the archive ends at %d of %d", a.seq, a.Status().Newest)
		}
		h, err := a.history(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			want := begun + s.rng.IntN(len(s.digests)-begun)
			if !h.has(uint64(want)) {
				continue // the log had lost it before the place was back
			}
			s.check(want, func(path string) (Restored, error) {
				return Restore(context.Background(), place, Point{Seq: uint64(want)}, path, silent)
			})
			if !h.has(uint64(want + 1)) {
				continue // nobody knows when the next commit was made
			}
			s.check(want, func(path string) (Restored, error) {
				return Restore(context.Background(), place, Point{At: s.times[want].Add(30 * time.Second)}, path, silent)
			})
		}
		s.check(len(s.digests)-1, func(path string) (Restored, error) {
			return Restore(context.Background(), place, Point{}, path, silent)
		})
	}
}

// has reports whether the history reaches the commit from a backup without a gap.
func (h *history) has(seq uint64) bool {
	base, ok := h.backupBefore(seq)
	return ok && h.reaches(base, seq)
}

func TestRestoreOfACutLog(t *testing.T) {
	s := newSite(t, 0)
	folder := t.TempDir()
	a := s.archiver(Folder(folder))
	s.commit()
	if err := a.archive(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		s.commit()
	}
	if err := a.archive(context.Background()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(folder, logName(s.store.Epoch(), span{2, 201}))
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := os.WriteFile(name, content[:s.rng.IntN(len(content))], 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "restored.db")
		restored, err := Restore(context.Background(), Folder(folder), Point{}, path, silent)
		if err != nil || restored.Cut == "" {
			t.Fatalf("%+v, %v", restored, err)
		}
		s.check(int(restored.Seq), func(path string) (Restored, error) {
			return Restore(context.Background(), Folder(folder), Point{Seq: restored.Seq}, path, silent)
		})
		if _, err := Restore(context.Background(), Folder(folder), Point{Seq: 201}, path+"2", silent); err == nil || !strings.Contains(err.Error(), "ends at commit") {
			t.Errorf("a commit that was cut off was restored: %v", err)
		}
	}
}

func TestBackupOfADamagedFile(t *testing.T) {
	s := newSite(t, 0)
	for range 20 {
		s.commit()
	}
	path := filepath.Join(t.TempDir(), "backup")
	info, err := Backup(context.Background(), s.store, Info{App: "blog", At: s.clock.Now()}, path, silent)
	if err != nil || info.Seq != 20 {
		t.Fatal(info, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for want := range 21 {
		s.check(want, func(path string) (Restored, error) {
			point := Point{Seq: uint64(want)}
			if want == 0 {
				point = Point{At: s.times[0].Add(time.Second)}
			}
			return RestoreBackup(context.Background(), bytes.NewReader(content), point, path, nil, silent)
		})
	}
	for range 20 {
		damaged := bytes.Clone(content)
		if s.rng.IntN(2) == 0 {
			damaged = damaged[:s.rng.IntN(len(damaged))]
		} else {
			damaged[s.rng.IntN(len(damaged))] ^= 1 << s.rng.IntN(8)
		}
		path := filepath.Join(t.TempDir(), "restored.db")
		if _, err := RestoreBackup(context.Background(), bytes.NewReader(damaged), Point{}, path, nil, silent); err == nil {
			if got, err := store.OpenFile(path); err != nil {
				t.Error(err)
			} else if digest, err := got.Digest(context.Background()); err != nil || digest != s.digests[20] {
				t.Errorf("a damaged backup was restored as %s: %v", digest, err)
			} else {
				_ = got.Close()
			}
			continue
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) > 0 {
			t.Errorf("a restoration that failed left %v", left)
		}
	}
}

// The archive keeps what is needed for the time that it keeps, and no more.
func TestPrune(t *testing.T) {
	s := newSite(t, 0)
	folder := t.TempDir()
	a := s.archiver(Folder(folder))
	a.options.Keep = 72 * time.Hour
	for day := range 10 {
		for range 3 {
			s.commit()
			if err := a.archive(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		s.clock.Set(s.times[0].Add(time.Duration(day+1) * 24 * time.Hour))
	}
	h, err := a.history(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(h.backups) != 5 || len(h.logs) > 8 {
		t.Errorf("the archive has the backups %v and the logs %v", h.backups, h.logs)
	}
	for want := int(h.backups[0]); want <= 30; want++ {
		s.check(want, func(path string) (Restored, error) {
			return Restore(context.Background(), Folder(folder), Point{Seq: uint64(want)}, path, silent)
		})
	}
}

func TestAnOlderCopyInThePlaceOfTheStore(t *testing.T) {
	s := newSite(t, 0)
	place := Folder(t.TempDir())
	s.commit()
	older := filepath.Join(t.TempDir(), "older.db")
	var b bytes.Buffer
	if err := s.store.CopyTo(func(uint64, int64) (io.Writer, error) { return &b, nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(older, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.commit()
	if err := s.archiver(place).archive(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.open(older, 0)
	if err := s.archiver(place).archive(context.Background()); err == nil || !strings.Contains(err.Error(), "begins a new history") {
		t.Errorf("the archive took the older copy: %v", err)
	}
}

// Run archives what is committed while it runs, and what was committed last.
func TestRun(t *testing.T) {
	s := newSite(t, 0)
	place := &counting{Place: Folder(t.TempDir()), put: make(chan string, 100)}
	a := s.archiver(place)
	a.options.Interval = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Run(ctx)
	}()
	if name := <-place.put; !strings.HasSuffix(name, ".backup") {
		t.Errorf("first %s was stored", name)
	}
	s.commit()
	<-place.put
	place.fails.Store(true)
	s.commit()
	cancel()
	<-done
	if status := a.Status(); status.Seq != 1 || status.Newest != 2 || status.Error == "" {
		t.Errorf("%+v", status)
	}
	place.fails.Store(false)
	again := s.archiver(place)
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	again.known, again.seq = true, 1
	again.Run(ctx)
	if status := again.Status(); status.Seq != 2 || status.Error != "" {
		t.Errorf("%+v", status)
	}
}

type counting struct {
	Place
	put   chan string
	fails atomic.Bool
}

func (c *counting) Put(ctx context.Context, name string, content io.Reader, size int64) error {
	if c.fails.Load() {
		return errAway
	}
	err := c.Place.Put(ctx, name, content, size)
	c.put <- name
	return err
}

func TestParsePoint(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	epoch := "01JDA7Q4Z3M8X2V6K9T5B1C0RW"
	for text, want := range map[string]Point{
		"813":                  {Seq: 813},
		"#813":                 {Seq: 813},
		epoch + ":5":           {Epoch: epoch, Seq: 5},
		"2026-05-03 10:30":     {At: time.Date(2026, 5, 3, 10, 30, 0, 0, time.UTC)},
		"2026-05-03T10:30:15Z": {At: time.Date(2026, 5, 3, 10, 30, 15, 0, time.UTC)},
		"90m":                  {At: now.Add(-90 * time.Minute)},
	} {
		got, err := ParsePoint(text, now)
		if err != nil || got.Epoch != want.Epoch || got.Seq != want.Seq || !got.At.Equal(want.At) {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-5m", "yesterday", "2027-01-01", "x:5", "1.5"} {
		if got, err := ParsePoint(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// A backup has the files, and a restoration puts them back beside those that are there.
func TestABackupHasFiles(t *testing.T) {
	s := newSite(t, 0)
	s.commit()
	files, again := Folder(filepath.Join(t.TempDir(), "files")), Folder(filepath.Join(t.TempDir(), "again"))
	put := func(place Place, name, text string) {
		t.Helper()
		if err := place.Put(t.Context(), name, strings.NewReader(text), int64(len(text))); err != nil {
			t.Fatal(err)
		}
	}
	put(files, "01A/000000-n", "one")
	put(files, "01A/000001-n", strings.Repeat("two", 1<<20))
	put(files, "01B/000000-n", "")
	put(again, "01C/000000-n", "three")
	folder := t.TempDir()
	raw, path := filepath.Join(folder, "raw"), filepath.Join(folder, "backup")
	info, err := Copy(s.store, Info{App: "blog", At: s.clock.Now()}, raw)
	if err != nil {
		t.Fatal(err)
	}
	if size, err := Pack(t.Context(), info, raw, path, files, silent); err != nil || size != 3+3<<20 {
		t.Fatalf("%d bytes of files, %v", size, err)
	}
	backup, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer backup.Close()
	if _, err := RestoreBackup(t.Context(), backup, Point{}, filepath.Join(folder, "restored.db"), again, silent); err != nil {
		t.Fatal(err)
	}
	names, err := again.List(t.Context())
	if want := []string{"01A/000000-n", "01A/000001-n", "01B/000000-n", "01C/000000-n"}; err != nil || !slices.Equal(names, want) {
		t.Fatalf("%q, %v; want %q", names, err, want)
	}
	content, err := os.ReadFile(filepath.Join(again.String(), "01A", "000001-n"))
	if err != nil || string(content) != strings.Repeat("two", 1<<20) {
		t.Errorf("%d bytes, %v", len(content), err)
	}
}
