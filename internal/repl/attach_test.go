package repl

import (
	"context"
	"testing"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/fakeapp"
)

func dial(app *fakeapp.App) func(context.Context) (*control.Client, error) {
	return func(ctx context.Context) (*control.Client, error) {
		return control.Attach(ctx, app.Path, "console:ada")
	}
}

func attach(t testing.TB, app *fakeapp.App) *control.Client {
	t.Helper()
	client, err := dial(app)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}
