package hostile

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/towerkit/tower"
)

type IdleController struct{ *Session }

func (c *IdleController) All(ctx context.Context, in tower.None) (tower.Scope[Note], error) {
	return Notes.All(), nil
}

// TestAControllerIsMadeWhenItIsFirstUsed greets clients that use nothing.
func TestAControllerIsMadeWhenItIsFirstUsed(t *testing.T) {
	var made atomic.Int32
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "idle", func(s *Session) *IdleController {
		made.Add(1)
		return &IdleController{s}
	})
	tower.Cursor(m, "all", (*IdleController).All)
	a := attack(t, config)
	onEachTransport(t, func(t *testing.T, transport string) {
		before := made.Load()
		p := a.in(t).greet(transport)
		p.answer(1, `{"id":1,"open":"notes.all"}`)
		if n := made.Load() - before; n != 0 {
			t.Errorf("it was made %d times before its use", n)
		}
		p.answer(2, `{"id":2,"open":"idle.all"}`)
		p.answer(3, `{"id":3,"open":"idle.all"}`)
		if n := made.Load() - before; n != 1 {
			t.Errorf("it was made %d times", n)
		}
	})
}
