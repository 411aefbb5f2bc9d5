package tower

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/control"
	"github.com/towerkit/tower/internal/server/route"
)

// Config is what an application is made of. The environment, which [Main] lists,
// says how it runs; a field that is set goes before it.
type Config struct {
	// Name of the application, for the console. Default: the name of its module.
	Name string
	// Models lists the models that the store keeps.
	Models []AnyModel
	// Routes is the application's router.
	Routes Routes
	// Files holds the folders views and public, usually embedded. In development
	// they are read from the working directory, so that changes show at once.
	Files fs.FS
	// ContentSecurityPolicy is sent with every answer. Default: everything from
	// this origin only.
	ContentSecurityPolicy string

	// Env is "development", "test" or "production". Default: TOWER_ENV.
	Env string
	// Data is the path of the store. Default: TOWER_DB.
	Data string
	// Log takes what the application has to say. Default: standard error, as text,
	// in production as JSON; [Main] then makes it slog's default as well, and what is
	// logged there is seen in the console.
	Log *slog.Logger
}

// Main runs the application until it is interrupted, and exits. The environment
// says how:
//
//	TOWER_ENV      development (default), test or production
//	TOWER_ADDR     where to listen; default 127.0.0.1:3000
//	TOWER_DB       path of the store; default db/ENV.db
//	TOWER_SECRET   key of cookies; default: made once and kept in the store
//	TOWER_CONSOLE  on or off; default: on, in production off
//	TOWER_FOLDER   the application's folder; default: the working directory
func Main(config Config) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, config Config) error {
	app, err := New(config)
	if err != nil {
		return err
	}
	if config.Log == nil {
		slog.SetDefault(app.Log()) // so that consoles read along what the application logs by itself
	}
	env := app.Env()
	consoles := variable("TOWER_CONSOLE", map[bool]string{true: "off", false: "on"}[env == "production"])
	if consoles != "on" && consoles != "off" {
		return fmt.Errorf("TOWER_CONSOLE is %q; it is on or off", consoles)
	}
	listen := server.Listen{
		Addr:       variable("TOWER_ADDR", "127.0.0.1:3000"),
		Supervisor: os.Getenv("TOWER_SUPERVISOR"),
		Serving:    func(addr net.Addr) { fmt.Fprintf(os.Stderr, "%s on http://%s\n", env, addr) },
	}
	if consoles == "on" {
		listen.Console = control.Open
	}
	return app.Run(ctx, listen)
}

// New checks an application: its models, routes and views. It opens nothing; the
// methods Open and Close of the [App] begin and end its life, and Handler answers
// its requests. [Main] does all of this.
func New(config Config) (*App, error) {
	out, err := config.resolve()
	if err != nil {
		return nil, err
	}
	return server.New(out)
}

func (c Config) resolve() (out server.Config, err error) {
	out = server.Config{Name: c.Name, Env: c.Env, Data: c.Data, Files: c.Files, Log: c.Log,
		Policy: c.ContentSecurityPolicy, Build: build(), Rules: map[*record.Model]route.Rule{}}
	if c.Routes == nil {
		return out, errors.New("the application has no routes; set Config.Routes")
	}
	out.Router = c.Routes.erased()
	for _, m := range c.Models {
		out.Models = append(out.Models, m.erased())
		out.Rules[m.erased()] = m.rule
	}
	if info, ok := debug.ReadBuildInfo(); out.Name == "" && ok {
		out.Name = filepath.Base(info.Main.Path)
	}
	if out.Env == "" {
		out.Env = variable("TOWER_ENV", "development")
	}
	if out.Env != "development" && out.Env != "test" && out.Env != "production" {
		return out, fmt.Errorf("TOWER_ENV is %q; it is one of development, test and production", out.Env)
	}
	if out.Folder, err = filepath.Abs(variable("TOWER_FOLDER", ".")); err != nil {
		return out, err
	}
	if out.Data == "" {
		out.Data = variable("TOWER_DB", filepath.Join(out.Folder, "db", out.Env+".db"))
	}
	out.Secret = os.Getenv("TOWER_SECRET")
	if out.Secret != "" && len(out.Secret) < 32 {
		return out, fmt.Errorf("TOWER_SECRET has %d characters; it needs 32 or more", len(out.Secret))
	}
	out.URL = os.Getenv("TOWER_PUBLIC_URL")
	if info, err := os.Stat(filepath.Join(out.Folder, "views")); out.Env == "development" && err == nil && info.IsDir() {
		out.Files, out.Reload = os.DirFS(out.Folder), true
	}
	if out.Log == nil {
		out.Log = logger(out.Env)
	}
	return out, nil
}

func logger(env string) *slog.Logger {
	if env == "production" {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

func variable(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// build identifies this binary: clients that knew another one start anew.
func build() string {
	path, err := os.Executable()
	if err != nil {
		return string(NewID())
	}
	info, err := os.Stat(path)
	if err != nil {
		return string(NewID())
	}
	return strings.ToLower(fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size()))
}
