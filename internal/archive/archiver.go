package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Options configure an [Archiver].
type Options struct {
	App string // the application's name

	// Interval is how long commits may wait before they are archived. Default: 10 s.
	Interval time.Duration

	// Backup is the time from one backup to the next. Default: 24 h.
	Backup time.Duration

	// Keep is how far back the archive reaches. Default: 7 days.
	Keep time.Duration

	// Folder is where a backup is made before it is stored. Default: the system's
	// folder for temporary files.
	Folder string

	// Mine reports whether this store archives now, and not another one with the same log.
	// nil: it does.
	Mine func() bool

	Now func() time.Time // the clock; default time.Now
	Log *slog.Logger     // default slog.Default
}

func (o Options) withDefaults() Options {
	defaults := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	defaults(&o.Interval, 10*time.Second)
	defaults(&o.Backup, 24*time.Hour)
	defaults(&o.Keep, 7*24*time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// An Archiver copies the commits of a store to a place as they are written, and makes a
// backup of the store now and then.
type Archiver struct {
	store   *store.Store
	place   Place
	options Options

	mu     sync.Mutex
	status Status

	work   sync.Mutex // held while the place is written; it guards what follows
	seq    uint64     // the newest commit in the archive
	known  bool       // seq is
	backup time.Time  // when the newest backup was made
}

// A Status describes how far an archive has come.
type Status struct {
	Place  string    `json:"place"`
	Seq    uint64    `json:"seq"`             // the newest commit in the archive
	Newest uint64    `json:"newest"`          // the newest commit of the store
	At     time.Time `json:"at"`              // when all commits were archived last
	Backup time.Time `json:"backup"`          // when the newest backup was made
	Error  string    `json:"error,omitempty"` // why archiving fails; "" if it does not

	Elsewhere bool `json:"elsewhere,omitempty"` // another store with the same log archives
}

// New returns an archiver of the store. It does nothing until Run is called.
func New(s *store.Store, place Place, o Options) *Archiver {
	return &Archiver{store: s, place: place, options: o.withDefaults()}
}

// Status returns how far the archive has come. It is safe for concurrent use.
func (a *Archiver) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	status := a.status
	status.Place, status.Newest = a.place.String(), a.store.Seq()
	return status
}

const (
	segmentBytes = 8 << 20         // bytes of log entries in a log file
	mergedBytes  = 32 << 20        // bytes of log entries in a log file that was merged
	lastWait     = 5 * time.Second // how long the last commits may take to be archived
	maxRetry     = time.Minute     // the longest time between two tries
)

// Run archives until ctx ends, and then what is left. If the place fails, Run logs it
// and tries again; commits do not wait for it. What the log has lost meanwhile is
// replaced by a backup.
func (a *Archiver) Run(ctx context.Context) {
	retry := time.Second
	for ctx.Err() == nil {
		if a.isElsewhere() {
			sleep(ctx, a.options.Interval)
			continue
		}
		a.work.Lock()
		err := a.archive(ctx)
		a.report(err)
		a.work.Unlock()
		if err != nil {
			sleep(ctx, retry)
			retry = min(2*retry, maxRetry)
			continue
		}
		retry = time.Second
		if !a.waitForCommit(ctx) {
			break
		}
		sleep(ctx, a.options.Interval)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
	defer cancel()
	if a.isElsewhere() {
		return
	}
	a.work.Lock()
	defer a.work.Unlock()
	if a.known {
		a.report(a.logs(ctx))
	}
}

// isElsewhere reports whether another store archives. If that has ended, this one finds out
// again what the archive has.
func (a *Archiver) isElsewhere() bool {
	elsewhere := a.options.Mine != nil && !a.options.Mine()
	a.mu.Lock()
	ended := a.status.Elsewhere && !elsewhere
	a.status.Elsewhere = elsewhere
	a.mu.Unlock()
	if ended {
		a.work.Lock()
		a.known = false
		a.work.Unlock()
	}
	return elsewhere
}

// waitForCommit waits until the store has a commit that is not archived, a backup is
// due, or ctx ends. It returns false if the store has closed.
func (a *Archiver) waitForCommit(ctx context.Context) bool {
	a.work.Lock()
	seq, backup := a.seq, a.backup
	a.work.Unlock()
	ctx, cancel := context.WithDeadline(ctx, time.Now().Add(a.options.Backup-a.options.Now().Sub(backup)+time.Second))
	defer cancel()
	_, err := a.store.Feed(seq).Next(ctx)
	return !errors.Is(err, store.ErrClosed) && a.store.Err() == nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// report notes the result of a try, and logs it if it is news.
func (a *Archiver) report(err error) {
	a.mu.Lock()
	before := a.status.Error
	a.status.Seq, a.status.Backup, a.status.Error = a.seq, a.backup, ""
	if err == nil {
		a.status.At = a.options.Now()
	} else {
		a.status.Error = err.Error()
	}
	after := a.status.Error
	a.mu.Unlock()
	switch {
	case after == before || errors.Is(err, context.Canceled):
	case after != "":
		a.options.Log.Error("the archive is behind; it will be tried again", "place", a.place.String(), "error", after)
	default:
		a.options.Log.Info("the archive is up to date again", "place", a.place.String(), "seq", a.seq)
	}
}

// archive brings the archive up to date.
func (a *Archiver) archive(ctx context.Context) error {
	if !a.known {
		if err := a.begin(ctx); err != nil {
			return err
		}
	}
	if !a.backup.IsZero() {
		err := a.logs(ctx)
		expired := errors.Is(err, store.ErrExpired)
		if err != nil && !expired {
			return err
		}
		if !expired && a.options.Now().Sub(a.backup) < a.options.Backup {
			return nil
		}
	}
	if err := a.snapshot(ctx); err != nil {
		return err
	}
	if err := a.tidy(ctx); err != nil {
		return err
	}
	return a.logs(ctx)
}

// begin finds out what the archive has.
func (a *Archiver) begin(ctx context.Context) error {
	h, err := a.history(ctx)
	if err != nil {
		return err
	}
	last := h.last()
	if newest := a.store.Seq(); last > newest {
		return fmt.Errorf("%s has commit %d of this store, whose newest is %d: an older copy was put in its place; restore one with tower db restore, which begins a new history", a.place, last, newest)
	}
	a.seq = last
	if len(h.backups) > 0 {
		info, err := readInfo(ctx, a.place, backupName(h.epoch, h.backups[len(h.backups)-1]))
		if err != nil {
			return err
		}
		a.backup = info.At
	}
	a.known = true
	return nil
}

// history returns what the archive has of the store's epoch.
func (a *Archiver) history(ctx context.Context) (history, error) {
	all, err := histories(ctx, a.place)
	for _, h := range all {
		if h.epoch == a.store.Epoch() {
			return h, err
		}
	}
	return history{epoch: a.store.Epoch()}, err
}

// logs archives the commits that the archive does not have. It returns
// [store.ErrExpired] if the log does not have them any more.
func (a *Archiver) logs(ctx context.Context) error {
	for a.seq < a.store.Seq() {
		entries, err := a.store.Entries(a.seq+1, segmentBytes)
		if err != nil {
			return err
		}
		if err := a.putLog(ctx, entries); err != nil {
			return err
		}
		a.seq = entries[len(entries)-1].Seq
	}
	return nil
}

func (a *Archiver) putLog(ctx context.Context, entries []store.Entry) error {
	content, err := encodeLog(entries)
	if err != nil {
		return err
	}
	name := logName(a.store.Epoch(), span{entries[0].Seq, entries[len(entries)-1].Seq})
	if err := a.place.Put(ctx, name, bytes.NewReader(content), int64(len(content))); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return nil
}

// snapshot stores a backup.
func (a *Archiver) snapshot(ctx context.Context) error {
	folder, err := os.MkdirTemp(a.options.Folder, ".backup-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	name := filepath.Join(folder, "backup")
	info, err := Backup(ctx, a.store, Info{App: a.options.App, At: a.options.Now()}, name, func(string, int64, int64) {})
	if err != nil {
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	if err := a.place.Put(ctx, backupName(info.Epoch, info.Seq), file, stat.Size()); err != nil {
		return fmt.Errorf("store a backup: %w", err)
	}
	a.seq, a.backup = max(a.seq, info.Seq), info.At
	return nil
}

// Renew stores a backup, and removes everything else that the archive has of the application.
// No state before the backup can be restored then. It returns how many files it has removed.
func (a *Archiver) Renew(ctx context.Context) (removed int, err error) {
	a.work.Lock()
	defer a.work.Unlock()
	if err := a.snapshot(ctx); err != nil {
		return 0, err
	}
	a.known = true
	old, err := a.old(ctx)
	for _, name := range old {
		if err == nil {
			err = a.place.Delete(ctx, name)
			removed++
		}
	}
	if err != nil {
		return removed, fmt.Errorf("remove what %s has of earlier states: %w", a.place, err)
	}
	return removed, SweepPartial(a.place, a.options.Now().Add(time.Hour))
}

// old returns the names of the application's files in the archive, without the newest backup.
func (a *Archiver) old(ctx context.Context) (names []string, err error) {
	all, err := histories(ctx, a.place)
	for _, h := range all {
		for _, seq := range h.backups {
			info, err := readInfo(ctx, a.place, backupName(h.epoch, seq))
			if err == nil && info.App != a.options.App { // another application's
				h = history{}
				break
			}
		}
		for _, seq := range h.backups {
			if h.epoch != a.store.Epoch() || seq != a.seq {
				names = append(names, backupName(h.epoch, seq))
			}
		}
		for _, s := range h.logs {
			names = append(names, logName(h.epoch, s))
		}
	}
	return names, err
}

// Place returns the name of the archive's place.
func (a *Archiver) Place() string { return a.place.String() }

// Search calls fn with the plain content of each file in the archive.
func (a *Archiver) Search(ctx context.Context, fn func(name string, content io.Reader) error) error {
	names, err := a.place.List(ctx)
	if err != nil {
		return fmt.Errorf("list %s: %w", a.place, err)
	}
	for _, name := range names {
		if err := a.searchFile(ctx, name, fn); err != nil {
			return fmt.Errorf("search %s of %s: %w", name, a.place, err)
		}
	}
	return nil
}

func (a *Archiver) searchFile(ctx context.Context, name string, fn func(string, io.Reader) error) error {
	content, err := a.place.Get(ctx, name)
	if err != nil {
		return err
	}
	defer content.Close()
	_, file, _ := strings.Cut(name, "/")
	_, isBackup := parseBackup(file)
	if _, isLog := parseLog(file); !isBackup && !isLog {
		return fn(name, contextReader{ctx, content})
	}
	return Unpack(ctx, content, func(plain io.Reader) error { return fn(name, plain) })
}

// Backup makes a backup of a running store in a file. It first copies the store beside
// that file, so that commits do not wait for the compression.
func Backup(ctx context.Context, s *store.Store, info Info, path string, progress Progress) (Info, error) {
	raw := filepath.Join(filepath.Dir(path), partial+filepath.Base(path)+"-"+string(record.NewID()))
	defer os.Remove(raw)
	info, err := Copy(s, info, raw)
	if err != nil {
		return Info{}, err
	}
	_, err = Pack(ctx, info, raw, path, nil, progress)
	return info, err
}
