package cursor

import (
	"context"
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// readCache keeps the first rows of recently opened windows, so that many clients
// opening one query at one seq, for example after a restart, read the store once,
// even if each has its own rule. It is safe for concurrent use.
type readCache struct {
	mu  sync.Mutex
	all map[readKey]*cachedRead
}

type readKey struct {
	scope string
	seq   uint64
}

// A cachedRead holds the records that a list reads first, and those they refer to.
type cachedRead struct {
	reused   bool // it was used again since the last sweep
	once     sync.Once
	images   []*record.Image
	complete bool
	examined int // records that were read for it
	err      error

	mu       sync.Mutex
	referred map[record.Key]*record.Image // nil if there is none
}

const (
	maxCachedReads = 64
	maxReferred    = 1 << 10 // records that one cachedRead refers to
)

// lookup sets the images of references that another caller has read. It reports
// whether some are missing.
func (r *cachedRead) lookup(of *record.Model, all []reference) (missing bool) {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range all {
		ref := &all[i]
		if image, read := r.referred[record.Key{Model: of, ID: ref.id}]; read && ref.unread {
			ref.image, ref.unread = image, false
		}
		missing = missing || ref.unread
	}
	return missing
}

// add keeps the images of references for other callers.
func (r *cachedRead) add(of *record.Model, all []reference) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.referred)+len(all) > maxReferred || r.referred == nil {
		r.referred = map[record.Key]*record.Image{}
	}
	for _, ref := range all {
		if ref.unread {
			r.referred[record.Key{Model: of, ID: ref.id}] = ref.image
		}
	}
}

// get returns the read with a key, which may have to be done.
func (c *readCache) get(key readKey) *cachedRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.all[key]
	if found != nil {
		found.reused = true
		return found
	}
	if len(c.all) >= maxCachedReads || c.all == nil {
		c.sweep()
	}
	c.all[key] = new(cachedRead)
	return c.all[key]
}

// sweep makes room. It keeps the reads that were used again since the last sweep,
// unless these are too many.
func (c *readCache) sweep() {
	kept := map[readKey]*cachedRead{}
	for key, read := range c.all {
		if read.reused {
			read.reused = false
			kept[key] = read
		}
	}
	if c.all = kept; len(kept) > maxCachedReads/2 {
		c.all = map[readKey]*cachedRead{}
	}
}

// drop removes a failed read.
func (c *readCache) drop(key readKey, failed *cachedRead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[key] == failed {
		delete(c.all, key)
	}
}

// fill fills an empty result with the state after the commit seq. chosen is that of the spec.
// It must not be called under the lock.
func (e *Engine) fill(ctx context.Context, r result, seq uint64, own rules, chosen bool) error {
	now := commitView{at: e.parts(ctx, seq)}
	r.readInParts(firstPart)
	defer r.readInParts(0)
	if l, ok := r.(*list); ok && l.scope.End() > 0 {
		key := readKey{l.scope.Key(), seq}
		cached := e.firstReads.get(key)
		mine := false
		cached.once.Do(func() {
			mine = true
			var meter store.Meter
			first := list{scope: l.scope, spare: l.spare, part: l.part}
			cached.images, cached.err = first.next(e.parts(meter.Context(context.WithoutCancel(ctx)), seq), first.missing())
			cached.complete, cached.examined = first.complete, meter.Examined()
		})
		if !mine && chosen {
			if err := imitate(ctx, cached.examined); err != nil {
				return err
			}
		}
		if cached.err != nil {
			e.firstReads.drop(key, cached)
			return cached.err
		}
		l.complete = cached.complete
		l.append(cached.images, func(i int) bool { return own.allow(0, cached.images[i]) })
		now.cached = cached
	}
	return fill(r, &now, own)
}
