package towertest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
)

// A Convergence configures how [Converge] checks an application. A field that is not set
// has its default.
type Convergence struct {
	// Steps is the number of random steps.
	// Default: 400.
	Steps int

	// Seed repeats the steps of an earlier run, which logged it. Default: a new one each time.
	Seed uint64

	// Users is the name of the model whose records clients connect as. They also connect as
	// visitors. Default: "users", if there is such a model.
	Users string

	// Fill completes a random record of a model, by the model's name. It receives a pointer to
	// a record whose fields have random values that suit their kinds and tags, and may change
	// any but the id. It must take its randomness from random, so that a seed makes the same
	// records again.
	Fill map[string]func(random *rand.Rand, record any)

	// Inputs are what a cursor may be opened with, by its name; one of them is chosen each
	// time. Default: random values that suit the types of its input, with ids of existing
	// records.
	Inputs map[string][]any

	// Clock sets the clock that the application reads, before the first step and whenever time
	// passes. An application that reads time.Now itself has the system's clock, of which only
	// some milliseconds pass in a step. Default: none.
	Clock func(now time.Time)

	// Folder is where failures are saved. Default: testdata/converge.
	Folder string

	open func(testing.TB) cluster // several nodes; nil: the application alone
}

// A cluster is the nodes of an application, and what writes to their database past them.
type cluster struct {
	nodes []*App
	// program makes the changes of a transaction, unless the database refuses them, and
	// returns the newest commit once that has them. It is nil if there is no such program.
	program func([]change) (seq uint64, err error)
}

// Converge checks that what clients hold is what a fresh query would return to them,
// whatever happens to the records.
//
// It opens the application on a store of its own and makes random steps. Clients connect
// as users and as visitors, open the application's declared cursors, disconnect, and
// resume from what they held. Transactions create, change and delete records of all models,
// one or several at once. They bypass the controllers, so that everything that a model
// allows can happen, in any order.
//
// After each step, Converge compares every open cursor of every client, id for id in order
// and record for record, with a naive reading of the same cursor. That reading calls the
// cursor's method and its controller's Match as for a client that connects now, and tests
// every record of the store, without an index and without the code that keeps cursors
// current. Besides, a message must not hold a record that none of the client's cursors
// holds, and a transaction must not arrive in more than one message. A cursor that the user
// may not hold must have been refused or closed.
//
// So the application's rules must depend on nothing but the record and the session. A
// session, and what a cursor's method returns, must depend on nothing but what they follow:
// see [tower.Scope.Follow].
//
// Converge makes a failure smaller: it leaves out steps, each time on a fresh application,
// while the rest still fails. It saves the failure as FOLDER/TEST-SEED.json and reports the
// steps with the command that replays them. It replays the saved failures of the test first,
// so one that is kept in the repository guards against its return.
//
// Converge also fails if it could make no record of some model, or if no client ever held a
// record, because it has then checked nothing. It makes the application from config more
// than once, one after another.
func Converge(t testing.TB, config tower.Config, c Convergence) {
	t.Helper()
	c.setDefaults()
	k := &checker{Convergence: c, t: t, config: config}
	if !k.replay() {
		return
	}
	t.Logf("towertest: converge with seed %d", c.Seed)
	steps, failure, seen := k.explore()
	if failure == "" {
		k.reportEmpty(seen)
		return
	}
	steps, failure = k.shrink(steps, failure)
	file, err := k.save(steps, failure)
	if err != nil {
		t.Errorf("towertest: the failure could not be saved: %v", err)
	}
	t.Errorf("%s", k.describe(file, steps, failure))
}

func (c *Convergence) setDefaults() {
	if c.Steps == 0 {
		c.Steps = 400
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	if c.Users == "" {
		c.Users = "users"
	}
	if c.Folder == "" {
		c.Folder = filepath.Join("testdata", "converge")
	}
}

type checker struct {
	Convergence
	t      testing.TB
	config tower.Config
}

// explore makes random steps until one fails.
func (k *checker) explore() (steps []step, failure string, seen *census) {
	failure = try(k.t, func(t testing.TB) {
		r := newRun(t, k)
		seen = &r.seen
		source := newSource(k, r)
		for range k.Steps {
			next, err := source.next()
			if err != nil {
				t.Fatal(err)
			}
			next.Now = r.now
			steps = append(steps, next)
			r.take(&next)
		}
	})
	return steps, failure, seen
}

// fails makes the steps on a fresh application, and returns why they fail.
func (k *checker) fails(steps []step) string {
	return try(k.t, func(t testing.TB) {
		r := newRun(t, k)
		for i := range steps {
			r.take(&steps[i])
		}
	})
}

// reportEmpty fails the test if it has checked nothing.
func (k *checker) reportEmpty(seen *census) {
	k.t.Helper()
	for _, m := range seen.models {
		if seen.created[m] == 0 {
			k.t.Errorf("towertest: no random record of %s was valid, the last one because %s; complete them with Convergence.Fill[%q]", m, seen.refused[m], m)
		}
	}
	if seen.held == 0 {
		k.t.Errorf("towertest: nothing was checked: no client ever held a record; give Convergence.Inputs, or name the model of Users")
	}
	k.t.Logf("towertest: %d commits, %d opens, %d returns; %d times a client held what it should, %d times at least one record", seen.commits, seen.opens, seen.returns, seen.compared, seen.held)
	if seen.programs > 0 {
		k.t.Logf("towertest: %d transactions by another program", seen.programs)
	}
	if seen.audited > 0 {
		k.t.Logf("towertest: %d audits of clients", seen.audited)
	}
}

// saved is a failure as it is stored in a file.
type saved struct {
	Test    string `json:"test"`
	Seed    uint64 `json:"seed"`
	Failure string `json:"failure"`
	Steps   []step `json:"steps"`
}

func (k *checker) fileName() string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|[] `, r) {
			return '_'
		}
		return r
	}, k.t.Name())
}

// replay repeats the steps of saved failures, and reports whether all of them pass now.
func (k *checker) replay() bool {
	k.t.Helper()
	entries, err := os.ReadDir(k.Folder)
	if err != nil && !os.IsNotExist(err) {
		k.t.Fatalf("towertest: look for saved failures: %v", err)
	}
	passed := true
	for _, entry := range entries {
		if !k.isOwn(entry) {
			continue
		}
		file := filepath.Join(k.Folder, entry.Name())
		var old saved
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &old)
		}
		if err != nil {
			k.t.Fatalf("towertest: read a saved failure: %s: %v; remove it, or put it right", file, err)
		}
		if failure := k.fails(old.Steps); failure != "" {
			k.t.Errorf("%s", k.describe(file, old.Steps, failure))
			passed = false
		} else {
			k.t.Logf("towertest: %s, which failed once, passes", file)
		}
	}
	return passed
}

// isOwn reports whether a file is TEST-SEED.json of this test.
func (k *checker) isOwn(entry fs.DirEntry) bool {
	seed, own := strings.CutPrefix(entry.Name(), k.fileName()+"-")
	seed, isJSON := strings.CutSuffix(seed, ".json")
	return own && isJSON && !entry.IsDir() && strings.Trim(seed, "0123456789") == ""
}

func (k *checker) save(steps []step, failure string) (string, error) {
	file := filepath.Join(k.Folder, fmt.Sprintf("%s-%d.json", k.fileName(), k.Seed))
	data, err := json.MarshalIndent(saved{k.t.Name(), k.Seed, failure, steps}, "", "  ")
	if err == nil {
		err = os.MkdirAll(k.Folder, 0o777)
	}
	if err == nil {
		err = os.WriteFile(file, append(data, '\n'), 0o666)
	}
	return file, err
}

func (k *checker) describe(file string, steps []step, failure string) string {
	pattern := "^" + strings.Join(strings.Split(k.t.Name(), "/"), "$/^") + "$"
	return listed(steps, failure) + fmt.Sprintf("\nsaved as %s; it is replayed first by\n  go test -run '%s' .", file, pattern)
}

// listed describes a failure and the steps that led to it.
func listed(steps []step, failure string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "towertest: a client does not hold what a fresh query gives its user\n%s\n\nafter\n", failure)
	for i := range steps {
		fmt.Fprintf(&b, "  %d. %s\n", i+1, &steps[i])
	}
	return b.String()
}

// shrinkTime bounds how long Converge makes a failure smaller.
const shrinkTime = 2 * time.Minute

// shrink makes a failure smaller for as long as that succeeds.
func (k *checker) shrink(steps []step, failure string) ([]step, string) {
	deadline := time.Now().Add(shrinkTime)
	for smaller := true; smaller && time.Now().Before(deadline); {
		smaller = false
		k.shrinkOnce(&steps, func(fewer []step) {
			if time.Now().After(deadline) {
				return
			}
			if why := k.fails(fewer); why != "" {
				steps, failure, smaller = fewer, why, true
			}
		})
	}
	return steps, failure
}

// shrinkOnce attempts to leave out what a failure may not need: steps, first many at once,
// then changes of a transaction, then fields of a change. An attempt that still fails
// replaces the steps.
func (k *checker) shrinkOnce(steps *[]step, attempt func(fewer []step)) {
	for size := len(*steps) / 2; size > 0; size /= 2 {
		for at := len(*steps) - size; at >= 0; at -= size {
			if at+size <= len(*steps) {
				attempt(slices.Delete(slices.Clone(*steps), at, at+size))
			}
		}
	}
	for i := range *steps {
		for j := len((*steps)[i].Changes) - 1; j >= 0 && len((*steps)[i].Changes) > 1; j-- {
			fewer := slices.Clone(*steps)
			fewer[i].Changes = slices.Delete(slices.Clone(fewer[i].Changes), j, j+1)
			attempt(fewer)
		}
		for j := range (*steps)[i].Changes {
			for name := range (*steps)[i].Changes[j].Set {
				fewer := slices.Clone(*steps)
				fewer[i].Changes = slices.Clone(fewer[i].Changes)
				fewer[i].Changes[j] = fewer[i].Changes[j].without(name)
				attempt(fewer)
			}
		}
	}
}

// modelNames returns the names of the application's models, without tower's own.
func modelNames(app *tower.App) []string {
	var names []string
	for _, m := range server.Models(server.AppOf(app)) {
		if !strings.HasPrefix(m.Name, "tower_") {
			names = append(names, m.Name)
		}
	}
	return names
}
