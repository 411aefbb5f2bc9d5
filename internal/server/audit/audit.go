// Package audit checks in production that clients hold what they should.
//
// Now and then a client sends a checksum of what it holds. An [Auditor] reads the same
// cursor naively, as of the same commit: it tests every record of the model, without an
// index and without the code that keeps cursors current. If the two differ, it counts a
// divergence, logs it and saves a case.
//
// What a client says may be wrong: by a fault of the server, of the client or of the
// application's rules, or on purpose. So a divergence is a reason to look, and each client
// can cause only a few.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A Claim is what a client says that it holds of a cursor, after a commit.
type Claim struct {
	Party limit.Party
	User  record.ID
	Seq   uint64
	Held  replica.Sum
	Page  bool // the cursor is a list of a page: the client holds the ids of its records

	// Opened is how the client opened the cursor, and Since the newest commit then.
	Opened Opening
	Since  uint64

	// Spec returns what the cursor holds, as of the commit. The error is
	// ErrMoved if the client's rights may have changed since.
	Spec func(context.Context) (cursor.Spec, error)

	// Followed returns the records that the client's rights depend on, as of the commit.
	Followed func(context.Context) []query.Scope
}

// An Opening is the request that a cursor was opened with.
type Opening struct {
	Cursor string          `json:"cursor"`
	In     json.RawMessage `json:"in,omitempty"`
	Where  json.RawMessage `json:"where,omitempty"`
	Order  []string        `json:"order,omitempty"`
	Limit  int             `json:"limit,omitempty"`
}

// ErrMoved is the error for rights that may have changed since the commit of a claim.
var ErrMoved = errors.New("the client's rights may have changed since")

// errLarge is the error of a model with too many records to read them all.
var errLarge = errors.New("the model has too many records")

// Counts are what has happened to the claims of clients.
type Counts struct {
	Equal       uint64 // the client held what it should
	Divergences uint64 // it did not

	// These were not compared.
	Busy    uint64 // others were waiting
	Often   uint64 // the client sends too many, or has caused too many divergences
	Moved   uint64 // its rights may have changed since
	Expired uint64 // the log no longer reaches back to the commit
	Large   uint64 // the model has more than [MaxRecords] records
	Failed  uint64 // the cursor could not be read
}

// Skipped returns how many claims were not compared.
func (c Counts) Skipped() uint64 {
	return c.Busy + c.Often + c.Moved + c.Expired + c.Large + c.Failed
}

const (
	// MaxRecords is the number of records that are read for a claim at most.
	MaxRecords = 100_000

	maxWaiting = 16
	partSize   = 1000 // records in one view of the store
	rest       = 19   // the auditor works for a twentieth of the time
	perParty   = 10   // claims of a client in the time between two of them
)

// alarms is how many divergences a client can cause.
var alarms = limit.Rate{N: 3, Per: time.Hour, By: limit.ByUser}

// Options configure an Auditor.
type Options struct {
	Every  time.Duration // between two claims of a client
	Folder string        // where cases are saved
	Build  string
	Store  *store.Store
	Log    *slog.Logger
}

// An Auditor compares what clients hold with what they should hold, one claim at a time.
// Its methods are safe for concurrent use.
type Auditor struct {
	Options
	waiting chan *Claim
	rates   *limit.Rates
	claims  limit.Rate

	equal, divergences, busy, often, moved, expired, large, failed atomic.Uint64
}

// New returns an auditor. Call Run.
func New(o Options) *Auditor {
	return &Auditor{Options: o, waiting: make(chan *Claim, maxWaiting), rates: limit.NewRates(), claims: limit.Rate{N: perParty, Per: o.Every, By: limit.ByUser}}
}

// Counts returns the counts so far.
func (a *Auditor) Counts() Counts {
	return Counts{Equal: a.equal.Load(), Divergences: a.divergences.Load(), Busy: a.busy.Load(), Often: a.often.Load(), Moved: a.moved.Load(),
		Expired: a.expired.Load(), Large: a.large.Load(), Failed: a.failed.Load()}
}

// Submit queues a claim, unless there are too many. It does not wait.
func (a *Auditor) Submit(c *Claim) {
	if a.rates.Take("audit", []limit.Rate{a.claims}, c.Party) != nil {
		a.often.Add(1)
		return
	}
	select {
	case a.waiting <- c:
	default:
		a.busy.Add(1)
	}
}

// Run compares claims until ctx ends.
func (a *Auditor) Run(ctx context.Context) {
	for {
		select {
		case c := <-a.waiting:
			a.check(ctx, c)
		case <-ctx.Done():
			return
		}
	}
}

func (a *Auditor) check(ctx context.Context, c *Claim) {
	held, err := a.read(ctx, c)
	var want replica.Sum
	if err == nil {
		want, err = held.Sum(c.Page)
	}
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, ErrMoved):
		a.moved.Add(1)
	case errors.Is(err, store.ErrExpired):
		a.expired.Add(1)
	case errors.Is(err, errLarge):
		a.large.Add(1)
	case err != nil:
		a.failed.Add(1)
	case want.All == c.Held.All:
		a.equal.Add(1)
	case a.rates.Take("divergence", []limit.Rate{alarms}, c.Party) != nil:
		a.often.Add(1)
	default:
		a.report(ctx, c, held, want)
	}
}

// read reads what the client of a claim should hold.
func (a *Auditor) read(ctx context.Context, c *Claim) (*Reading, error) {
	began := time.Now()
	spec, err := c.Spec(ctx)
	pause(ctx, began)
	if err != nil {
		return nil, err
	}
	held, err := Read(&spec, &parts{ctx: ctx, store: a.Store, seq: c.Seq})
	if err == nil {
		_, err = c.Spec(ctx) // the rights have been those all the time
	}
	return held, err
}

// pause rests in proportion to the time that a part of the work took.
func pause(ctx context.Context, began time.Time) {
	timer := time.NewTimer(rest * time.Since(began))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// parts reads the records of a store after a commit, some at a time.
type parts struct {
	ctx      context.Context
	store    *store.Store
	seq      uint64
	examined int
}

// Each yields the records of a model.
func (p *parts) Each(m *record.Model, yield func(*record.Image) error) error {
	var last *record.Image
	for {
		began := time.Now()
		images := make([]*record.Image, 0, partSize)
		err := p.store.ViewAt(p.ctx, p.seq, func(snap *store.Snapshot) error {
			return snap.Scan(m, store.Range{After: last}, func(image *record.Image) bool {
				images = append(images, image)
				return len(images) < partSize
			})
		})
		if p.examined += len(images); p.examined > MaxRecords {
			err = errors.Join(err, errLarge)
		}
		for _, image := range images {
			if err == nil {
				err = yield(image)
			}
		}
		if pause(p.ctx, began); err != nil || len(images) < partSize {
			return errors.Join(err, p.ctx.Err())
		}
		last = images[len(images)-1]
	}
}

// Sum returns the checksum of what was read. A list of a page holds ids alone.
func (r *Reading) Sum(page bool) (replica.Sum, error) {
	if r.Value != nil {
		return replica.SumOfValue(r.Value)
	}
	s := replica.Summer{}
	if page {
		for _, image := range r.Images {
			s.AddID(string(image.ID))
		}
		return s.Sum(), nil
	}
	for _, image := range r.Images {
		if err := s.Add(image.JSON); err != nil {
			return replica.Sum{}, err
		}
	}
	for model, images := range r.Included {
		for _, image := range images {
			if err := s.Include(model.Name, image.JSON); err != nil {
				return replica.Sum{}, err
			}
		}
	}
	return s.Sum(), nil
}

// report saves a divergence as a case, counts it and logs it.
func (a *Auditor) report(ctx context.Context, c *Claim, held *Reading, want replica.Sum) {
	file, err := a.save(ctx, c, held, want)
	a.divergences.Add(1)
	differs := 0
	for i, sum := range want.Rows {
		if i >= len(c.Held.Rows) || c.Held.Rows[i] != sum {
			differs++
		}
	}
	log := a.Log.With("cursor", c.Opened.Cursor, "seq", c.Seq, "user", c.User, "records", len(held.Images), "differ", differs,
		"unknown", unknown(c.Held.Rows, want.Rows))
	if err != nil {
		log.Error("a client says that it holds something else than it should; no case was saved", "error", err)
		return
	}
	log.Error("a client says that it holds something else than it should", "case", file)
}

// unknown counts the records of a client that are not, or not in this state, among those
// that it should hold.
func unknown(have, want []uint32) (n int) {
	for _, sum := range have {
		if !slices.Contains(want, sum) {
			n++
		}
	}
	return n
}
