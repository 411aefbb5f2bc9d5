package bench

import (
	"slices"
	"time"
)

// Samples are what was measured so far, in seconds or in writes a second.
type samples struct {
	reachOneOfFifth, reachOne, reachAll, reachAllFloor, burst, burstFloor []float64
	write64, write64Floor, write1, write1Floor                            []float64
	resumed, resumedFloor                                                 []float64
}

// How much of each is done in a run.
const (
	manyWriters   = 64
	writeDuration = time.Second
	burstSize     = 100 // changes, each by another client
	burstPosts    = 20  // that they change, among those that all see
	burstTimes    = 2
	recordSize    = 300 // bytes that a post of the benchmark takes in the store
)

// reach measures once how changes reach all, beside the floor.
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

// write measures once how fast records are made, beside the floor.
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

const (
	missedCommits = 1000 // commits that clients miss before they come back
	resumeWorkers = 64   // clients that are on their way back
)

// resume has all clients leave, and come back to the application when it has
// been started anew, each to what it held, and as many connect to the floor anew.
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
	if err := s.collect(load, &s.resumed, loadRequest{Do: "return", Target: "app", URL: url}); err != nil {
		return err
	}
	return s.collect(load, &s.resumedFloor, loadRequest{Do: "return", Target: "floor"})
}
