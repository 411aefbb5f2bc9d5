package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A Case is a divergence as it is saved: enough to open the same cursor on records like
// those, and to make the commits that led to it again. It holds private fields.
type Case struct {
	At    time.Time `json:"at"`
	Says  string    `json:"says"` // "client"
	Build string    `json:"build"`
	Epoch string    `json:"epoch"`
	User  record.ID `json:"user,omitempty"` // "" is a visitor

	Opening
	Scope string `json:"scope"`

	Page    bool     `json:"page,omitempty"` // a list of a page, whose rows are those of ids
	Seq     uint64   `json:"seq"`            // after this commit
	Client  Rows     `json:"client"`
	Server  Rows     `json:"server"`
	From    uint64   `json:"from"`    // the commit after which Records are read
	Records []Record `json:"records"` // those that the cursor and its user's rights depend on, as far as they are known
	Commits []Commit `json:"commits"` // after From, up to Seq
}

// Rows are the checksums of a cursor's records, or of its value.
type Rows struct {
	Sum   uint32          `json:"sum"`
	Rows  []uint32        `json:"rows"`
	IDs   []record.ID     `json:"ids,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
}

// A Commit is what a commit did to the records of an application.
type Commit struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Changes []Record  `json:"changes"`
}

// A Record is a record with all its fields.
type Record struct {
	Op     string                     `json:"op,omitempty"` // of a change
	Model  string                     `json:"model"`
	ID     record.ID                  `json:"id"`
	Fields map[string]json.RawMessage `json:"fields,omitempty"` // none in a delete
}

const (
	maxCases   = 100
	maxCommits = 50
	maxSaved   = 2000 // records
)

// Load reads a case from its file.
func Load(file string) (*Case, error) {
	c := &Case{}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, c)
	}
	if err != nil {
		return nil, fmt.Errorf("read a divergence: %w", err)
	}
	return c, nil
}

// save saves a divergence and returns the path of its file.
func (a *Auditor) save(ctx context.Context, c *Claim, held *Reading, want replica.Sum) (string, error) {
	saved, err := a.describe(ctx, c, held, want)
	if err != nil {
		return "", err
	}
	data, err := json.MarshalIndent(saved, "", "\t")
	if err != nil {
		return "", err
	}
	if err := private.Folder(a.Folder); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(a.Folder)
	if err != nil {
		return "", err
	}
	if len(entries) >= maxCases {
		return "", fmt.Errorf("%s holds %d cases; remove some", a.Folder, len(entries))
	}
	file := filepath.Join(a.Folder, fmt.Sprintf("%d-%s.json", c.Seq, strings.ToLower(string(record.NewID()))))
	return file, private.Replace(file, data)
}

func (a *Auditor) describe(ctx context.Context, c *Claim, held *Reading, want replica.Sum) (*Case, error) {
	spec, err := c.Spec(ctx)
	if err != nil {
		return nil, err
	}
	saved := &Case{At: time.Now().UTC(), Says: "client", Build: a.Build, Epoch: a.Store.Epoch(), User: c.User, Opening: c.Opened, Scope: spec.String(),
		Page: c.Page, Seq: c.Seq, Client: Rows{Sum: c.Held.All, Rows: c.Held.Rows}, Server: Rows{Sum: want.All, Rows: want.Rows, Value: held.Value}}
	for _, image := range held.Images[:len(want.Rows)] {
		saved.Server.IDs = append(saved.Server.IDs, image.ID)
	}
	needed := needed{}
	if saved.Commits, saved.From, err = a.commits(ctx, c, needed); err != nil {
		return nil, err
	}
	most := len(held.Matching)
	if spec.Scope.Limit > 0 { // what the commits can have moved out of the window
		most = min(most, spec.Scope.Offset+spec.Scope.Limit+len(needed))
	}
	needed.add(held.Matching[:most])
	for _, images := range held.Included {
		needed.add(images)
	}
	for _, scope := range c.Followed(ctx) {
		err := a.Store.ViewAt(ctx, c.Seq, func(snap *store.Snapshot) error {
			images, err := query.Fetch(snap, scope)
			needed.add(images)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	saved.Records, err = a.records(ctx, saved.From, needed)
	return saved, err
}

// needed are the records that a case needs.
type needed map[record.Key]bool

func (n needed) add(images []*record.Image) {
	for _, image := range images {
		if len(n) < maxSaved {
			n[record.Key{Model: image.Model, ID: image.ID}] = true
		}
	}
}

// commits returns the commits since the cursor was opened, as far as the log reaches, and
// the commit before them.
func (a *Auditor) commits(ctx context.Context, c *Claim, needed needed) (all []Commit, from uint64, err error) {
	from = max(c.Seq-min(c.Seq, maxCommits), min(c.Since, c.Seq))
	for next := from + 1; next <= c.Seq; next++ {
		made, err := a.Store.CommitAt(ctx, next)
		if errors.Is(err, store.ErrExpired) {
			all, from = nil, next
			clear(needed)
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		out := Commit{Seq: made.Seq, At: made.At, Changes: []Record{}}
		for i := range made.Changes {
			change := &made.Changes[i]
			needed[record.Key{Model: change.Model, ID: change.ID}] = true
			r, err := described(change.Model, change.ID, change.After)
			if err != nil {
				return nil, 0, err
			}
			r.Op = change.Op.String()
			out.Changes = append(out.Changes, r)
		}
		all = append(all, out)
	}
	return all, from, nil
}

// records returns the records that exist after a commit, with those that they refer to,
// oldest first.
func (a *Auditor) records(ctx context.Context, seq uint64, needed needed) ([]Record, error) {
	var images []*record.Image
	err := a.Store.ViewAt(ctx, seq, func(snap *store.Snapshot) error {
		for queue := slices.Collect(maps.Keys(needed)); len(queue) > 0; queue = queue[1:] {
			image, err := snap.Get(queue[0].Model, queue[0].ID)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			images = append(images, image)
			for _, f := range image.Model.Fields {
				key := record.Key{Model: a.Store.Model(f.Ref), ID: record.ID(image.Value(f).Text())}
				if key.Model != nil && key.ID != "" && !needed[key] && len(needed) < maxSaved {
					needed[key], queue = true, append(queue, key)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := []Record{}
	for _, image := range images {
		r, err := described(image.Model, image.ID, image)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(x, y Record) int {
		if order := slices.Compare(x.Fields["createdAt"], y.Fields["createdAt"]); order != 0 {
			return order
		}
		return strings.Compare(string(x.ID), string(y.ID))
	})
	return all, nil
}

// described returns a record with all its fields; image is nil if it does not exist.
func described(m *record.Model, id record.ID, image *record.Image) (Record, error) {
	r := Record{Model: m.Name, ID: id}
	if image == nil {
		return r, nil
	}
	err := json.Unmarshal(image.JSON, &r.Fields)
	if err == nil && image.Private != nil {
		err = json.Unmarshal(image.Private, &r.Fields)
	}
	return r, err
}
