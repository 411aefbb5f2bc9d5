package towertest

import (
	"path/filepath"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server/audit"
)

// ReplayDivergence replays a divergence that a running application has saved, because a
// client said that it held something else than it should. It makes the records of the case
// on a store of its own, opens the cursor as the user, makes the commits that led to the
// divergence, and compares what a client holds after each of them as [Converge] does.
//
// It fails the test, with the steps, if the client then holds something else than it
// should: what the server sends, or a rule of the application, is at fault. If it passes,
// the client that reported the divergence was at fault, or the commits of the case do not
// reach back to the cause. The records get new times, in the same order.
func ReplayDivergence(t testing.TB, config tower.Config, file string) {
	t.Helper()
	c, err := audit.Load(file)
	if err != nil {
		t.Fatalf("towertest: %v", err)
	}
	steps := stepsOf(c)
	k := &checker{t: t, config: config}
	failure := k.fails(steps)
	if failure == "" {
		t.Logf("towertest: %s: a client holds what it should after the %d commits of the case", filepath.Base(file), len(c.Commits))
		return
	}
	t.Errorf("%s", listed(steps, failure))
}

// stepsOf returns the steps that lead to a divergence.
func stepsOf(c *audit.Case) (steps []step) {
	commit := func(changes ...change) {
		steps = append(steps, step{Do: "commit", Now: c.At, Changes: changes})
	}
	for _, r := range c.Records {
		r.Op = "create"
		commit(changeOf(r))
	}
	steps = append(steps, step{Do: "connect", Now: c.At, Client: 1, User: tower.ID(c.User)},
		step{Do: "open", Now: c.At, Client: 1, Cursor: c.Cursor, In: c.In, Where: c.Where, Order: c.Order, Limit: c.Limit})
	for _, made := range c.Commits {
		var changes []change
		for _, r := range made.Changes {
			changes = append(changes, changeOf(r))
		}
		commit(changes...)
	}
	return steps
}

// changeOf returns the change that gives a record its fields. The store sets the others.
func changeOf(r audit.Record) change {
	c := change{Op: r.Op, Model: r.Model, ID: tower.ID(r.ID), Set: r.Fields}
	for _, name := range []string{"id", "createdAt", "updatedAt"} {
		c = c.without(name)
	}
	return c
}
