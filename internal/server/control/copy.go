package control

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// copyStore copies the store to a new file.
func (c *console) copyStore(path string) (*wire.Copied, error) {
	if !filepath.IsAbs(path) {
		return nil, fault.Errorf(fault.BadRequest, "%q is not an absolute path", path)
	}
	info, err := archive.Copy(c.app.Store(), archive.Info{App: c.app.Config().Name, At: time.Now()}, path)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, fault.Errorf(fault.BadRequest, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	return &wire.Copied{App: info.App, Epoch: info.Epoch, Seq: info.Seq, At: info.At, Size: info.Size}, nil
}

// compact replaces the store's file by one without unused pages.
func (c *console) compact(ctx context.Context, req *wire.ControlRequest) (*wire.Compacted, error) {
	sizes, err := c.app.Store().Compact(ctx, c.reporter(req))
	if err != nil {
		return nil, err
	}
	return &wire.Compacted{Before: sizes.Before, After: sizes.After}, nil
}

// reporter returns a function that tells the console how far a request has come.
func (c *console) reporter(req *wire.ControlRequest) func(done, total int64) {
	var reported time.Time
	return func(done, total int64) {
		if time.Since(reported) >= progressEvery {
			reported = time.Now()
			c.reply(wire.ControlReply{Event: &wire.ControlEvent{Progress: &wire.Progress{ID: req.ID, Done: done, Total: total}}})
		}
	}
}

const progressEvery = 100 * time.Millisecond

// digest returns a hash of all records after a commit.
func (c *console) digest(ctx context.Context, key string) (string, error) {
	seq, err := parseSeq(key)
	if err != nil {
		return "", err
	}
	hash, err := c.app.Store().Digest(ctx, seq)
	if errors.Is(err, store.ErrExpired) {
		return "", fault.Errorf(fault.NotFound, "%v", err)
	}
	return hash, err
}

func parseSeq(key string) (uint64, error) {
	seq, err := strconv.ParseUint(key, 10, 64)
	if err != nil {
		return 0, fault.Errorf(fault.BadRequest, "%q is not a seq", key)
	}
	return seq, nil
}

// archive returns how far the archive has come, nil if there is none.
func (c *console) archive() *wire.Archived {
	status, any := c.app.Archived()
	if !any {
		return nil
	}
	return &wire.Archived{Place: status.Place, Seq: status.Seq, Newest: status.Newest, At: status.At, Backup: status.Backup, Error: status.Error}
}
