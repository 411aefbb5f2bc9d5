package erase

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Options say what an application has.
type Options struct {
	By     string // the author of the commits
	App    string // the application's name
	Folder string // the application's
	Data   string // the file of the store

	Archive Archive // nil: there is none
	Uploads Uploads // nil: no record has files

	// Sessions returns the records of the sessions and tokens of a user; nil: there are none.
	Sessions func(ctx context.Context, tx *store.Tx, user record.ID) ([]record.Key, error)

	// Delivered waits until clients have received a commit.
	Delivered func(ctx context.Context, seq uint64) error
	// Step is called when a step begins.
	Step func(step string)
}

// A Plan is what an erasure will do.
type Plan struct {
	Root    string         // "users/01J…"
	Deleted map[string]int // records by model
	Cleared map[string]int // references by field: "posts.editorId"
	Content int            // files of the records, and uploads, whose content is removed
	Files   []string       // that are removed: backups in the application's folder, and older stores
	Archive string         // whose content one new backup replaces; "" if there is none
	Begun   bool           // an erasure of it was not completed
}

// A BlockedError reports what keeps a record from being erased, and has to be changed first.
type BlockedError struct{ Reasons []string }

func (e *BlockedError) Error() string { return strings.Join(e.Reasons, "; ") }

const mostReasons = 10

// NewPlan returns what the erasure of a record will do. The error is [store.ErrNotFound] if there
// is no such record, and a [*BlockedError] if it cannot be erased as things are.
func NewPlan(ctx context.Context, s *store.Store, k record.Key, o Options) (*Plan, error) {
	p := &Plan{Root: k.Model.Name + "/" + string(k.ID), Deleted: map[string]int{}, Cleared: map[string]int{}}
	if s.SharesLog() {
		return nil, &BlockedError{[]string{"the log is shared with other nodes, and an erasure cannot take anything out of it yet"}}
	}
	pending, err := Pending(o.Data)
	if err != nil {
		return nil, err
	}
	if pending != "" && pending != p.Root {
		return nil, &UnfinishedError{pending}
	}
	p.Begun = pending != ""
	if p.Files, err = o.files(); err != nil {
		return nil, err
	}
	if o.Archive != nil {
		p.Archive = o.Archive.Place()
	}
	tx := s.Begin(o.By)
	if _, err := tx.Get(k.Model, k.ID); err != nil {
		if p.Begun {
			err = nil // it is deleted, and the rest is not done
		}
		return p, err
	}
	b, err := o.belongings(ctx, tx, k)
	if err != nil {
		return nil, err
	}
	uploads, err := o.uploads(ctx, k)
	if err != nil {
		return nil, err
	}
	p.Content = len(uploads)
	for _, k := range b.Deleted {
		p.Deleted[k.Model.Name]++
		if image, err := tx.Get(k.Model, k.ID); err == nil { // else another has deleted it meanwhile
			p.Content += len(filesOf(image))
		}
	}
	for _, r := range b.Cleared {
		p.Cleared[r.Model.Name+"."+r.Field.Name]++
	}
	return p, blocked(ctx, s, b, uploads)
}

// blocked returns a [*BlockedError] if a reference refuses the deletion or cannot be emptied, or if
// a remaining record holds the id of a deleted one in a field that is no reference. The records of uploads go
// with them.
func blocked(ctx context.Context, s *store.Store, b store.Belongings, uploads []record.ID) error {
	e := &BlockedError{}
	add := func(format string, args ...any) {
		if len(e.Reasons) < mostReasons {
			e.Reasons = append(e.Reasons, fmt.Sprintf(format, args...))
		}
	}
	gone, said := map[string]bool{}, map[string]bool{}
	for _, id := range uploads {
		gone["tower_files/"+string(id)] = true
	}
	for _, r := range b.Refused {
		said[r.By.Model.Name+"/"+string(r.By.ID)+"."+r.Field.Name] = true
		add("%s of %s/%s refers to %s/%s with delete=refuse; delete or change it first", r.Field.Name, r.By.Model.Name, r.By.ID, r.Model.Name, r.ID)
	}
	var ids []string
	for _, k := range b.Deleted {
		gone[k.Model.Name+"/"+string(k.ID)] = true
		ids = append(ids, string(k.ID))
	}
	for _, r := range b.Cleared {
		if r.Field.Required {
			add("%s of %s/%s is required; give the field delete=cascade, or delete the record", r.Field.Name, r.Model.Name, r.ID)
		}
		said[r.Model.Name+"/"+string(r.ID)+"."+r.Field.Name] = true
	}
	n := newNeedles(ids, nil, nil)
	err := eachRow(ctx, s, func(model string, row store.Row) {
		name := model + "/" + string(row.ID)
		for _, part := range [...][]byte{row.Public, row.Private} {
			if gone[name] || !n.in(part) {
				continue
			}
			var members map[string]json.RawMessage
			_ = json.Unmarshal(part, &members) // without members nothing is found
			for field, value := range members {
				if n.in(value) && !said[name+"."+field] {
					add("%s has an id that is erased in %s", name, field)
				}
			}
		}
	})
	if err != nil || len(e.Reasons) == 0 {
		return err
	}
	return e
}

const rowsAtOnce = 1000

// eachRow calls fn with all records, some at a time.
func eachRow(ctx context.Context, s *store.Store, fn func(model string, row store.Row)) error {
	for _, m := range s.Models() {
		for after, more := record.ID(""), true; more; more = after != "" {
			if err := ctx.Err(); err != nil {
				return err
			}
			rows, next, err := s.Stale("", store.Table{From: m.Name}, after, rowsAtOnce)
			if err != nil {
				return err
			}
			for _, row := range rows {
				fn(m.Name, row)
			}
			after = next
		}
	}
	return nil
}

// files returns the files with older states that tower has written in the folders of the
// application and of the store.
func (o *Options) files() (files []string, err error) {
	folders := []string{o.Folder, filepath.Dir(o.Data)}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := entry.Name()
			backup := strings.HasPrefix(name, o.App+"-") && strings.HasSuffix(name, ".backup")
			before := folder == filepath.Dir(o.Data) && strings.HasPrefix(name, filepath.Base(o.Data)+".before-")
			if entry.Type().IsRegular() && (backup || before) {
				files = append(files, filepath.Join(folder, name))
			}
		}
	}
	return files, nil
}
