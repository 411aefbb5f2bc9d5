package systemtest

import (
	"context"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

type plainController struct{ *tower.Connection }

func (c *plainController) List(ctx context.Context, in struct{}) (tower.Scope[Chore], error) {
	return allChores(ctx, in)
}

// choresFor are all chores, for whom connect lets in.
func choresFor(connect func(context.Context, *tower.Connection) (*tower.Connection, error)) tower.Config {
	r := tower.NewRouter(connect)
	tower.Cursor(tower.Mount(r, "chores", func(c *tower.Connection) *plainController { return &plainController{c} }), "list", (*plainController).List)
	return tower.Config{Name: "chores", Models: []tower.AnyModel{Clerks, Desks, Seats, Chores}, Routes: r}
}

var errNotAClerk = tower.Forbidden("only clerks of some level may connect")

// TestConvergeWithAConnectThatRefuses runs a right application, whose refused users hold nothing.
func TestConvergeWithAConnectThatRefuses(t *testing.T) {
	config := choresFor(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) {
		clerk, err := Clerks.Follow(ctx, c, c.UserID())
		if err != nil || clerk == nil || clerk.Level < 3 {
			return nil, errNotAClerk
		}
		return c, nil
	})
	towertest.Converge(t, config, towertest.Convergence{Steps: steps(150), Users: "clerks"})
}

// TestConvergeFindsARefusalThatNobodyFollows runs one in which a client stays connected that
// would be refused now.
func TestConvergeFindsARefusalThatNobodyFollows(t *testing.T) {
	config := choresFor(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) {
		clerk, err := Clerks.Find(ctx, c, c.UserID())
		if err != nil || clerk.Level < 3 {
			return nil, errNotAClerk
		}
		return c, nil
	})
	found := &recorder{TB: t}
	for seed := uint64(1); seed <= 5 && len(found.errors) == 0; seed++ {
		towertest.Converge(found, config, towertest.Convergence{Users: "clerks", Folder: t.TempDir(), Seed: seed})
	}
	if len(found.errors) == 0 || !strings.Contains(found.errors[0], "who connects now is refused") {
		t.Errorf("found %q", found.errors)
	}
}
