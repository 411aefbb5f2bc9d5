package dev

import (
	"context"
	"fmt"
)

// An App is an application that runs without a [Supervisor]. It has an address of its
// own, and is not rebuilt when its source changes.
type App struct {
	child  *child
	lock   *folderLock
	builds builds
	built  int // 1 if it was built
}

// Start builds the application and returns when it serves. It ignores the options Host,
// Port and Open. The error is a [*RunningError] if another process runs the application,
// and a [*Failure] if the build fails or the application does not start. The caller must
// close the App.
func Start(ctx context.Context, o Options) (*App, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(o.Folder)
	if err != nil {
		return nil, err
	}
	a := &App{lock: lock, builds: buildsIn(o.Folder)}
	if err := a.start(ctx, o); err != nil {
		a.release()
		return nil, err
	}
	return a, nil
}

func (a *App) start(ctx context.Context, o Options) error {
	if err := a.lock.writeOwner(""); err != nil {
		return fmt.Errorf("lock the application: %w", err)
	}
	if err := a.builds.open(); err != nil {
		return fmt.Errorf("prepare the application's folder: %w", err)
	}
	binary := a.builds.program(1)
	out := newTerminal(o.Output, o.Color)
	var say func(string)
	if o.Color { // a person watches
		say = out.printDetail
	}
	stop := announce(say)
	_, err := Target{Folder: o.Folder, Out: binary, Production: o.production(), Environ: o.Environ}.build(ctx)
	stop()
	if err != nil {
		return err
	}
	a.built = 1
	c, err := start(ctx, o.launch(program{binary, 1}, out))
	if err != nil {
		return err
	}
	a.child = c
	return c.open(ctx)
}

// URL returns the address of the application, which only this machine can reach.
func (a *App) URL() string { return "http://" + a.child.addr }

// Close gives the application a few seconds to finish its requests. Its program stays, so
// that it is not linked again while nothing changes. Close returns nil.
func (a *App) Close() error {
	a.child.stop(context.Background(), stopTime)
	a.release()
	return nil
}

func (a *App) release() {
	a.builds.close(a.built)
	a.lock.unlock()
}
