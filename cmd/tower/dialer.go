package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"sync"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
)

// An appDialer connects to the control socket of an application. It starts the
// application if it is not running.
type appDialer struct {
	app      *application
	env      string
	progress io.Writer

	mu       sync.Mutex
	attached bool // dial has succeeded once
	started  *dev.App
}

// dial connects to the running application. If the application is not running, the first
// call starts it. Later calls return [control.ErrNotRunning]: an application that has exited
// is restarted by its supervisor, or not at all.
func (a *appDialer) dial(ctx context.Context) (*control.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	client, err := attach(ctx, a.app)
	if a.attached || !errors.Is(err, control.ErrNotRunning) {
		a.attached = a.attached || err == nil
		return client, err
	}
	fmt.Fprintln(a.progress, "starting the application")
	own, err := dev.Start(ctx, dev.Options{Folder: a.app.Folder, Env: a.env, Output: nil})
	if err != nil {
		var running *dev.RunningError
		if errors.As(err, &running) { // another process is starting it
			return nil, fmt.Errorf("%w yet: %w", control.ErrNotRunning, err)
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
		_ = a.started.Close() // Close returns nil
	}
}

// withDialer calls do with a dialer for the application in the working folder, and ends the
// application if do has started it, in an environment.
func withDialer(cmd *cobra.Command, env string, do func(*appDialer) error) error {
	app, err := findApplication()
	if err != nil {
		return err
	}
	dialer := &appDialer{app: app, env: env, progress: cmd.ErrOrStderr()}
	defer dialer.close()
	return do(dialer)
}

// withApplication calls do with a connection to the application in the working folder, which
// it starts in an environment if it is not running.
func withApplication(cmd *cobra.Command, env string, do func(*appDialer, *control.Client) error) error {
	return withDialer(cmd, env, func(dialer *appDialer) error {
		connected, err := dialer.dial(cmd.Context())
		if err != nil {
			return err
		}
		defer connected.Close()
		return do(dialer, connected)
	})
}

// attach connects to the running application. The error is [control.ErrNotRunning] if it is
// not running.
func attach(ctx context.Context, app *application) (*control.Client, error) {
	runtime := wire.RuntimeFolder(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid())
	return control.Attach(ctx, wire.SocketPath(app.Folder, runtime), "console:"+userName())
}

func userName() string {
	if who, err := user.Current(); err == nil {
		return who.Username
	}
	return "unknown"
}
