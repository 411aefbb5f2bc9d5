package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A loadRequest is one line that the bench command sends to the process in which
// its clients live.
type loadRequest struct {
	Do     string // join, reach, burst, write, leave, miss or return
	Target string // app or floor
	URL    string // of a target that is new, or has another

	Users     []string      // join: as whom; of the floor only their number counts
	Writer    string        // join: the user that writes
	Subject   *Subject      // join: of the app, what is measured; nil: the sample
	Published bool          // reach and miss: all match, not only one
	Times     int           // reach and miss: how often
	Writers   int           // burst, write and miss: how many at the same time
	Size      int           // bytes of a message of the floor
	For       time.Duration // write
}

// A loadReply is the line that answers it.
type loadReply struct {
	Seconds []float64 // reach, burst and return: from the first request to the last receipt
	Written float64   // write: a second
	Size    int       // reach: bytes of a message
	Error   string
}

// LoadCommand is the command by which Run starts the program that it is part of
// once more, to call ServeClients.
const LoadCommand = "bench-load"

// ServeLoad answers requests until there are no more.
func ServeLoad(ctx context.Context, in io.Reader, out io.Writer) error {
	requests, replies := json.NewDecoder(in), json.NewEncoder(out)
	targets := map[string]*target{}
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	for {
		var req loadRequest
		if err := requests.Decode(&req); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		if targets[req.Target] == nil {
			targets[req.Target] = newTarget(req.Target == "floor", req.URL)
		}
		reply, err := targets[req.Target].handle(ctx, &req)
		if err != nil {
			reply.Error = err.Error()
		}
		if err := replies.Encode(reply); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// parallel calls do for 0 to n-1, as many at once as there are workers, and returns
// the first error.
func parallel(n, workers int, do func(i int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	return <-errs
}
