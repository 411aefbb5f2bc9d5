package hostile

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// TestNothingIsAnsweredAfterItsEnd has many users at once sign in and out, begin and leave sandboxes, make, change
// and revoke tokens, let sessions expire, and connect and connect again over all transports, at random, while the
// server is killed and started again. It looks for an answer or a frame to what has ended, and for an end of what
// has not.
//
// Nothing is waited for but what must come. Each write of a user has a number, and what is written after the answer
// to an end has a greater one than what was written before. So what a connection receives until the server closes
// it shows whether it has received anything from after its end.
//
// TOWER_TEST_STEPS says how many steps all users take together, TOWER_TEST_KILLS how often the server is killed, and
// TOWER_TEST_SEED makes the same decisions again, if not the same races.
func TestNothingIsAnsweredAfterItsEnd(t *testing.T) {
	const actors = 48
	w := &world{t: t, steps: setting(t, "TOWER_TEST_STEPS", 1200), kills: setting(t, "TOWER_TEST_KILLS", 2),
		seed: uint64(setting(t, "TOWER_TEST_SEED", int(rand.Uint64()>>1))), spent: map[string]spent{}}
	t.Logf("seed %d", w.seed)
	w.server = startProcess(t)
	began := time.Now()
	var acting sync.WaitGroup
	for number := range actors {
		acting.Go(func() { newActor(w, number).act() })
	}
	acting.Wait()
	t.Logf("%d steps and %d kills in %v", w.taken, w.server.life, time.Since(began).Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(w.spent)) {
		s := w.spent[name]
		t.Logf("%8d × %-28s %8v each", s.times, name, (s.time / time.Duration(s.times)).Round(time.Microsecond))
	}
}

// setting returns the number in an environment variable.
func setting(t *testing.T, variable string, fallback int) int {
	text := os.Getenv(variable)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// A world is a server and the actors that use it.
type world struct {
	t            *testing.T
	steps, kills int
	seed         uint64
	server       *process

	mu     sync.Mutex
	taken  int
	failed bool
	spent  map[string]spent
}

// spent is how often a step was taken, and how long that took altogether.
type spent struct {
	times int
	time  time.Duration
}

// next reports whether an actor is to take another step. Now and then it kills the server before that.
func (w *world) next() bool {
	w.mu.Lock()
	more := w.taken < w.steps && !w.failed
	if more {
		w.taken++
	}
	kill := more && w.kills > 0 && w.taken%max(w.steps/w.kills, 1) == 0
	w.mu.Unlock()
	if kill {
		w.server.kill()
	}
	return more
}

func (w *world) note(step string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.spent[step]
	w.spent[step] = spent{s.times + 1, s.time + took}
}

func (w *world) fail(actor int, step string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed {
		return // others may fail for the same reason
	}
	w.failed = true
	w.t.Errorf("seed %d, actor %d: %s: %v", w.seed, actor, step, err)
}

// An actor is a user and an administrator with their devices and programs, and what must be true of these.
type actor struct {
	attacker // a visitor
	world    *world
	number   int
	random   *rand.Rand
	life     int // of the server that its connections are to
	doing    string

	admin, user tower.ID
	live        []*credential
	dead        []*credential       // the last maxDead that have ended
	written     int                 // the number of the last write
	notes       map[tower.ID]string // what the notes say, if that is known
}

func newActor(w *world, number int) *actor {
	u := &actor{world: w, number: number, random: rand.New(rand.NewPCG(w.seed, uint64(number))), life: -1, notes: map[tower.ID]string{}}
	u.attacker = attacker{t: trial{w.t}, app: &towertest.App{}}
	u.web = &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: u.dial, MaxIdleConnsPerHost: 4}, CheckRedirect: u.client().CheckRedirect}
	return u
}

// act takes steps until there are enough. A step may fail if the server is killed meanwhile.
func (u *actor) act() {
	defer u.web.CloseIdleConnections()
	for more := true; more; {
		more = u.world.next()
		began := time.Now()
		u.doing = "come back"
		err := try(func() {
			u.comeBack(!more)
			if more {
				u.step()
			}
		})
		_, life := u.world.server.where()
		switch {
		case err == nil:
			u.world.note(u.doing, time.Since(began))
		case life == u.life:
			u.world.fail(u.number, u.doing, err)
			return
		default:
			more = true
		}
	}
	for _, c := range u.live {
		c.hangUp()
	}
}

// comeBack checks what the actor has after the server was restarted: its connections are closed, ended
// credentials stay refused, and the others still work. With sure it checks that without a restart, too.
func (u *actor) comeBack(sure bool) {
	url, life := u.world.server.where()
	if life == u.life && !sure {
		return
	}
	u.life = life
	if u.app.URL = url; u.admin == "" {
		u.user = tower.ID(u.output("/steward/users", fields{"name": fmt.Sprint("user ", u.number, " of ", life)}))
		u.admin = tower.ID(u.output("/steward/users", fields{"name": fmt.Sprint("admin ", u.number, " of ", life)}))
	}
	for _, c := range slices.Clone(u.live) {
		c.hangUp()
		if c.settle(); c.state == ended {
			u.bury([]*credential{c})
		}
	}
	for _, c := range u.dead {
		c.expectNobody(u.transport())
	}
}

// A trial is a testing.TB in which what fails ends the function that runs in try.
type trial struct{ testing.TB }

type failure struct{ error }

func (trial) Fatal(args ...any)                 { panic(failure{errors.New(fmt.Sprint(args...))}) }
func (trial) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }
func (trial) Cleanup(func())                    {} // an actor closes its connections

// try runs a function and returns what has failed in it.
func try(do func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failure:
			err = p.error
		default:
			panic(p)
		}
	}()
	do()
	return nil
}
