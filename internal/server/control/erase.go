package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/towerkit/tower/internal/erase"
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// erase plans or runs the erasure of a record.
func (c *console) erase(ctx context.Context, req *wire.ControlRequest) (*wire.Erasure, error) {
	in := wire.Erase{}
	if err := decodeInput(req, &in); err != nil {
		return nil, err
	}
	config := c.app.Config()
	o := erase.Options{By: c.by, App: config.Name, Folder: config.Folder, Data: config.Data, Delivered: c.app.Engine().Wait, Step: func(step string) {
		c.reply(wire.ControlReply{Event: &wire.ControlEvent{Progress: &wire.Progress{ID: req.ID, Step: step}}})
	}}
	o.Sessions = c.app.SessionKeys
	if a := c.app.Archive(); a != nil {
		o.Archive = a
	}
	if files := c.app.Files(); files != nil {
		o.Uploads = uploads{files, c.app}
	}
	key, err := c.erasedKey(ctx, in.Key, o)
	if err != nil {
		return nil, err
	}
	plan, err := erase.NewPlan(ctx, c.app.Store(), key, o)
	if err != nil {
		return nil, eraseFault(err)
	}
	out := &wire.Erasure{Key: plan.Root, Deleted: plan.Deleted, Cleared: plan.Cleared, Content: plan.Content, Files: plan.Files, Archive: plan.Archive, Begun: plan.Begun}
	if !in.Run {
		return out, nil
	}
	proof, err := erase.Run(ctx, c.app.Store(), key, o)
	if err != nil {
		return nil, eraseFault(err)
	}
	out.Proof = &wire.ErasureProof{IDs: proof.IDs, Texts: proof.Texts, Short: proof.Short, Shared: proof.Shared,
		Files: proof.Files, Bytes: proof.Bytes, Removed: proof.Removed, Replaced: proof.Replaced}
	return out, nil
}

// uploads are the files of the application, as an erasure sees them.
type uploads struct {
	*files.Files
	app *server.App
}

func (u uploads) UploadedBy(ctx context.Context, user record.ID) ([]record.ID, error) {
	return u.app.UploadedBy(ctx, user)
}

// erasedKey returns the record that a text names: "users/01J…", or an id that only one model
// has.
func (c *console) erasedKey(ctx context.Context, text string, o erase.Options) (record.Key, error) {
	pending, err := erase.Pending(o.Data)
	if err != nil {
		return record.Key{}, err
	}
	if strings.HasSuffix(pending, "/"+text) {
		text = pending
	}
	if name, id, both := strings.Cut(text, "/"); both {
		m := c.app.Store().Model(name)
		if m == nil {
			return record.Key{}, fault.Errorf(fault.NotFound, "there is no model %q", name)
		}
		return record.Key{Model: m, ID: record.ID(id)}, nil
	}
	var found []string
	var key record.Key
	err = c.app.Store().View(ctx, func(snap *store.Snapshot) error {
		for _, m := range c.app.Store().Models() {
			_, err := snap.Get(m, record.ID(text))
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			key = record.Key{Model: m, ID: record.ID(text)}
			found = append(found, m.Name+"/"+text)
		}
		return nil
	})
	switch {
	case err != nil:
		return key, err
	case len(found) == 0:
		return key, fault.Errorf(fault.NotFound, "there is no record %q", text)
	case len(found) > 1:
		return key, fault.Errorf(fault.BadRequest, "there are several: %s", strings.Join(found, ", "))
	}
	return key, nil
}

// eraseFault returns the error for a console.
func eraseFault(err error) error {
	var unfinished *erase.UnfinishedError
	var blocked *erase.BlockedError
	var invalid *record.InvalidError
	var found *erase.FoundError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fault.Errorf(fault.NotFound, "there is no such record: %v", err)
	case errors.As(err, &unfinished), errors.As(err, &blocked), errors.As(err, &invalid), errors.As(err, &found):
		return fault.Errorf(fault.Conflict, "%v", err)
	}
	return fmt.Errorf("erase: %w", err)
}
