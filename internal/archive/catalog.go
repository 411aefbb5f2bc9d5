package archive

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// A history is what an archive has of one epoch.
type history struct {
	epoch   string
	backups []uint64 // their commits, ascending
	logs    []span   // by their first commit
}

// A span is the commits of a log file.
type span struct{ from, to uint64 }

func backupName(epoch string, seq uint64) string { return fmt.Sprintf("%s/%020d.backup", epoch, seq) }

func logName(epoch string, s span) string {
	return fmt.Sprintf("%s/%020d-%020d.log", epoch, s.from, s.to)
}

// histories returns what a place has, oldest epoch first. It leaves out files of other
// names.
func histories(ctx context.Context, place Place) ([]history, error) {
	names, err := place.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", place, err)
	}
	var all []history
	for _, name := range names { // sorted, so that an epoch's files stand together
		epoch, rest, _ := strings.Cut(name, "/")
		seq, isBackup := parseBackup(rest)
		logs, isLog := parseLog(rest)
		if !isBackup && !isLog {
			continue
		}
		if len(all) == 0 || all[len(all)-1].epoch != epoch {
			all = append(all, history{epoch: epoch})
		}
		h := &all[len(all)-1]
		if isBackup {
			h.backups = append(h.backups, seq)
		} else {
			h.logs = append(h.logs, logs)
		}
	}
	return all, nil
}

func parseBackup(name string) (seq uint64, ok bool) {
	number, ok := strings.CutSuffix(name, ".backup")
	if !ok || len(number) != 20 {
		return 0, false
	}
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, err == nil
}

func parseLog(name string) (s span, ok bool) {
	numbers, ok := strings.CutSuffix(name, ".log")
	from, to, found := strings.Cut(numbers, "-")
	if !ok || !found || len(from) != 20 || len(to) != 20 {
		return span{}, false
	}
	var err1, err2 error
	s.from, err1 = strconv.ParseUint(from, 10, 64)
	s.to, err2 = strconv.ParseUint(to, 10, 64)
	return s, err1 == nil && err2 == nil && s.from <= s.to
}

// reaches reports whether the log files lead from a backup to a commit without a gap.
func (h *history) reaches(base, seq uint64) bool {
	for _, s := range h.after(base) {
		if s.from > base+1 {
			break
		}
		base = max(base, s.to)
	}
	return base >= seq
}

// last returns the newest commit that the archive has of the history without a gap,
// beginning at its newest backup.
func (h *history) last() uint64 {
	if len(h.backups) == 0 {
		return 0
	}
	seq := h.backups[len(h.backups)-1]
	for _, s := range h.after(seq) {
		if s.from > seq+1 {
			break
		}
		seq = max(seq, s.to)
	}
	return seq
}

// after returns the log files with commits after seq.
func (h *history) after(seq uint64) []span {
	return slices.DeleteFunc(slices.Clone(h.logs), func(s span) bool { return s.to <= seq })
}

// backupBefore returns the newest backup as of seq or earlier.
func (h *history) backupBefore(seq uint64) (found uint64, ok bool) {
	for _, b := range h.backups {
		if b <= seq {
			found, ok = b, true
		}
	}
	return found, ok
}

// began returns when an epoch began: its name is a ULID.
func began(epoch string) time.Time {
	id, err := ulid.ParseStrict(epoch)
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(id.Time())
}

// A History describes what an archive has of one epoch.
type History struct {
	Epoch    string
	Began    time.Time
	From, To uint64 // the commits of the oldest backup, and the newest commit
	Backups  []Info
}

// Contents returns what an archive has, oldest epoch first.
func Contents(ctx context.Context, place Place) ([]History, error) {
	all, err := histories(ctx, place)
	if err != nil {
		return nil, err
	}
	var contents []History
	for i := range all {
		h := &all[i]
		if len(h.backups) == 0 {
			continue
		}
		c := History{Epoch: h.epoch, Began: began(h.epoch), From: h.backups[0], To: h.last()}
		for _, seq := range h.backups {
			info, err := readInfo(ctx, place, backupName(h.epoch, seq))
			if err != nil {
				return nil, err
			}
			c.Backups = append(c.Backups, info)
		}
		contents = append(contents, c)
	}
	return contents, nil
}
