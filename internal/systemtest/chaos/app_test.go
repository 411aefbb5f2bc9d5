//go:build linux

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	_ "github.com/towerkit/tower/postgres"
)

// A Deed is what one call has done. A Tally is what calls compete for.
type (
	Deed struct {
		tower.Record
		Name string `json:"name" tower:"index"`
		Kind string `json:"kind" tower:"index"`
	}
	Tally struct {
		tower.Record
		Name string `json:"name" tower:"unique"`
		N    int    `json:"n"`
	}
)

var (
	deeds   = tower.NewModel[Deed]("deeds")
	tallies = tower.NewModel[Tally]("tallies")
)

const (
	hot   = tower.ID("01JDA7Q4Z3M8X2V6K9T5B1C0RW") // the tally that all add to
	slots = 8                                      // names that are taken and freed
)

type controller struct{ *tower.Connection }

func (c *controller) All(context.Context, struct{}) (tower.Scope[Tally], error) {
	return tallies.All(), nil
}

func (c *controller) Newest(context.Context, struct{}) (tower.Scope[Deed], error) {
	return deeds.All().Desc(&deeds.Fields.CreatedAt).Limit(10), nil
}

type deed struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Slot string `json:"slot"`
}

// random returns a deed with a name.
func random(source *rand.Rand, name string) deed {
	return deed{Name: name, Kind: []string{"add", "take", "free"}[source.IntN(3)], Slot: fmt.Sprint("slot", source.IntN(slots))}
}

// Prepare makes the tally that all add to.
func (c *controller) Prepare(ctx context.Context, _ struct{}) (string, error) {
	return "prepared", tallies.Create(ctx, c, &Tally{Record: tower.Record{ID: hot}, Name: "hot"})
}

// Do does a deed, all of it or nothing.
func (c *controller) Do(ctx context.Context, in deed) (string, error) {
	return in.Name, c.Transaction(ctx, func(tx *tower.Tx) error {
		if err := deeds.Create(ctx, tx, &Deed{Name: in.Name, Kind: in.Kind}); err != nil {
			return err
		}
		switch in.Kind {
		case "take":
			return tallies.Create(ctx, tx, &Tally{Name: in.Slot})
		case "free":
			taken, err := tallies.Where(tower.Is(&tallies.Fields.Name, in.Slot)).Records(ctx, tx)
			if err != nil {
				return err
			}
			if len(taken) == 0 {
				return tower.Forbidden("nobody has taken it")
			}
			return tallies.Delete(ctx, tx, taken[0].ID)
		}
		_, err := tallies.Update(ctx, tx, hot, func(t *Tally) error { t.N++; return nil })
		return err
	})
}

func config() tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "deeds", func(c *tower.Connection) *controller { return &controller{c} })
	tower.Cursor(m, "all", (*controller).All)
	tower.Cursor(m, "newest", (*controller).Newest)
	tower.Action(m, "POST /prepare", (*controller).Prepare)
	tower.Action(m, "POST /deeds", (*controller).Do)
	c := tower.Config{Name: "chaos", Models: []tower.AnyModel{deeds, tallies}, Routes: r}
	c.Limits.MaxAddress, c.Limits.MaxVisitors = 10_000, 10_000
	return c
}

const asNode = "TOWER_CHAOS_NODE" // set: the process is a node

func TestMain(m *testing.M) {
	if os.Getenv(asNode) != "" {
		os.Args = os.Args[:1]
		tower.Main(config())
		return
	}
	os.Exit(pgtest.Run(m))
}
