package store

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/towerkit/tower/internal/store/unsynced"
)

// bbolt panics where it meets a page that is not what it should be, and the system
// faults where a part of the file is gone. The store catches both, wherever it reads or
// writes the file, and ends: nothing that it said after that could be relied on.

// A DamagedError reports that the file is damaged. Every call fails with it once the
// damage has been met.
type DamagedError struct {
	Path   string
	What   any // what was met
	Remedy string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the store %s: the file is damaged, %s: %v", e.Path, e.Remedy, e.What)
}

// remedy says what to do about a file that is damaged.
func (s *Store) remedy() string {
	if s.options.Log == nil {
		return "restore a backup"
	}
	return "remove it, and the replica of the shared log is built anew"
}

// errDamaged marks the errors that only a damaged file can cause.
var errDamaged = errors.New("the file is damaged")

// Failed returns a channel that is closed when the store has met damage. [Store.Err] is
// the error.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err returns the [*DamagedError] that ended the store, or nil.
func (s *Store) Err() error {
	if err := s.damage.Load(); err != nil {
		return err
	}
	return nil
}

// guarded runs fn, which reads or writes the file, and turns damage that it meets into
// the error that ends the store.
func (s *Store) guarded(fn func() error) (err error) {
	if err := s.Err(); err != nil {
		return err
	}
	returned := false
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if returned {
			return
		}
		switch ofBolt, fault := origin(); {
		case ofBolt:
			err = s.fail(recover())
		case fault:
			what := recover()
			if _, outside := what.(interface{ Addr() uintptr }); !outside {
				panic(what) // a nil pointer
			}
			err = s.fail(what)
		}
	}()
	err = fn()
	returned = true
	if errors.Is(err, errDamaged) {
		err = s.fail(err)
	}
	return err
}

// fail ends the store. Feeds end, and later calls return the error.
func (s *Store) fail(what any) error {
	damage := &DamagedError{s.path, what, s.remedy()}
	if s.options.Log != nil && unsynced.Damaged(s.path) == nil {
		damage.Remedy = "start the application again, and it builds the replica anew"
	}
	if s.damage.CompareAndSwap(nil, damage) {
		close(s.failed)
		s.ring.close()
	}
	return s.Err()
}

// origin reports where the panic that a deferred function runs in comes from: from
// bbolt, or from a fault of memory elsewhere, as when a part of the file is gone while
// the store copies what bbolt returned. Other panics go on, with their stack.
func origin() (ofBolt, fault bool) {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for panicking, more := false, true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case !panicking:
		case frame.Function == "runtime.sigpanic":
			fault = true
		case !strings.HasPrefix(frame.Function, "runtime."):
			return strings.HasPrefix(frame.Function, "go.etcd.io/bbolt"), fault
		}
	}
	return false, fault
}
