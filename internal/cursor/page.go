package cursor

import (
	"context"
	"sync"

	"github.com/towerkit/tower/internal/record"
)

// Pages are what was read last to begin lists that have an end: those who open the
// same at the same state, of whom many may come back at once, read it once, even
// where each has a rule of its own. They are safe for concurrent use.
type pages struct {
	mu  sync.Mutex
	all map[pageKey]*page
}

type pageKey struct {
	scope string
	seq   uint64
}

// A page is the records that a list reads first, and what they refer to.
type page struct {
	again    bool // it was asked for again
	once     sync.Once
	images   []*record.Image
	complete bool
	err      error

	mu       sync.Mutex
	referred map[named]*record.Image // nil: there is none
}

const (
	maxPages    = 64
	maxReferred = 1 << 10 // records of a page
)

// recall finds what the page's records refer to, as far as others have read it.
func (p *page) recall(of *record.Model, all []referral) (missing bool) {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range all {
		r := &all[i]
		if image, read := p.referred[named{of, r.id}]; read && r.unread {
			r.image, r.unread = image, false
		}
		missing = missing || r.unread
	}
	return missing
}

// note keeps what was read, for others.
func (p *page) note(of *record.Model, all []referral) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.referred)+len(all) > maxReferred || p.referred == nil {
		p.referred = map[named]*record.Image{}
	}
	for _, r := range all {
		if r.unread {
			p.referred[named{of, r.id}] = r.image
		}
	}
}

// get returns the page of a key; it may have to be read.
func (p *pages) get(key pageKey) *page {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.all[key]
	if found != nil {
		found.again = true
		return found
	}
	if len(p.all) >= maxPages || p.all == nil {
		p.sweep()
	}
	p.all[key] = new(page)
	return p.all[key]
}

// sweep makes room: it keeps those that were asked for again since the last time,
// if they leave any.
func (p *pages) sweep() {
	kept := map[pageKey]*page{}
	for key, page := range p.all {
		if page.again {
			page.again = false
			kept[key] = page
		}
	}
	if p.all = kept; len(kept) > maxPages/2 {
		p.all = map[pageKey]*page{}
	}
}

// drop forgets a page that could not be read.
func (p *pages) drop(key pageKey, failed *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[key] == failed {
		delete(p.all, key)
	}
}

// fill fills an empty reading with the state after the commit seq.
func (e *Engine) fill(ctx context.Context, r reading, seq uint64, own rules) error {
	now := moment{at: e.at(ctx, seq)}
	if l, ok := r.(*list); ok && l.scope.end() > 0 {
		key := pageKey{l.scope.Key(), seq}
		p := e.pages.get(key)
		p.once.Do(func() {
			first := list{scope: l.scope, spare: l.spare}
			p.images, p.err = first.next(e.at(context.WithoutCancel(ctx), seq), first.wants())
			p.complete = first.complete
		})
		if p.err != nil {
			e.pages.drop(key, p)
			return p.err
		}
		l.complete = p.complete
		l.take(p.images, func(i int) bool { return own.allow(0, p.images[i]) })
		now.page = p
	}
	return fill(r, &now, own)
}
