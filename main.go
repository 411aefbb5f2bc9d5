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

	"github.com/towerkit/tower/internal/server"
)

// Config is what an application is made of.
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
}

// Main runs the application until it is interrupted, and exits. The environment
// says how:
//
//	TOWER_ENV      development (default), test or production
//	TOWER_ADDR     where to listen; default 127.0.0.1:3000
//	TOWER_DB       path of the store; default db/ENV.db
//	TOWER_SECRET   key of cookies; default: made once and kept in the store
//	TOWER_CONSOLE  on or off; default: on, in production off
func Main(config Config) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, config.Name+":", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, config Config) error {
	settings, err := readEnvironment(config)
	if err != nil {
		return err
	}
	app, err := server.New(settings.Config)
	if err != nil {
		return err
	}
	return app.Run(ctx, settings.addr, os.Getenv("TOWER_SUPERVISOR"), settings.console, func(addr net.Addr) {
		fmt.Fprintf(os.Stderr, "%s: %s on http://%s\n", settings.Name, settings.Env, addr)
	})
}

// Erased turns a configuration into the server's own, without an environment.
func (c Config) erased() server.Config {
	out := server.Config{Name: c.Name, Files: c.Files, Policy: c.ContentSecurityPolicy, Build: build()}
	if out.Name == "" {
		if info, ok := debug.ReadBuildInfo(); ok {
			out.Name = filepath.Base(info.Main.Path)
		}
	}
	for _, m := range c.Models {
		out.Models = append(out.Models, m.erased())
	}
	if c.Routes != nil {
		out.Router = c.Routes.erased()
	}
	return out
}

type settings struct {
	server.Config
	addr    string
	console bool
}

func readEnvironment(config Config) (s settings, err error) {
	s.Config = config.erased()
	if s.Router == nil {
		return s, errors.New("the application has no routes; set Config.Routes")
	}
	s.Env = variable("TOWER_ENV", "development")
	if s.Env != "development" && s.Env != "test" && s.Env != "production" {
		return s, fmt.Errorf("TOWER_ENV is %q; it is one of development, test and production", s.Env)
	}
	s.addr = variable("TOWER_ADDR", "127.0.0.1:3000")
	if s.Folder, err = filepath.Abs(variable("TOWER_FOLDER", ".")); err != nil {
		return s, err
	}
	s.Data = variable("TOWER_DB", filepath.Join(s.Folder, "db", s.Env+".db"))
	s.Secret = os.Getenv("TOWER_SECRET")
	if s.Secret != "" && len(s.Secret) < 32 {
		return s, fmt.Errorf("TOWER_SECRET has %d characters; it needs 32 or more", len(s.Secret))
	}
	consoles := variable("TOWER_CONSOLE", map[bool]string{true: "off", false: "on"}[s.Env == "production"])
	if consoles != "on" && consoles != "off" {
		return s, fmt.Errorf("TOWER_CONSOLE is %q; it is on or off", consoles)
	}
	s.console = consoles == "on"
	s.URL = variable("TOWER_PUBLIC_URL", "http://"+s.addr)
	if s.Env == "development" {
		if info, err := os.Stat(filepath.Join(s.Folder, "views")); err == nil && info.IsDir() {
			s.Files, s.Reload = os.DirFS(s.Folder), true
		}
	}
	s.Log = logger(s.Env)
	return s, nil
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
