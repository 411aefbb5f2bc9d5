package tower

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/program"
	"github.com/towerkit/tower/internal/server/control"
)

// arguments returns the arguments of the program, without the flags that it has parsed with
// package flag.
func arguments() []string {
	if flag.Parsed() {
		return flag.Args()
	}
	return os.Args[1:]
}

// command runs the command that args name, and returns the exit code.
func command(config Config, args []string) int {
	app, err := config.program()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	case program.Run != nil:
		return program.Run(app, args)
	}
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	fmt.Fprintf(os.Stderr, "%s: this program has no commands, so it does not know %q\n", name, args[0])
	fmt.Fprintf(os.Stderr, "  → without arguments it serves; with commands it is built when its source imports them: import _ \"github.com/towerkit/tower/commands\"\n")
	return 2
}

// program describes the application for the commands in its program. It does not need what
// serving needs, such as the secret of production.
func (c Config) program() (program.Application, error) {
	folder, err := filepath.Abs(cmp.Or(os.Getenv("TOWER_FOLDER"), "."))
	if err == nil {
		folder, err = filepath.EvalSymlinks(folder)
	}
	if err != nil {
		return program.Application{}, fmt.Errorf("find the application's folder: %w", err)
	}
	var openPlace func(string) (archive.Place, error)
	if c.OpenPlace != nil {
		openPlace = func(address string) (archive.Place, error) { return c.OpenPlace(address) }
	}
	return program.Application{
		Name: c.name(), Version: version, Commit: commit, Folder: folder, Env: c.Env, Store: c.Data, OpenPlace: openPlace,
		Serve: func() error { return serve(c) },
		Work:  func() error { return serveJobs(c) },
		Check: func(env string) error { _, err := New(c.in(env)); return err },
		Start: func(ctx context.Context, env string) (io.Closer, error) { return c.in(env).attend(ctx) },
	}, nil
}

// in returns the configuration for a command in an environment: the terminal is the
// command's, and the console shows the log.
func (c Config) in(env string) Config {
	c.Env = env
	c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	return c
}

// attend opens the application and its control socket, and serves no requests.
func (c Config) attend(ctx context.Context) (io.Closer, error) {
	app, err := New(c)
	if err != nil {
		return nil, err
	}
	slog.SetDefault(app.Log())
	if err := app.app.Open(ctx); err != nil {
		return nil, err
	}
	if err := app.app.ServeConsoles(control.Open); err != nil {
		_ = app.Close() // the first error is the reason
		return nil, err
	}
	return app, nil
}
