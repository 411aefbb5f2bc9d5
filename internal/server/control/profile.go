package control

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/wire"
)

// maxProfile is the longest time that a profile may cover.
const maxProfile = 10 * time.Minute

// profile returns a profile of the process, in the format of pprof.
func (c *console) profile(ctx context.Context, req *wire.ControlRequest) ([]byte, error) {
	var out bytes.Buffer
	switch req.Name {
	case "cpu":
		during, err := time.ParseDuration(req.Key)
		if err != nil || during <= 0 || during > maxProfile {
			return nil, fault.Errorf(fault.BadRequest, "a profile takes a time like 10s, of at most %s, and not %q", maxProfile, req.Key)
		}
		if err := pprof.StartCPUProfile(&out); err != nil {
			return nil, fault.Errorf(fault.Conflict, "another profile is being made; try again when it is done")
		}
		defer pprof.StopCPUProfile()
		select {
		case <-time.After(during):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		pprof.StopCPUProfile() // writes it
		return out.Bytes(), nil
	case "heap", "allocs", "goroutine":
		if req.Name == "heap" {
			runtime.GC() // it then has what is in use now
		}
		err := pprof.Lookup(req.Name).WriteTo(&out, 0)
		return out.Bytes(), err
	}
	return nil, fault.Errorf(fault.BadRequest, "there is no profile %q; it is cpu, heap, allocs or goroutine", req.Name)
}
