package systemtest

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// The desk has tasks of teams. Each of its sessions and cursors has a fault that only shows
// when a certain value changes, or when time passes.
type (
	Clerk struct {
		tower.Record
		Name   string   `json:"name"`
		Role   string   `json:"role"`
		Level  int      `json:"level"`
		TeamID tower.ID `json:"teamId" tower:"ref=desks"`
	}
	Desk struct {
		tower.Record
		Open bool `json:"open"`
	}
	Seat struct {
		tower.Record
		ClerkID tower.ID `json:"clerkId" tower:"ref=clerks,index"`
		DeskID  tower.ID `json:"deskId" tower:"ref=desks"`
	}
	Chore struct {
		tower.Record
		Title  string    `json:"title"`
		DeskID tower.ID  `json:"deskId" tower:"ref=desks"`
		Due    time.Time `json:"due"`
	}
)

var (
	Clerks = tower.NewModel[Clerk]("clerks")
	Desks  = tower.NewModel[Desk]("desks")
	Seats  = tower.NewModel[Seat]("seats")
	Chores = tower.NewModel[Chore]("chores")
)

const chief = "chief"

type deskSession struct {
	*tower.Connection
	clerk *Clerk
	desks []tower.ID
	now   func() time.Time
}

// deskConnect reads the session's clerk and seats, and follows neither.
func deskConnect(now func() time.Time) func(context.Context, *tower.Connection) (*deskSession, error) {
	return func(ctx context.Context, c *tower.Connection) (*deskSession, error) {
		s := &deskSession{Connection: c, now: now}
		if clerk, err := Clerks.Find(ctx, c, c.UserID()); err == nil {
			s.clerk = clerk
		}
		seat := Seats.Fields
		seats, err := Seats.Where(tower.Is(&seat.ClerkID, c.UserID())).Records(ctx, c)
		for _, seat := range seats {
			s.desks = append(s.desks, seat.DeskID)
		}
		return s, err
	}
}

type chiefController struct{ *deskSession }

func (c *chiefController) Match(*Chore) bool { return c.clerk != nil && c.clerk.Role == chief }

type levelController struct{ *deskSession }

func (c *levelController) Match(*Chore) bool { return c.clerk != nil && c.clerk.Level >= 40 }

type seatController struct{ *deskSession }

func (c *seatController) Match(chore *Chore) bool { return slices.Contains(c.desks, chore.DeskID) }

type openController struct{ *deskSession }

type dueController struct{ *deskSession }

func (c *dueController) Match(chore *Chore) bool { return chore.Due.After(c.now()) }

type laterController struct{ *deskSession }

func allChores(context.Context, struct{}) (tower.Scope[Chore], error) { return Chores.All(), nil }

func (c *chiefController) List(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	return allChores(ctx, in)
}
func (c *levelController) List(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	return allChores(ctx, in)
}
func (c *seatController) List(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	return allChores(ctx, in)
}
func (c *dueController) List(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	return allChores(ctx, in)
}

// List has the chores of the clerk's desk while it is open. The method does not follow the desk.
func (c *openController) List(ctx context.Context, _ struct{}) (tower.Scope[Chore], error) {
	chore := Chores.Fields
	if c.clerk == nil {
		return Chores.Where(tower.Is(&chore.Title, "none")), nil
	}
	desk, err := Desks.Find(ctx, c, c.clerk.TeamID)
	if err != nil || !desk.Open {
		return Chores.Where(tower.Is(&chore.Title, "none")), nil
	}
	return Chores.Where(tower.Is(&chore.DeskID, desk.ID)), nil
}

func (c *laterController) List(context.Context, struct{}) (tower.Scope[Chore], error) {
	chore := Chores.Fields
	return Chores.Where(tower.Gt(&chore.Due, c.now())), nil
}

// deskFaults are the routes with one fault each.
func deskFaults() map[string]func(now func() time.Time) *tower.Router[*deskSession] {
	type router = *tower.Router[*deskSession]
	return map[string]func(now func() time.Time) router{
		"a role": func(now func() time.Time) router {
			r := tower.NewRouter(deskConnect(now))
			tower.Cursor(tower.Mount(r, "chores", func(s *deskSession) *chiefController { return &chiefController{s} }), "list", (*chiefController).List)
			return r
		},
		"a level": func(now func() time.Time) router {
			r := tower.NewRouter(deskConnect(now))
			tower.Cursor(tower.Mount(r, "chores", func(s *deskSession) *levelController { return &levelController{s} }), "list", (*levelController).List)
			return r
		},
		"a membership": func(now func() time.Time) router {
			r := tower.NewRouter(deskConnect(now))
			tower.Cursor(tower.Mount(r, "chores", func(s *deskSession) *seatController { return &seatController{s} }), "list", (*seatController).List)
			return r
		},
		"what a scope reads": func(now func() time.Time) router {
			r := tower.NewRouter(deskConnect(now))
			tower.Cursor(tower.Mount(r, "chores", func(s *deskSession) *openController { return &openController{s} }), "list", (*openController).List)
			return r
		},
		"a rule's clock": func(now func() time.Time) router {
			r := tower.NewRouter(deskConnect(now))
			tower.Cursor(tower.Mount(r, "chores", func(s *deskSession) *dueController { return &dueController{s} }), "list", (*dueController).List)
			return r
		},
		"a scope's clock": func(now func() time.Time) router {
			r := tower.NewRouter(deskConnect(now))
			tower.Cursor(tower.Mount(r, "chores", func(s *deskSession) *laterController { return &laterController{s} }), "list", (*laterController).List)
			return r
		},
	}
}

// TestConvergeFindsWhatNobodyFollows makes default runs on each of the faults until one finds
// it. With TOWER_TEST_RUNS it makes that many, and nine of ten must find it.
func TestConvergeFindsWhatNobodyFollows(t *testing.T) {
	runs, _ := strconv.Atoi(os.Getenv("TOWER_TEST_RUNS"))
	for name, routes := range deskFaults() {
		t.Run(name+", a clock of the test", func(t *testing.T) {
			var clock atomic.Pointer[time.Time]
			c := towertest.Convergence{Clock: func(now time.Time) { clock.Store(&now) }}
			findOften(t, runs, c, routes(func() time.Time { return *clock.Load() }))
		})
		if strings.HasSuffix(name, "clock") || runs > 0 {
			t.Run(name+", the system's clock", func(t *testing.T) {
				findOften(t, runs, towertest.Convergence{}, routes(time.Now))
			})
		}
	}
}

func findOften(t *testing.T, runs int, c towertest.Convergence, routes *tower.Router[*deskSession]) {
	config := tower.Config{Name: "desk", Models: []tower.AnyModel{Clerks, Desks, Seats, Chores}, Routes: routes}
	c.Users = "clerks"
	found := 0
	for seed := range max(runs, 6) {
		c.Folder, c.Seed = t.TempDir(), uint64(seed+1)
		failures := &recorder{TB: t}
		towertest.Converge(failures, config, c)
		if len(failures.errors) > 0 {
			found++
		}
		if runs == 0 && found > 0 {
			return
		}
	}
	t.Logf("%d of %d runs found it", found, runs)
	if found == 0 || found < runs-runs/10 {
		t.Errorf("%d of %d runs found it", found, runs)
	}
}
