package bench

import (
	"slices"
	"time"
)

// Samples are the figures measured so far: seconds, and for the writes, records
// per second.
type samples struct {
	reachOneOfFifth, reachOne, reachAll, reachAllFloor, burst, burstFloor []float64
	write64, write64Floor, write1, write1Floor                            []float64
	resumed, resumedFloor                                                 []float64
}

// The size of one run.
const (
	manyWriters   = 64 // concurrent writers of writes_64
	writeDuration = time.Second
	burstSize     = 100 // changes in a burst, each from its own request
	burstPosts    = 20  // posts that a burst changes; every client sees them
	burstTimes    = 2
	recordSize    = 300  // bytes of a benchmark post in the store
	missedCommits = 1000 // commits while the clients are disconnected
	resumeWorkers = 64   // clients that reconnect concurrently
)

// reach measures how long a change takes to reach every client, first one change
// and then a burst, on the application and on the floor.
func (s *samples) reach(load *loadProcess) error {
	all := loadRequest{Do: "reach", Target: "app", Published: true, Times: burstPosts}
	var reply loadReply
	if err := load.do(all, &reply); err != nil {
		return err
	}
	s.reachAll = append(s.reachAll, reply.Seconds...)
	floor := all
	floor.Target, floor.Size = "floor", reply.Size
	if err := s.collect(load, &s.reachAllFloor, floor); err != nil {
		return err
	}
	for _, burst := range []*loadRequest{&floor, &all} {
		burst.Do, burst.Writers, burst.Times = "burst", burstSize, burstTimes
	}
	if err := s.collect(load, &s.burstFloor, floor); err != nil {
		return err
	}
	return s.collect(load, &s.burst, all)
}

// write measures the rate of durable writes, on the floor and on the application.
func (s *samples) write(load *loadProcess) error {
	for _, w := range []struct {
		into    *[]float64
		target  string
		clients int
	}{
		{&s.write64Floor, "floor", manyWriters}, {&s.write64, "app", manyWriters},
		{&s.write1Floor, "floor", 1}, {&s.write1, "app", 1},
	} {
		var reply loadReply
		if err := load.do(loadRequest{Do: "write", Target: w.target, Writers: w.clients, For: writeDuration, Size: recordSize}, &reply); err != nil {
			return err
		}
		*w.into = append(*w.into, reply.Written)
	}
	return nil
}

// collect sends a request and appends the times of its reply.
func (s *samples) collect(load *loadProcess, into *[]float64, req loadRequest) error {
	var reply loadReply
	err := load.do(req, &reply)
	*into = append(*into, reply.Seconds...)
	return err
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// resume disconnects all clients, commits changes that they miss, restarts the
// application, and measures how long the clients take to resume their cursors. It
// measures the same number of new connections to the floor.
func (s *samples) resume(load *loadProcess, restart func() (url string, err error)) error {
	for _, target := range []string{"app", "floor"} {
		if err := load.do(loadRequest{Do: "leave", Target: target}, nil); err != nil {
			return err
		}
	}
	if err := load.do(loadRequest{Do: "miss", Target: "app", Published: true, Times: missedCommits, Writers: manyWriters}, nil); err != nil {
		return err
	}
	url, err := restart()
	if err != nil {
		return err
	}
	if err := s.collect(load, &s.resumed, loadRequest{Do: "resume", Target: "app", URL: url}); err != nil {
		return err
	}
	return s.collect(load, &s.resumedFloor, loadRequest{Do: "resume", Target: "floor"})
}
