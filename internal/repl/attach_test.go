package repl

import (
	"context"
	"testing"
)

func dial(app *fakeApp) func(context.Context) (*Client, error) {
	return func(ctx context.Context) (*Client, error) { return Attach(ctx, app.path, "console:ada") }
}

func attach(t testing.TB, app *fakeApp) *Client {
	t.Helper()
	client, err := dial(app)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}
