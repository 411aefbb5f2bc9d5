package jobs

import (
	"fmt"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// The author of a commit says how many reactions have led to it, one to another, also by way of jobs:
//
//	reaction: ship                           the first
//	reaction: ship, number 3 of a chain
//	job: label, after number 3 of a chain
//
// A job keeps that of the commit that enqueues it, so reactions that feed themselves by way of
// jobs come to an end as others do.
const (
	jobAuthor      = "job: "
	reactionAuthor = "reaction: "
)

// slow is the delay from which on a job begins a chain anew: what comes back so rarely harms nobody, and
// may be meant, like a reminder each day.
const slow = time.Minute

// Author returns the author of the commits of a job to which so many reactions have led.
func Author(name string, chain int) string {
	if chain == 0 {
		return jobAuthor + name
	}
	return fmt.Sprintf("%s%s, after number %d of a chain", jobAuthor, name, chain)
}

// ReactionAuthor returns the author of the commits of a reaction that is in this place of a chain, from 1.
func ReactionAuthor(name string, chain int) string {
	if chain <= 1 {
		return reactionAuthor + name
	}
	return fmt.Sprintf("%s%s, number %d of a chain", reactionAuthor, name, chain)
}

// ChainOf returns how many reactions have led to a job, 0 if the record is none.
func (t *Table) ChainOf(image *record.Image) int {
	if image.Model != t.Model {
		return 0
	}
	job, _ := t.Of(image)
	return job.Chain
}

// Chain returns how many reactions have led to a commit, by its author.
func Chain(by string) (n int) {
	reaction := strings.HasPrefix(by, reactionAuthor)
	if !reaction && !strings.HasPrefix(by, jobAuthor) {
		return 0
	}
	if _, chain, is := strings.Cut(by, ", "); is {
		if _, err := fmt.Sscanf(strings.TrimPrefix(chain, "after "), "number %d of a chain", &n); err == nil {
			return n
		}
	}
	if reaction {
		return 1
	}
	return 0
}
