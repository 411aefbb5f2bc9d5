package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"sync"

	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/wire"
)

// An appDialer is a console's way to its application: the one that runs, or
// one of its own.
type appDialer struct {
	app      *application
	env      string
	progress io.Writer

	mu       sync.Mutex
	attached bool // it was attached once
	started  *dev.App
}

// dial attaches to the application. The first time it starts one that does not
// run; one that has gone away comes back by itself, or not.
func (a *appDialer) dial(ctx context.Context) (*repl.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	client, err := attach(ctx, a.app)
	if a.attached || !errors.Is(err, repl.ErrNotRunning) {
		a.attached = a.attached || err == nil
		return client, err
	}
	fmt.Fprintln(a.progress, "starting the application, which does not run yet")
	own, err := dev.Start(ctx, dev.Options{Folder: a.app.Folder, Env: a.env, Output: nil})
	if err != nil {
		var running *dev.RunningError
		if errors.As(err, &running) { // it is just starting
			return nil, fmt.Errorf("%w yet: %w", repl.ErrNotRunning, err)
		}
		return nil, err
	}
	a.started, a.attached = own, true
	return attach(ctx, a.app)
}

func (a *appDialer) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.started != nil {
		_ = a.started.Close() // what it was asked has been answered
	}
}

// attach connects to the running application. The error is repl.ErrNotRunning
// when it does not run.
func attach(ctx context.Context, app *application) (*repl.Client, error) {
	runtime := wire.RuntimeFolder(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid())
	return repl.Attach(ctx, wire.SocketPath(app.Folder, runtime), "console:"+userName())
}

func userName() string {
	if who, err := user.Current(); err == nil {
		return who.Username
	}
	return "unknown"
}
