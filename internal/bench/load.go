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

// A loadRequest is one line of JSON that Run sends to the load generator.
type loadRequest struct {
	Do     string // join, reach, burst, write, leave, miss or resume
	Target string // app or floor
	URL    string // address of a target that is new or has moved

	Users     []string      // join: a user for each new client; the floor uses only their number
	Writer    string        // join: the user that writes
	Subject   *Subject      // join: the cursor and action to measure; nil for the sample
	Published bool          // reach and miss: every client sees the records, not only one
	Times     int           // reach and miss: number of records
	Writers   int           // burst, write and miss: number of concurrent writers
	Size      int           // bytes of a message or record of the floor
	For       time.Duration // write: how long
}

// A loadReply is the line of JSON that answers a loadRequest.
type loadReply struct {
	Seconds []float64 // reach, burst and resume: from the first request to the last receipt
	Written float64   // write: records per second
	Size    int       // reach: bytes of a message
	Error   string
	Hint    string // what to do about the error
}

// LoadCommand is the name of the subcommand that must call [ServeLoad]: [Run] starts
// the calling program again with it, as the load generator.
const LoadCommand = "bench-load"

// ServeLoad runs the load generator: it reads requests of [Run] from in and writes
// replies to out, until in ends. Then it disconnects all clients.
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
			return fmt.Errorf("read load request: %w", err)
		}
		if targets[req.Target] == nil {
			targets[req.Target] = newTarget(req.Target == "floor", req.URL)
		}
		reply, err := targets[req.Target].handle(ctx, &req)
		if err != nil {
			reply.Error = err.Error()
			var hinted *hintedError
			if errors.As(err, &hinted) {
				reply.Hint = hinted.hint
			}
		}
		if err := replies.Encode(reply); err != nil {
			return fmt.Errorf("write load reply: %w", err)
		}
	}
}

// parallel calls do for 0 to n-1 from a number of workers, and returns the first
// error. A worker stops at its first error.
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
