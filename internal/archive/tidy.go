package archive

import (
	"context"
	"fmt"

	"github.com/towerkit/tower/internal/store"
)

// tidy merges the log files before the newest backup, which may be many and small, and
// removes what is older than the archive reaches back.
func (a *Archiver) tidy(ctx context.Context) error {
	h, err := a.history(ctx)
	if err != nil {
		return err
	}
	if err := a.merge(ctx, &h); err != nil {
		return err
	}
	return a.prune(ctx)
}

// merge replaces the log files between the two newest backups by few.
func (a *Archiver) merge(ctx context.Context, h *history) error {
	if len(h.backups) == 0 {
		return nil
	}
	to, from := h.backups[len(h.backups)-1], uint64(0)
	if len(h.backups) > 1 {
		from = h.backups[len(h.backups)-2]
	}
	var small []span
	for _, s := range h.logs {
		if s.from > from && s.to <= to {
			small = append(small, s)
		}
	}
	if len(small) < 2 {
		return nil
	}
	m := &merger{archiver: a, next: small[0].from}
	for _, s := range small {
		if s.from > m.next { // a gap that a backup replaces
			if err := m.flush(ctx); err != nil {
				return err
			}
			m.next = s.from
		}
		if err := m.read(ctx, h.epoch, s); err != nil {
			return err
		}
	}
	if err := m.flush(ctx); err != nil {
		return err
	}
	for _, s := range small {
		if m.made[s] {
			continue
		}
		if err := a.place.Delete(ctx, logName(h.epoch, s)); err != nil {
			return err
		}
	}
	return nil
}

// A merger writes the commits of log files into larger ones.
type merger struct {
	archiver *Archiver
	next     uint64
	waiting  []store.Entry
	size     int
	made     map[span]bool
}

func (m *merger) read(ctx context.Context, epoch string, s span) error {
	name := logName(epoch, s)
	content, err := m.archiver.place.Get(ctx, name)
	if err != nil {
		return fmt.Errorf("get %s: %w", name, err)
	}
	defer content.Close()
	err = decodeLog(contextReader{ctx, content}, func(e store.Entry) error {
		if e.Seq < m.next {
			return nil
		}
		m.waiting = append(m.waiting, e)
		m.next = e.Seq + 1
		if m.size += len(e.Data); m.size < mergedBytes {
			return nil
		}
		return m.flush(ctx)
	})
	if err != nil {
		return fmt.Errorf("merge %s: %w", name, err)
	}
	return nil
}

func (m *merger) flush(ctx context.Context) error {
	if len(m.waiting) == 0 {
		return nil
	}
	if m.made == nil {
		m.made = map[span]bool{}
	}
	m.made[span{m.waiting[0].Seq, m.next - 1}] = true
	err := m.archiver.putLog(ctx, m.waiting)
	m.waiting, m.size = nil, 0
	return err
}

// prune removes the backups and log files that are not needed to restore any state of
// the time that the archive keeps.
func (a *Archiver) prune(ctx context.Context) error {
	all, err := histories(ctx, a.place)
	if err != nil {
		return err
	}
	oldest := a.options.Now().Add(-a.options.Keep)
	for i := range all {
		h := &all[i]
		keep, some := 0, true // the first backup to keep; whether anything is kept
		for j := len(h.backups) - 1; j >= 0; j-- {
			info, err := readInfo(ctx, a.place, backupName(h.epoch, h.backups[j]))
			if err != nil {
				return err
			}
			if info.App != a.options.App { // another application's
				break
			}
			if info.At.Before(oldest) {
				keep = j
				// An epoch that was replaced before that time is not needed at all.
				some = h.epoch == a.store.Epoch() || i+1 == len(all) || !began(all[i+1].epoch).Before(oldest)
				break
			}
		}
		if err := a.remove(ctx, h, keep, some); err != nil {
			return err
		}
	}
	return nil
}

// remove removes the backups before the one with the number keep and the log files
// before that backup, or everything unless some is kept.
func (a *Archiver) remove(ctx context.Context, h *history, keep int, some bool) error {
	var names []string
	for j, seq := range h.backups {
		if j < keep || !some {
			names = append(names, backupName(h.epoch, seq))
		}
	}
	for _, s := range h.logs {
		if !some || len(h.backups) > 0 && s.to <= h.backups[keep] {
			names = append(names, logName(h.epoch, s))
		}
	}
	for _, name := range names {
		if err := a.place.Delete(ctx, name); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return nil
}
