package cursor

import (
	"context"
	"sync"

	"github.com/towerkit/tower/internal/record"
)

// Pages are what was read last to begin lists that have an end: those who open the
// same at the same state, of whom many may come back at once, read it once, even
// where each has a rule of its own. They are safe for concurrent use.
type readCache struct {
	mu  sync.Mutex
	all map[readKey]*cachedRead
}

type readKey struct {
	scope string
	seq   uint64
}

// A cachedRead is the records that a list reads first, and what they refer to.
type cachedRead struct {
	reused   bool // it was asked for again
	once     sync.Once
	images   []*record.Image
	complete bool
	err      error

	mu       sync.Mutex
	referred map[record.Key]*record.Image // nil: there is none
}

const (
	maxCachedReads = 64
	maxReferred    = 1 << 10 // records of a page
)

// lookup finds what the page's records refer to, as far as others have read it.
func (p *cachedRead) lookup(of *record.Model, all []reference) (missing bool) {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range all {
		r := &all[i]
		if image, read := p.referred[record.Key{Model: of, ID: r.id}]; read && r.unread {
			r.image, r.unread = image, false
		}
		missing = missing || r.unread
	}
	return missing
}

// add keeps what was read, for others.
func (p *cachedRead) add(of *record.Model, all []reference) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.referred)+len(all) > maxReferred || p.referred == nil {
		p.referred = map[record.Key]*record.Image{}
	}
	for _, r := range all {
		if r.unread {
			p.referred[record.Key{Model: of, ID: r.id}] = r.image
		}
	}
}

// get returns the page of a key; it may have to be read.
func (p *readCache) get(key readKey) *cachedRead {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.all[key]
	if found != nil {
		found.reused = true
		return found
	}
	if len(p.all) >= maxCachedReads || p.all == nil {
		p.sweep()
	}
	p.all[key] = new(cachedRead)
	return p.all[key]
}

// sweep makes room: it keeps those that were asked for again since the last time,
// if they leave any.
func (p *readCache) sweep() {
	kept := map[readKey]*cachedRead{}
	for key, page := range p.all {
		if page.reused {
			page.reused = false
			kept[key] = page
		}
	}
	if p.all = kept; len(kept) > maxCachedReads/2 {
		p.all = map[readKey]*cachedRead{}
	}
}

// drop forgets a page that could not be read.
func (p *readCache) drop(key readKey, failed *cachedRead) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[key] == failed {
		delete(p.all, key)
	}
}

// fill fills an empty reading with the state after the commit seq.
func (e *Engine) fill(ctx context.Context, r result, seq uint64, own rules) error {
	now := commitView{at: e.at(ctx, seq)}
	if l, ok := r.(*list); ok && l.scope.End() > 0 {
		key := readKey{l.scope.Key(), seq}
		p := e.firstReads.get(key)
		p.once.Do(func() {
			first := list{scope: l.scope, spare: l.spare}
			p.images, p.err = first.next(e.at(context.WithoutCancel(ctx), seq), first.missing())
			p.complete = first.complete
		})
		if p.err != nil {
			e.firstReads.drop(key, p)
			return p.err
		}
		l.complete = p.complete
		l.append(p.images, func(i int) bool { return own.allow(0, p.images[i]) })
		now.cached = p
	}
	return fill(r, &now, own)
}
