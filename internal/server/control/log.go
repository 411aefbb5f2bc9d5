package control

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

const (
	maxLogged        = 1000 // entries in one answer
	maxLoggedChanges = 50   // of one entry
)

// reveal returns the value of a private field, after the log has who asked for it.
func (c *console) reveal(ctx context.Context, req *wire.ControlRequest) (any, error) {
	if req.Tx != 0 || req.At != nil || req.As != "" {
		return nil, fault.Errorf(fault.BadRequest, "what is private is revealed as it is now, to the person at the console, outside of transactions")
	}
	m := c.app.Store().Model(req.Model)
	if m == nil {
		return nil, fault.Errorf(fault.NotFound, "there is no model %q", req.Model)
	}
	f := m.Field(req.Name)
	if f == nil || !f.Private {
		return nil, fault.Errorf(fault.BadRequest, "%s has no private field %s", m.Type, req.Name)
	}
	var value json.RawMessage
	err := c.app.View(ctx, func(snap *store.Snapshot) error {
		image, err := snap.Get(m, record.ID(req.Key))
		if err != nil || image.Private == nil {
			return err
		}
		var members map[string]json.RawMessage
		err = json.Unmarshal(image.Private, &members)
		value = members[f.Name]
		return err
	})
	if err != nil {
		return nil, notFound(m, req.Key, err)
	}
	return value, c.note(ctx, "reveal "+f.Name+" of "+m.Name+"/"+req.Key)
}

// note makes a commit that says what was done, and a line in the log of the process.
func (c *console) note(ctx context.Context, did string) error {
	commit, err := c.app.Store().Note(ctx, server.DoneBy(did, c.by))
	if err != nil {
		return err
	}
	c.app.Log().Info(did, "by", c.by, "commit", commit.Seq)
	return c.app.Engine().Wait(ctx, commit.Seq)
}

// endSession ends a session of a user, or all of them, with their connections.
func (c *console) endSession(ctx context.Context, req *wire.ControlRequest) error {
	if req.Tx != 0 {
		return fault.Errorf(fault.BadRequest, "a session ends at once, outside of transactions")
	}
	user := record.ID(req.As)
	if user == "" {
		return fault.Errorf(fault.BadRequest, "a visitor has no session")
	}
	did := "end all sessions of " + req.As
	if req.Key != "" {
		did = "end session " + req.Key + " of " + req.As
	}
	if err := c.app.EndSession(c.by, user, record.ID(req.Key)); err != nil {
		return err
	}
	return c.note(ctx, did)
}

// log lists the newest commits, or those that changed or revealed one record.
func (c *console) log(ctx context.Context, req *wire.ControlRequest) (any, error) {
	limit := req.Limit
	if limit <= 0 || limit > maxLogged {
		limit = maxLogged
	}
	entries := []wire.LogEntry{}
	for seq := c.app.Store().Seq(); seq > 0 && len(entries) < limit; seq = c.app.Store().Before(seq) {
		commit, err := c.app.Store().CommitAt(ctx, seq)
		if errors.Is(err, store.ErrExpired) {
			break
		}
		if err != nil {
			return nil, err
		}
		if entry, concerned := describeEntry(&commit, req.Model, req.Key); concerned {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// describeEntry describes a commit, and reports whether it concerns a record; key "" is
// any. Of such a commit it lists the changes of this record alone.
func describeEntry(commit *store.Commit, model, key string) (wire.LogEntry, bool) {
	entry := wire.LogEntry{Seq: commit.Seq, At: commit.At, ChangesAll: len(commit.Changes), Changes: []wire.ChangeInfo{}}
	entry.Did, entry.By = server.DoneIn(commit)
	concerned := key == "" || entry.Did != "" && strings.Contains(entry.Did, key)
	for _, change := range commit.Changes {
		if (key == "" || change.Model.Name == model && string(change.ID) == key) && len(entry.Changes) < maxLoggedChanges {
			concerned = true
			info := wire.ChangeInfo{Op: change.Op.String(), Model: change.Model.Name, ID: string(change.ID), Fields: server.ChangedFields(change), Label: server.Label(change.After)}
			if change.After == nil {
				info.Label = server.Label(change.Before)
			}
			entry.Changes = append(entry.Changes, info)
		}
	}
	return entry, concerned
}
