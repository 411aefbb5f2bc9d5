package jobs

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

// batch bounds how many jobs one commit takes, or looks after.
const batch = 100

// found is what an engine has found to do.
type found struct {
	due     []Job     // to be taken, first come first
	unknown []Job     // due, without a handler in this build
	expired []Job     // whose workers have not renewed their leases
	old     []Job     // ended, and kept for long enough
	next    time.Time // when there is more, unless something wakes the engine before; zero: not known
}

func (f *found) nothing() bool {
	return len(f.due)+len(f.unknown)+len(f.expired)+len(f.old) == 0
}

// room returns how many more jobs may run in all, and in queues that are bounded.
func (e *Engine) room() (free int, room map[string]int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	room = map[string]int{}
	for queue, most := range e.Queues {
		room[queue] = most - e.byQueue[queue]
	}
	return min(e.Workers-len(e.running), batch), room
}

// look finds what is due, as much as there is room for. It reads one entry of the index
// for each queue and priority, and those that it returns.
func (e *Engine) look(ctx context.Context, free int, room map[string]int) (f found, err error) {
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		s := &scanner{table: e.table, snap: snap, now: e.store.Now()}
		if e.store.SharesLog() {
			f.expired = s.until("r/", s.now, batch)
			f.next = s.first("r/")
		}
		f.old = s.until("f/", s.now, batch)
		f.next = earlier(f.next, s.first("f/"))
		if free <= 0 {
			return s.err
		}
		s.heads(func(lane string, head Job) {
			most := free
			if bound, bounded := room[head.Queue]; bounded {
				most = min(free, bound)
			}
			if most <= 0 {
				return
			}
			known := 0
			s.each(lane, lane+typed.Stamp(s.now)+"0", func(job Job) bool {
				if e.Handlers[job.Name] == nil {
					f.unknown = append(f.unknown, job)
				} else {
					f.due = append(f.due, job)
					known++
				}
				return known < most && len(f.unknown) < batch
			})
			if known < most {
				f.next = earlier(f.next, s.after(lane))
			}
			if _, bounded := room[head.Queue]; bounded {
				room[head.Queue] -= known
			}
		})
		return s.err
	})
	slices.SortStableFunc(f.due, func(a, b Job) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), a.Due.Compare(b.Due))
	})
	if len(f.due) > free {
		f.due = f.due[:max(free, 0)]
	}
	return f, err
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// A scanner reads slots in order. It keeps its first error.
type scanner struct {
	table *Table
	snap  *store.Snapshot
	now   time.Time
	err   error
}

// each calls fn with the jobs whose slots are in from ≤ slot < to, until it returns false.
func (s *scanner) each(from, to string, fn func(Job) bool) {
	if s.err != nil {
		return
	}
	s.err = s.table.Scan(s.snap, s.table.Between("slot", from, to), fn)
}

// at returns the first job whose slot is in from ≤ slot < to.
func (s *scanner) at(from, to string) (first Job, ok bool) {
	s.each(from, to, func(job Job) bool {
		first, ok = job, true
		return false
	})
	return first, ok
}

// heads calls fn with each queue and priority in which a job waits: the beginning of its slots,
// and the job that is first due.
func (s *scanner) heads(fn func(lane string, head Job)) {
	for at := "w/"; ; {
		head, ok := s.at(at, "w0")
		if !ok {
			return
		}
		lane := head.Slot[:strings.LastIndexByte(head.Slot, '/')+1]
		fn(lane, head)
		at = lane + ":" // after every time
	}
}

// until returns up to most jobs whose slots begin with prefix and have a time up to one.
func (s *scanner) until(prefix string, to time.Time, most int) (all []Job) {
	s.each(prefix, prefix+typed.Stamp(to)+"0", func(job Job) bool {
		all = append(all, job)
		return len(all) < most
	})
	return all
}

// first returns the time of the first slot with a prefix; zero if there is none.
func (s *scanner) first(prefix string) time.Time {
	job, ok := s.at(prefix, prefix+":")
	if !ok {
		return time.Time{}
	}
	return slotTime(job.Slot)
}

// after returns the time of the first slot in a lane that is not due; zero if there is none.
func (s *scanner) after(lane string) time.Time {
	job, ok := s.at(lane+typed.Stamp(s.now)+"0", lane+":")
	if !ok {
		return time.Time{}
	}
	return slotTime(job.Slot)
}

func slotTime(slot string) time.Time {
	micros, _ := strconv.ParseInt(slot[strings.LastIndexByte(slot, '/')+1:], 10, 64) // stamp has written it
	return time.UnixMicro(micros)
}

// Find returns a job, or [store.ErrNotFound].
func (t *Table) Find(snap *store.Snapshot, id record.ID) (Job, error) {
	image, err := snap.Get(t.Model, id)
	if err != nil {
		return Job{}, err
	}
	return t.Of(image)
}

// Newest calls fn with the jobs of a name, newest first, until it returns false. It reads all
// jobs, because names have no index.
func (t *Table) Newest(snap *store.Snapshot, name string, fn func(Job) bool) error {
	return t.Scan(snap, store.Range{Reverse: true}, func(job Job) bool { return job.Name != name || fn(job) })
}
