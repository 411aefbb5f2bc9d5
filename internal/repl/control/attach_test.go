package control

import (
	"context"
	"testing"

	"github.com/towerkit/tower/internal/repl/fakeapp"
)

func dial(app *fakeapp.App) func(context.Context) (*Client, error) {
	return func(ctx context.Context) (*Client, error) {
		return Attach(ctx, app.Path, "console:ada")
	}
}

func attach(t testing.TB, app *fakeapp.App) *Client {
	t.Helper()
	client, err := dial(app)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}
