package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/towerkit/tower/internal/store"
)

// A Progress receives how far a long step has come. total is 0 if it is not known.
type Progress func(step string, done, total int64)

// Restored describes a restored store.
type Restored struct {
	From  string    // the epoch that it was restored from
	Seq   uint64    // its newest commit
	At    time.Time // of that commit; zero if the log has no commit
	Epoch string    // its own
	Cut   string    // the name of the archive's last log file, if that was cut short
}

// RestoreBackup restores a store from a backup, to its newest commit or to an earlier
// one that its log reaches. The store is written to path, where there must be no file, and the files of
// the backup to a place, nil for nowhere.
func RestoreBackup(ctx context.Context, backup io.Reader, point Point, path string, files Place, progress Progress) (Restored, error) {
	r := &restoring{ctx: ctx, path: path, files: files, progress: progress}
	return r.run(func() error {
		if err := r.unpack(backup); err != nil {
			return err
		}
		return r.back(point)
	})
}

// Restore restores a store from an archive, to the newest commit or to any other that
// it has. The store is written to path, where there must be no file.
func Restore(ctx context.Context, place Place, point Point, path string, progress Progress) (Restored, error) {
	r := &restoring{ctx: ctx, path: path, progress: progress}
	return r.run(func() error { return r.archive(place, point) })
}

// restoring is one restoration.
type restoring struct {
	ctx      context.Context
	path     string
	files    Place
	progress Progress
	file     *store.File
	info     Info
	restored Restored
}

// run writes the store beside its path, and puts it there when it is ready.
func (r *restoring) run(restore func() error) (Restored, error) {
	path := r.path
	if _, err := os.Lstat(path); err == nil {
		return Restored{}, fmt.Errorf("%s exists: %w", path, fs.ErrExist)
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), ".restore-*")
	if err != nil {
		return Restored{}, err
	}
	defer os.RemoveAll(folder)
	r.path = filepath.Join(folder, "store.db")
	err = restore()
	if err == nil {
		err = r.settle()
	}
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	if err == nil {
		err = os.Rename(r.path, path)
	}
	return r.restored, err
}

// settle makes the file ready for its application.
func (r *restoring) settle() error {
	state, err := r.file.State()
	if err != nil {
		return err
	}
	r.restored.From, r.restored.Seq, r.restored.At = state.Epoch, state.Seq, state.At
	r.progress("checking the file", 0, 0)
	if err := r.file.Check(r.ctx); err != nil {
		return err
	}
	r.restored.Epoch, err = r.file.Settle()
	return err
}

// unpack writes the backup's file and opens it.
func (r *restoring) unpack(backup io.Reader) error {
	var file *os.File
	info, err := ReadBackup(r.ctx, backup, func(info Info) (w io.Writer, err error) {
		file, err = os.OpenFile(r.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		return &counter{w: file, step: "unpacking the backup", total: info.Size, progress: r.progress}, err
	}, r.files)
	if file != nil {
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err != nil {
		return err
	}
	r.info = info
	r.file, err = store.OpenFile(r.path)
	return err
}

// back takes an unpacked backup to the point, which is not later.
func (r *restoring) back(point Point) error {
	seq := point.Seq
	switch {
	case point.newest():
		return nil
	case point.Epoch != "" && point.Epoch != r.info.Epoch:
		return fmt.Errorf("the backup is of %s, not of %s", r.info.Epoch, point.Epoch)
	case !point.At.IsZero() && point.At.After(r.info.At):
		return fmt.Errorf("the backup was made at %s, before %s", r.info.At.Format(time.RFC3339), point)
	case !point.At.IsZero():
		at, err := r.file.SeqAt(point.At)
		if err != nil {
			return err
		}
		seq = at
	}
	state, err := r.file.State()
	if err != nil {
		return err
	}
	total := int64(state.Seq - min(seq, state.Seq))
	return r.file.Rewind(r.ctx, seq, func(left uint64) { r.progress("undoing commits", total-int64(left), total) })
}

// archive restores from the newest backup that is not later than the point, or the
// oldest one, and the log.
func (r *restoring) archive(place Place, point Point) error {
	h, err := choose(r.ctx, place, point)
	if err != nil {
		return err
	}
	base, err := h.base(r.ctx, place, point)
	if err != nil {
		return err
	}
	backup, err := place.Get(r.ctx, backupName(h.epoch, base))
	if err != nil {
		return fmt.Errorf("get the backup as of commit %d: %w", base, err)
	}
	err = errors.Join(r.unpack(backup), backup.Close())
	switch {
	case err != nil:
		return fmt.Errorf("the backup as of commit %d: %w", base, err)
	case !point.newest() && (point.At.IsZero() && point.Seq < base || !point.At.IsZero() && point.At.Before(r.info.At) && !r.later(point)):
		return r.back(point)
	}
	return r.forward(place, h, point)
}

// later reports whether the point is not before the newest commit of the file.
func (r *restoring) later(point Point) bool {
	state, err := r.file.State()
	return err == nil && !state.At.After(point.At)
}

// choose returns the history that has the point.
func choose(ctx context.Context, place Place, point Point) (*history, error) {
	all, err := histories(ctx, place)
	if err != nil {
		return nil, err
	}
	var found *history
	for i := range all {
		h := &all[i]
		switch {
		case len(h.backups) == 0:
		case point.Epoch != "" && h.epoch != point.Epoch:
		case !point.At.IsZero() && found != nil && began(h.epoch).After(point.At):
		default:
			found = h
		}
	}
	switch {
	case found == nil && point.Epoch != "":
		return nil, fmt.Errorf("%s has no backup of %s", place, point.Epoch)
	case found == nil:
		return nil, fmt.Errorf("%s has no backup", place)
	}
	return found, nil
}

// base returns the commit of the backup to begin with.
func (h *history) base(ctx context.Context, place Place, point Point) (uint64, error) {
	if point.At.IsZero() {
		seq := point.Seq
		if point.newest() {
			seq = h.backups[len(h.backups)-1]
		}
		base, ok := h.backupBefore(seq)
		if ok && h.reaches(base, seq) {
			return base, nil
		}
		for _, later := range h.backups { // a migration empties the log: its commit is in no log file
			if later >= seq {
				return later, nil
			}
		}
		if ok {
			return base, nil
		}
		return h.backups[0], nil
	}
	for i := len(h.backups) - 1; i > 0; i-- {
		info, err := readInfo(ctx, place, backupName(h.epoch, h.backups[i]))
		if err != nil {
			return 0, err
		}
		if !info.At.After(point.At) {
			return h.backups[i], nil
		}
	}
	return h.backups[0], nil
}

var errEnough = errors.New("enough was read")

// readInfo reads the beginning of a backup.
func readInfo(ctx context.Context, place Place, name string) (Info, error) {
	backup, err := place.Get(ctx, name)
	if err != nil {
		return Info{}, fmt.Errorf("get %s: %w", name, err)
	}
	defer backup.Close()
	info, err := ReadBackup(ctx, backup, func(Info) (io.Writer, error) { return nil, errEnough }, nil)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return info, err
}

// forward adds commits of the log up to the point.
func (r *restoring) forward(place Place, h *history, point Point) error {
	state, err := r.file.State()
	if err != nil {
		return err
	}
	f := &forward{file: r.file, seq: state.Seq, at: state.At, point: point}
	logs := h.after(state.Seq)
	total := int64(0)
	if len(logs) > 0 {
		total = int64(logs[len(logs)-1].to - state.Seq)
	}
	for i, s := range logs {
		if f.done() {
			break
		}
		if s.from > f.seq+1 {
			return fmt.Errorf("%s lacks the commits %d to %d", place, f.seq+1, s.from-1)
		}
		name := logName(h.epoch, s)
		err := f.read(r.ctx, place, name)
		if errors.Is(err, io.ErrUnexpectedEOF) && i == len(logs)-1 {
			r.restored.Cut = name
			err = nil
		}
		if err != nil && !errors.Is(err, errEnough) {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.progress("adding commits", int64(f.seq-state.Seq), total)
	}
	if point.At.IsZero() && !point.newest() && f.seq < point.Seq {
		return fmt.Errorf("%s has no %s: it ends at commit %d of %s", place, point, f.seq, f.at.Format(time.RFC3339))
	}
	return nil
}

// forward adds the commits of log files to a file.
type forward struct {
	file    *store.File
	seq     uint64 // the newest commit of the file and of what waits
	at      time.Time
	point   Point
	enough  bool
	waiting []store.Entry
	size    int
}

const forwardGroup = 8 << 20 // bytes of entries that are added at once

// done reports whether the point has been reached.
func (f *forward) done() bool {
	return f.enough || f.point.At.IsZero() && !f.point.newest() && f.seq >= f.point.Seq
}

func (f *forward) read(ctx context.Context, place Place, name string) error {
	content, err := place.Get(ctx, name)
	if err != nil {
		return err
	}
	defer content.Close()
	err = decodeLog(contextReader{ctx, content}, f.add)
	return errors.Join(err, f.flush())
}

func (f *forward) add(e store.Entry) error {
	if e.Seq <= f.seq {
		return nil
	}
	f.enough = !f.point.At.IsZero() && e.At().After(f.point.At)
	if f.done() {
		return errEnough
	}
	f.waiting = append(f.waiting, e)
	f.seq, f.at = e.Seq, e.At()
	if f.size += len(e.Data); f.size >= forwardGroup {
		return f.flush()
	}
	return nil
}

func (f *forward) flush() error {
	waiting := f.waiting
	f.waiting, f.size = nil, 0
	return f.file.Append(waiting)
}

// A counter reports what is written through it.
type counter struct {
	w           io.Writer
	step        string
	done, total int64
	progress    Progress
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.done += int64(n)
	c.progress(c.step, c.done, c.total)
	return n, err
}
