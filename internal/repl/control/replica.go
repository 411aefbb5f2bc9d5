package control

import (
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A Replica is the contents of a stream's cursor, as its frames describe it. The zero
// value is empty. It is not safe for concurrent use.
type Replica struct{ replica.Replica }

// Apply applies a frame and returns the steps of the change. The error is a
// [*RemoteError] if the application refused to open the cursor or closed it.
func (r *Replica) Apply(frame json.RawMessage) ([]replica.Step, error) {
	var kind struct {
		Hello  int
		Status int
		Error  *wire.Error
	}
	if err := json.Unmarshal(frame, &kind); err != nil {
		return nil, fmt.Errorf("read a frame: %w", err)
	}
	switch {
	case kind.Error != nil:
		return nil, (*RemoteError)(kind.Error)
	case kind.Hello != 0:
		return nil, nil // a hello, which does not change the replica
	case kind.Status == 0:
		return r.commit(frame)
	}
	var answer wire.Answer
	if err := json.Unmarshal(frame, &answer); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	steps, err := r.Answer(&answer)
	if err != nil {
		return steps, fmt.Errorf("apply an answer: %w", err)
	}
	return steps, nil
}

// commit applies a commit. A stream has only one cursor, so its number does not matter.
func (r *Replica) commit(frame json.RawMessage) (steps []replica.Step, err error) {
	var commit wire.Commit
	if err := json.Unmarshal(frame, &commit); err != nil {
		return nil, fmt.Errorf("read a commit: %w", err)
	}
	records, err := replica.ByID(commit.Records)
	if err != nil {
		return nil, fmt.Errorf("read a commit: %w", err)
	}
	r.Advance(commit.Seq)
	for _, delta := range commit.Cursors {
		more, err := r.Replica.Apply(commit.Seq, delta, records)
		if steps = append(steps, more...); err != nil {
			return steps, fmt.Errorf("apply commit %d: %w", commit.Seq, err)
		}
	}
	if r.Closed != nil {
		return steps, (*RemoteError)(r.Closed)
	}
	return steps, nil
}
