package control

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/towerkit/tower/internal/bulk"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/wire"
)

// importFiles creates records from files. It goes no faster than clients receive them.
func (c *console) importFiles(ctx context.Context, req *wire.ControlRequest) (*wire.Imported, error) {
	in := wire.Import{}
	if err := decodeInput(req, &in); err != nil {
		return nil, err
	}
	files := make([]bulk.File, len(in.Files))
	for i, f := range in.Files {
		switch {
		case !filepath.IsAbs(f.Path):
			return nil, fault.Errorf(fault.BadRequest, "%q is not an absolute path", f.Path)
		case f.Format != bulk.NDJSON && f.Format != bulk.CSV:
			return nil, fault.Errorf(fault.BadRequest, "%q is not a format", f.Format)
		case c.app.Store().Model(f.Model) == nil:
			return nil, fault.Errorf(fault.NotFound, "there is no model %q", f.Model)
		}
		files[i] = bulk.File(f)
	}
	result, err := bulk.Import(ctx, c.app.Store(), files, bulk.Options{
		By: c.by, DryRun: in.DryRun, Private: in.Private, Committed: c.app.Engine().Wait, Progress: c.reporter(req),
	})
	var halfway *bulk.HalfwayError
	var path *fs.PathError
	switch {
	case ctx.Err() == nil && errors.As(err, &halfway):
		return nil, fault.Errorf(fault.Conflict, "%v", err)
	case errors.As(err, &path):
		return nil, fault.Errorf(fault.BadRequest, "%v", err)
	case err != nil:
		return nil, err
	}
	out := &wire.Imported{Found: result.Found}
	for _, f := range result.Files {
		out.Files = append(out.Files, wire.ImportCount(f))
	}
	for _, p := range result.Problems {
		out.Problems = append(out.Problems, wire.ImportProblem(p))
	}
	return out, nil
}
