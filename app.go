package tower

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/towerkit/tower/internal/release"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/control"
	"github.com/towerkit/tower/internal/server/front"
)

// Main runs the application until it is interrupted, and exits: with status 0, or
// with 1 and a message on standard error. These environment variables configure it;
// a field of [Config] that is set takes precedence.
//
//	TOWER_ENV         development, test or production; default development
//	TOWER_ADDR        address to listen on; default 127.0.0.1:3000
//	TOWER_DB          path of the store; or the address of the PostgreSQL database that
//	                  the application's nodes share, if the program imports package
//	                  postgres; default db/ENV.db in TOWER_FOLDER
//	TOWER_DB_LISTEN   address of the database past a pooler; default TOWER_DB
//	TOWER_DB_WAIT     how long a write waits while the database cannot be reached; default 5s
//	TOWER_REPLICA     path of the node's replica of the database; default
//	                  db/ENV.replica.db in TOWER_FOLDER
//	TOWER_FILES       where the content of files is kept: a folder, or a place of
//	                  [Config].OpenPlace, such as s3://bucket/folder; nodes share it;
//	                  default db/files/ENV in TOWER_FOLDER
//	TOWER_SECRET      keys of cookies, of at least 32 characters, separated by commas:
//	                  the first seals, each opens, so that one can be replaced. Make one
//	                  with "openssl rand -base64 32". Production does not start without;
//	                  default in development: made once, in tmp/secret
//	TOWER_CONSOLE     on or off: whether consoles can attach; nodes: they see this node
//	                  from others, and do not attach to it; default on, in production off
//	TOWER_FOLDER      folder of the application's views and control socket; default:
//	                  the working directory
//	TOWER_URL         where people reach the application: https://example.com; default:
//	                  not known
//	TOWER_HOSTS       further hosts that it is served as; default: none
//	TOWER_TRUSTED_PROXIES  addresses of proxies that are believed; default: none
//	TOWER_ACCESS_LOG  on or off: a line for each request; default on, in test off
//	TOWER_SLOW        what takes longer is logged: 200ms, or off; default 200ms, in test off
//	TOWER_WORKERS     how many jobs run at once in this process; 0 or off: none, and no
//	                  reactions; default 10, in test 0
//	TOWER_WORK        on: run jobs, in place of serving; default: none
//	TOWER_SMTP        server that sends mail in production, if the program imports package smtp:
//	                  smtp://user:password@host:587; smtps:// is TLS from the beginning, and
//	                  ?tls=off none; default: production does not start
//	TOWER_MAIL_FROM   whom mail is from: Shop <shop@example.com>; default: production does not start
//	TOWER_METRICS_TOKEN  with which metrics, and the reasons of the health, are read;
//	                  default: nobody reads them
//	TOWER_MIGRATE     status, plan, run, accept, rehearse or examine: do what tower db or tower doctor asks for in
//	                  place of serving, and write a report; default: none
//	TOWER_RELEASES    on: supervise the release that the link current in TOWER_FOLDER leads
//	                  to, in place of serving; default: none
//	TOWER_DEPLOY      what tower deploy asks the supervisor in TOWER_FOLDER for, in place of
//	                  serving: status, or swap and a release; default: none
//	TOWER_SUPERVISOR, TOWER_SERVER_URL  path of the socket of tower server, and its
//	                  address; it sets both; default: none
//
// Arguments of the program are commands, such as console and db backup, if the program
// imports package commands; otherwise it refuses them, with status 2. Flags that the program
// has parsed with package flag before it calls Main are its own.
func Main(config Config) {
	if args := arguments(); len(args) > 0 {
		os.Exit(command(config, args))
	}
	if err := serve(config); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// serve runs the application until a signal ends it.
func serve(config Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, config)
}

func run(ctx context.Context, config Config) error {
	if ask := os.Getenv("TOWER_DEPLOY"); ask != "" {
		return release.Ask(ctx, cmp.Or(os.Getenv("TOWER_FOLDER"), "."), ask, os.Stdout)
	}
	app, err := New(config)
	if err != nil {
		return err
	}
	if config.Log == nil {
		slog.SetDefault(app.Log()) // consoles also show what the application logs through slog
	}
	if task := os.Getenv("TOWER_MIGRATE"); task != "" {
		return app.migrate(ctx, task, os.Stdout)
	}
	if os.Getenv("TOWER_RELEASES") == "on" {
		return app.supervise(ctx)
	}
	if os.Getenv("TOWER_WORK") == "on" {
		return app.Work(ctx)
	}
	return app.Run(ctx)
}

// supervise runs the current release in the application's folder, and does not serve itself.
func (a *App) supervise(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	options := a.front()
	sockets, err := front.HandOver(options)
	if err != nil {
		return err
	}
	defer sockets.Close()
	a.Log().Info("supervising releases", "address", sockets.Addr.String())
	domain := ""
	if len(options.Domains) > 0 {
		domain = options.Domains[0]
	}
	s := &release.Supervisor{Folder: a.app.Config().Folder, Program: filepath.Base(program), Output: os.Stderr, Log: a.Log(),
		Sockets: release.Sockets{Files: sockets.Files, Names: sockets.Names}, Health: release.Health(sockets.Addr, domain)}
	return s.Run(ctx)
}

// An App is an application. [Main] makes and runs one; tests open one with package
// towertest. It is a [DB], and safe for concurrent use.
type App struct{ app *server.App }

func init() { server.AppOf = func(app any) *server.App { return app.(*App).app } }

// New checks an application: its models, routes and views. It reads the views and
// does no other I/O. [App.Open] and [App.Close] begin and end the application's life,
// and [App.Handler] answers its requests. [Main] calls all of them.
func New(config Config) (*App, error) {
	resolved, err := config.resolve()
	if err != nil {
		return nil, err
	}
	app := &App{}
	if config.Start != nil {
		resolved.Start = func(ctx context.Context) error { return config.Start(ctx, app) }
	}
	if config.Seed != nil {
		resolved.Seed = func(ctx context.Context) error { return config.Seed(WithAuthor(ctx, "seed"), app) }
	}
	for _, work := range config.work().jobs {
		resolved.Jobs.Handlers[work.name] = work.bind(app)
	}
	if app.app, err = server.New(resolved); err != nil {
		return nil, err
	}
	return app, nil
}

// Run serves the application until ctx ends, and closes it. A program with a main of its
// own calls it in place of [Main], whose environment variables it reads; under tower server
// it does what tower server asks for. It returns the error that ended the application: that
// of [Config].Start, of a worker, of its listener or its store.
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//		defer stop()
//		app, err := tower.New(Config())
//		if err == nil {
//			err = app.Run(ctx)
//		}
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
func (a *App) Run(ctx context.Context) error {
	vars := a.app.Config().Environ
	listen := server.Listen{
		Front:      a.front(),
		Supervisor: vars.Get("TOWER_SUPERVISOR"),
		Serving:    a.announce,
	}
	var err error
	if listen.Socket, err = control.SocketPath(a.app.Config().Folder); err != nil {
		return err
	}
	switch config := a.app.Config(); {
	case config.ForNodes:
		listen.Console = control.OpenForNodes
	case config.Console:
		listen.Console = control.Open
	}
	return a.app.Run(ctx, listen)
}

// Work runs the application's jobs until ctx ends, and serves no requests. It is for a process
// beside those that serve, which share a database with it: a file belongs to one process.
// It returns the error that ended the application, as [App.Run] does.
func (a *App) Work(ctx context.Context) error {
	config := a.app.Config()
	switch {
	case config.Jobs == nil:
		return errors.New("the application has no jobs: Config.Jobs lists none")
	case config.Jobs.Workers == 0:
		return errors.New("TOWER_WORKERS is 0 or off, and so this process would run no jobs")
	case config.OpenLog == nil:
		return errors.New("the data are in a file, which one process has to itself, and that runs the jobs; processes of their own need a database that they share: set TOWER_DB=postgres://user:password@host/database")
	}
	if !config.Console && !config.ForNodes {
		return a.app.Work(ctx, nil)
	}
	return a.app.Work(ctx, control.OpenForNodes) // the process that serves may have its socket here
}

// Go runs work in a goroutine of its own, with a context that ends when the application
// closes. Closing waits for work to return, at most five seconds. Commits that work makes
// with this context have name as their author. If work returns an error or panics, the
// application ends with this reason; so work itself decides what to try again. Call Go
// while the application is open, as in Start of [Config]. After Close it runs nothing.
func (a *App) Go(name string, work func(ctx context.Context) error) { a.app.Go(name, work) }

// Open opens the store and starts keeping cursors current. It fails if another
// process has the store open.
func (a *App) Open() error { return a.app.Open(context.Background()) }

// Close ends the workers and every connection, waits until they have ended, and closes the
// store. The error is that of a worker that failed or did not return, or of the store.
// Clients connect again. Close does not wait for HTTP requests in progress: shut down
// their server first.
func (a *App) Close() error { return a.app.Close() }

// Handler returns the handler of the application's HTTP requests and sockets. Open
// must have returned before it serves a request.
func (a *App) Handler() http.Handler { return a.app.Handler() }

// Transaction runs fn and commits what it wrote, all or nothing: see [DB].
func (a *App) Transaction(ctx context.Context, fn func(*Tx) error) error {
	return transaction(ctx, a.app, fn)
}

func (a *App) db() server.DB { return a.app }

// A Request names an action and its input, for [App.Handle].
type Request struct {
	Method string // "POST"
	Path   string // "/posts", with its values
	In     any    // the input, encoded as JSON; nil for none
}

// Handle finds the route of a request once, and calls its action for every connection
// with that connection's controller and user. Each client receives what its own call
// returned. Handle skips connections whose user may not use the action.
//
// It calls one connection after another, and returns when the last call has returned,
// with the number of connections called. On several nodes, the others do the same once they
// have all commits that were made before; Handle neither waits for them nor counts their
// connections. An error of a call goes to its client, not to the caller. Handle itself fails if there is no such action, and stops when ctx
// ends. In the transaction of a console it reaches no one and returns 0.
func (a *App) Handle(ctx context.Context, request Request) (int, error) {
	return a.app.Handle(ctx, server.Request(request))
}

// Seq returns the number of the newest commit.
func (a *App) Seq() uint64 { return a.app.Seq() }

// Wait returns when the commits up to seq have been queued for every connection, or
// with an error when ctx ends.
func (a *App) Wait(ctx context.Context, seq uint64) error { return a.app.Wait(ctx, seq) }

// Log returns the application's log. Consoles show what is written to it.
func (a *App) Log() *slog.Logger { return a.app.Log() }

// version and commit are set by tower build.
var version, commit string

// Version returns the version and the git commit of the application that tower build has
// written into the program; both are "" in others.
func Version() (text, hash string) { return version, commit }

// announce prints where the application is served.
func (a *App) announce(url string) {
	stated := ""
	if version != "" {
		stated = ", version " + version
	}
	fmt.Fprintf(os.Stderr, "%s on %s%s\n", a.Env(), url, stated)
}

// front returns where the application is reached.
func (a *App) front() front.Options {
	config := a.app.Config()
	vars := config.Environ
	return front.Options{Addr: vars.Get("TOWER_ADDR"), Handed: vars.Get("TOWER_RELEASES") == release.Child, HTTPAddr: vars.Get("TOWER_HTTP_ADDR"), Domains: config.Domains, Log: a.Log(),
		Certificates: vars.Or("TOWER_CERTIFICATES", filepath.Join(filepath.Dir(config.Data), "certificates")), Directory: vars.Get("TOWER_ACME"), Email: vars.Get("TOWER_ACME_EMAIL")}
}

// Env returns "development", "test" or "production".
func (a *App) Env() string { return a.app.Env() }

// EndSessions ends the sessions of a user on all devices, as after a change of the
// password: cookies that the user has are nobody's from now on, also after a restart, and
// the user's connections end at once. It returns when that is done. Signing in afterwards
// works as before.
func (a *App) EndSessions(user ID) error { return a.app.EndSessions(user) }

// SignedURL returns a path at which anybody who has it can download a file until a time, without a session
// and without the rule of the record: of a field that is private, too. path is the URL of a
// [File], or of a [File.Variant]. What is returned is good for that alone, and only while the record
// has that very file. A new TOWER_SECRET ends it. Logs do not have it.
//
//	link, err := app.SignedURL(invoice.Paper.URL, time.Now().Add(24*time.Hour))
//
// The error says that path is not that of a file, or that the time is over.
func (a *App) SignedURL(path string, until time.Time) (string, error) {
	return a.app.SignedURL(path, until)
}

// Cookie starts a session of the user id, and returns the cookie that makes a client that
// user, for tests and for programs that act as a user. The application must be open.
func (a *App) Cookie(id ID) (*http.Cookie, error) { return a.app.Cookie(id) }

// serveJobs runs the application's jobs until a signal ends it.
func serveJobs(config Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app, err := New(config)
	if err != nil {
		return err
	}
	if config.Log == nil {
		slog.SetDefault(app.Log())
	}
	return app.Work(ctx)
}
