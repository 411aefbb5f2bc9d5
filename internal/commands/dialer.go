package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/repl/control"
)

// A dialer connects to the control socket of an application. It starts the application if it
// is not running.
type dialer struct {
	app      *Application
	progress io.Writer

	mu       sync.Mutex
	attached bool // dial has succeeded once
	started  io.Closer
}

// dial connects to the running application. If the application is not running, the first
// call starts it. Later calls return [control.ErrNotRunning]: an application that has exited
// is restarted by its supervisor, or not at all.
func (d *dialer) dial(ctx context.Context) (*control.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	client, err := d.app.Attach(ctx)
	if d.attached || d.app.Start == nil || !errors.Is(err, control.ErrNotRunning) {
		d.attached = d.attached || err == nil
		return client, err
	}
	fmt.Fprintln(d.progress, "starting the application in "+d.app.Env)
	started, err := d.app.Start(ctx, d.app.Env)
	if err != nil {
		return nil, unreachable(err)
	}
	d.started, d.attached = started, true
	return d.app.Attach(ctx)
}

func (d *dialer) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started == nil {
		return nil
	}
	return d.started.Close()
}

// with calls do with a dialer for the application, and ends the application if do has
// started it, in Env.
func (a *Application) with(cmd *cobra.Command, do func(*dialer) error) error {
	d := &dialer{app: a, progress: cmd.ErrOrStderr()}
	err := do(d)
	if closing := d.close(); closing != nil {
		err = errors.Join(err, closing)
	}
	return err
}

// Connected calls do with a connection to the application, which it starts in Env if it is not
// running, and ends again when do returns.
func (a *Application) Connected(cmd *cobra.Command, do func(*control.Client) error) error {
	return a.with(cmd, func(d *dialer) error {
		connected, err := d.dial(cmd.Context())
		if err != nil {
			return err
		}
		defer connected.Close()
		return do(connected)
	})
}
