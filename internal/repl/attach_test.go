package repl

import (
	"context"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/fakeapp"
)

func dial(app *fakeapp.App) func(context.Context) (*control.Client, error) {
	return func(ctx context.Context) (*control.Client, error) {
		return control.Attach(ctx, app.Path, "console:ada")
	}
}
