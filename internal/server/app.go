package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/mail"
	"github.com/towerkit/tower/internal/mail/mailbox"
	"github.com/towerkit/tower/internal/migrate"
	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/reactions"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/audit"
	"github.com/towerkit/tower/internal/server/budget"
	"github.com/towerkit/tower/internal/server/chain"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/guess"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/metrics"
	"github.com/towerkit/tower/internal/server/read"
	"github.com/towerkit/tower/internal/server/requestid"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/server/slow"
	"github.com/towerkit/tower/internal/server/tracing"
	"github.com/towerkit/tower/internal/server/transport"
	"github.com/towerkit/tower/internal/server/view"
	"github.com/towerkit/tower/internal/server/workers"
	"github.com/towerkit/tower/internal/settings"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// Config describes an application and how it runs. The zero value of a limit means its
// default.
type Config struct {
	Name    string
	Env     string   // "development", "test" or "production"
	Folder  string   // the application's folder, which locates its control socket
	Data    string   // path of the store
	Version string   // of the application, for people; "": not known
	Build   string   // identifies the code: clients of another build load everything again
	Domains []string // for which the application obtains certificates
	URL     string   // the address for people, shown in the console; "": where it listens

	// OpenLog opens the log that the nodes of the application share; nil: it runs on one.
	OpenLog func(context.Context, *slog.Logger) (driver.Log, error)
	LogWait time.Duration // how long a commit waits for a log that cannot be reached
	// MigrateLog plans what the tables of that log need, and does it if run is set.
	MigrateLog func(ctx context.Context, models []*record.Model, run bool, say func(driver.Statement)) (driver.Plan, error)
	// ExamineLog looks for what is wrong or dangerous where that log is.
	ExamineLog func(ctx context.Context, models []*record.Model) []wire.Finding

	Models         []*record.Model
	Migrations     []migrate.Migration
	MigrateAtStart bool // in production too

	Jobs      *jobs.Config      // workers; nil: the application has no jobs
	Reactions *reactions.Config // nil: there are none

	Mail    mail.Settings    // how mail is sent, if the program does
	Mailbox *mailbox.Mailbox // shows what would have been sent; nil: nobody sees it

	Seed func(ctx context.Context) error // creates the application's first records; nil: there are none

	Rules   map[*record.Model]route.Rule
	Can     map[*record.Model]route.Permit
	Funcs   map[string]any       // functions of the application's templates
	Locale  string               // of pages; "": en
	Zone    *time.Location       // of times in pages and forms; nil: the browser's
	View    func(*view.Page) any // makes what a page's template sees as "."; nil: the view itself
	Router  *route.Router
	Mount   map[string]http.Handler         // handlers without a controller, by path; a path that ends in "/" is a subtree
	Site    *edge.Site                      // under which addresses it is served
	Wrap    func(http.Handler) http.Handler // middleware of the application; nil: none
	Keep    []string                        // names of headers that connections keep
	Quiet   bool                            // write no line for each request
	Start   func(context.Context) error     // runs while the application is open; nil: none
	SignIn  string                          // path of the page where one signs in; "": none
	Files   fs.FS                           // contains views/ and public/
	Reload  bool                            // read views again if they change
	Secret  session.Keys                    // of cookies
	Session session.Options                 // its table and ages
	OpenAPI bool                            // serve a description of the routes
	Policy  string                          // Content-Security-Policy, see chain.Config; "": allow only this origin
	Log     *slog.Logger

	Audit time.Duration // between two audits of a client; 0: none
	Slow  time.Duration // what takes longer is logged; 0: nothing

	Tracer tracing.Tracer // nil: none

	Uploads *files.Config // where files are kept; nil: no model has any

	Archive    archive.Place // to which the store is archived; nil: none
	ArchiveFor time.Duration // how far back the archive reaches

	Environ  *environ.Environment
	Settings []settings.Setting // what the application's own settings are
	Console  bool               // consoles can attach
	ForNodes bool               // only those of other nodes
	Address  string             // where other nodes reach this one, see nodes.Options

	MetricsToken string // with which the metrics and the reasons of the health are read; "": nobody reads them

	Limits limit.Limits // each is set
}

func (c *Config) setDefaults() {
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// An App is a running application. Its methods are safe for concurrent use.
type App struct {
	config     Config
	router     *route.Router
	views      *view.Templates
	assets     *view.Assets
	log        *slog.Logger
	access     *chain.AccessLog // nil: none
	inspector  *inspector
	attempts   attempts
	guesses    *guess.Limiter
	answers    answerCache
	rates      *limit.Rates
	clients    *budget.Clients
	meter      *metrics.Meter // nil: nobody reads it
	slow       *slow.Log      // nil: nothing is timed
	traces     tracing.Recorder
	private    *record.Search // for records in answers
	migrations int            // that the store has been through

	ctx       context.Context // ends when the application closes
	cancel    context.CancelFunc
	store     *store.Store
	shared    driver.Log // the log of the store; nil: it has its own
	engine    *cursor.Engine
	hub       *hub
	sessions  *session.Sessions
	sockets   *transport.Sockets
	links     *transport.Links
	reads     *read.Server
	workers   *workers.Group
	archiver  *archive.Archiver // nil: none
	jobs      *jobs.Engine      // nil: the application has no jobs
	reactions *reactions.Engine // nil: the application has none
	auditor   *audit.Auditor    // nil: none
	files     *files.Files      // nil: no model has any
	nodes     *nodes.Group      // nil: the application has one node
	pace      Pace              // the zero Pace outside of tests
	consoles  io.Closer         // serves consoles; nil: none
	probes    map[string]http.Handler
	unready   atomic.Pointer[string] // see setUnready
	approved  chan struct{}          // migrations have been approved, and the supervisor has not been told
	running   sync.WaitGroup
	handles   handles
}

// New returns an application after checking its routes, models and views. It does no I/O
// other than reading views and the manifest of assets.
func New(config Config) (*App, error) {
	config.setDefaults()
	a := &App{config: config, router: config.Router, inspector: newInspector(), guesses: guess.New(), rates: limit.NewRates(), attempts: attempts{running: map[string]chan struct{}{}}, approved: make(chan struct{}, 1), handles: newHandles()}
	a.clients = budget.New(config.Limits.MaxReading, config.Limits.MaxOutflow, config.Limits.MaxClients)
	a.log = newTap(config.Log, a.inspector)
	if !config.Quiet {
		a.access = chain.NewAccessLog(a.log)
	}
	a.private = record.NewSearch(config.Models)
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.workers = workers.New()
	if config.MetricsToken != "" {
		a.meter = metrics.New(slow.Kinds)
	}
	a.traces.Tracer = config.Tracer
	a.slow = slow.New(config.Slow, a.log, a.meter.Slow)
	a.probes = a.newProbes()
	a.setUnready("it is starting")
	for path := range config.Mount {
		a.router.MountHandler(path)
	}
	if err := a.router.Check(); err != nil {
		return nil, err
	}
	if err := a.checkSignIn(); err != nil {
		return nil, err
	}
	if err := checkModels(config.Models); err != nil {
		return nil, err
	}
	if err := migrate.Check(config.Migrations); err != nil {
		return nil, err
	}
	if err := errors.Join(a.router.CheckRules(config.Models), a.router.CheckGrants(config.Models)); err != nil {
		return nil, err
	}
	for _, rt := range a.router.Routes {
		if err := checkOutput(rt, config.Models); err != nil {
			return nil, err
		}
	}
	if err := a.checkFiles(); err != nil {
		return nil, err
	}
	if config.Uploads != nil {
		a.files = files.New(*config.Uploads, a.log)
	}
	for _, rt := range a.router.Routes {
		if rt.Inputs != nil {
			rt.Inputs.Zone = config.Zone
		}
	}
	var err error
	if a.assets, err = view.NewAssets(config.Env, config.Folder, config.Files); err != nil {
		return nil, err
	}
	if a.views, err = view.New(view.Config{Files: config.Files, Reload: config.Reload, Data: config.View, Funcs: config.Funcs, Locale: config.Locale, Zone: config.Zone}, a.router); err != nil {
		return nil, err
	}
	return a, nil
}

// Opening returns how the application opens its store.
func (a *App) Opening(say func(string)) *migrate.Opening {
	return &migrate.Opening{Models: a.config.Models, Migrations: a.config.Migrations, Run: a.config.Env == "test" || a.config.MigrateAtStart,
		Strict: a.config.Env == "production", Say: say, Shared: a.config.OpenLog != nil}
}

// Approve notes what the build that starts next may do, and tells a supervisor that it may
// start.
func (a *App) Approve(approval store.Approval) error {
	if err := a.store.Approve(approval); err != nil {
		return err
	}
	select {
	case a.approved <- struct{}{}:
	default: // the supervisor has not been told of the last one yet
	}
	return nil
}

// Open opens the store, which may have to go through migrations first, until ctx ends, and
// starts to match commits. Call Close to end both.
func (a *App) Open(ctx context.Context) error {
	return a.open(ctx, a.logging())
}

// A listener receives what opening an application says.
type listener struct {
	progress func(string)        // while records are migrated
	note     func(*migrate.Note) // how the models have changed
}

// logging returns a listener that writes to the log.
func (a *App) logging() listener {
	return listener{func(progress string) { a.log.Info(progress) }, func(n *migrate.Note) {
		for _, line := range n.Lines {
			a.log.Info(line)
		}
		if n.Hint != "" {
			a.log.Info(n.Hint)
		}
	}}
}

func (a *App) open(ctx context.Context, to listener) (err error) {
	opening := a.Opening(func(progress string) {
		a.setUnready("it is starting: " + progress)
		to.progress(progress)
	})
	options := opening.Options(ctx)
	options.Now, options.LogAge, options.Held = a.pace.Now, a.pace.LogAge, a.config.Reactions != nil
	options.LogWait, options.Say, options.Follows = cmp.Or(a.pace.LogWait, a.config.LogWait), opening.Say, a.logFollows
	if a.config.OpenLog != nil {
		if a.shared, err = a.config.OpenLog(ctx, a.log); err != nil {
			return err
		}
		options.Log = a.shared
		defer func() {
			if err != nil {
				a.shared.Close()
			}
		}()
	}
	if a.files != nil {
		options.Attach = a.files.Attach
	}
	if a.store, err = store.Open(a.config.Data, options); err != nil {
		return err
	}
	if a.files != nil {
		a.files.Use(a.store)
		if a.config.Uploads.Local {
			a.log.Warn("files are kept in a folder of this node, which other nodes do not have; set TOWER_FILES to a folder that they share, or a bucket", "folder", a.files.Place())
		}
	}
	for _, survey := range a.store.Surveys() {
		a.log.Warn(survey.String() + "; lists leave out what does not fit, and an update that sets the fields mends it")
	}
	if note := opening.Note(); note != nil {
		to.note(note)
	}
	remembered, err := a.store.Remembered()
	if err != nil {
		return errors.Join(err, a.store.Close())
	}
	a.migrations = len(remembered.Done)
	secrets, err := a.secrets(ctx)
	if err != nil {
		return errors.Join(err, a.store.Close())
	}
	config := a.config.Session
	config.Secrets, config.Now = secrets, a.pace.Now
	a.sessions = session.New(a.store, config)
	if err := a.joinNodes(ctx, options.Log, secrets); err != nil {
		return errors.Join(err, a.store.Close())
	}
	a.hub = newHub(a)
	a.engine = cursor.NewEngine(a.store, a.hub, func(err error) { a.log.Error("cursors", "error", err) })
	a.engine.Bound(holdings{limit.NewQueries(&a.config.Limits), a.clients})
	a.inspector.measure = a.engine.Measure
	limits := transport.Limits{MaxFrame: a.config.Limits.MaxFrame, Pace: a.config.Limits.Pace(), Log: a.log}
	a.sockets, a.links = transport.NewSockets(a, limits), transport.NewLinks(a, limits)
	a.reads = read.New(a)
	a.config.Mailbox.Open(a.store, a.Fail)
	a.running.Go(a.runHandles)
	a.running.Go(func() {
		if err := a.engine.Run(a.ctx); err != nil && a.ctx.Err() == nil {
			a.log.Error("cursors stopped", "error", err)
		}
	})
	a.running.Go(func() {
		a.sessions.Run(a.ctx, a.hub.sessions, func(err error) { a.log.Warn("sessions", "error", err) })
	})
	if a.nodes != nil {
		a.running.Go(func() { a.nodes.Run(a.ctx) })
	}
	if a.slow != nil {
		a.running.Go(func() { a.slow.Run(a.ctx) })
	}
	if a.config.Archive != nil {
		a.archiver = archive.New(a.store, a.config.Archive, archive.Options{App: a.config.Name, Keep: a.config.ArchiveFor, Folder: filepath.Dir(a.config.Data), Log: a.log,
			Now: a.pace.Now, Interval: a.pace.Archive, Mine: a.isFirst})
		a.running.Go(func() { a.archiver.Run(a.ctx) })
	}
	if a.config.Jobs != nil {
		config := *a.config.Jobs
		config.Log, config.Trace, config.Ended = a.log, a.traceJob, a.meter.Job
		if a.config.Env == "production" {
			config.Grace = jobsGrace
		}
		a.jobs = jobs.New(a.store, config)
		if err := a.jobs.Start(ctx); err != nil {
			return errors.Join(err, a.Close())
		}
	}
	if a.config.Reactions != nil {
		config := *a.config.Reactions
		config.Log, config.Context = a.log, a.within
		a.reactions = reactions.New(a.store, config)
		if err := a.reactions.Start(ctx); err != nil {
			return errors.Join(err, a.Close())
		}
	}
	if a.files != nil && a.config.Archive != nil {
		a.running.Go(func() { a.files.Copy(a.ctx) })
	}
	if a.config.Audit > 0 {
		a.auditor = audit.New(audit.Options{Every: a.config.Audit, Folder: filepath.Join(filepath.Dir(a.config.Data), "divergences"), Build: a.config.Build, Store: a.store, Log: a.log})
		a.running.Go(func() { a.auditor.Run(a.ctx) })
	}
	if a.config.Start != nil {
		a.Go("Config.Start", a.config.Start)
	}
	a.setUnready("")
	return nil
}

// secrets returns the keys of cookies. Nodes without keys of their own share those of the first.
func (a *App) secrets(ctx context.Context) ([]string, error) {
	secrets, err := a.config.Secret.Read()
	if err == nil && len(a.config.Secret.Secrets) == 0 {
		secrets[0], err = a.store.Secret(ctx, "cookies", secrets[0])
	}
	return secrets, err
}

// Go runs work until it returns, with a context that ends when the application closes, and
// with name as the author of its commits. If it fails, so does the application.
func (a *App) Go(name string, work func(context.Context) error) {
	a.workers.Go(name, func(ctx context.Context) error { return work(WithAuthor(ctx, name)) })
}

// Close ends the workers, and every connection with the advice to connect again, waits
// until they have ended, and closes the store. Shut down the HTTP server first: it waits
// for requests. The error is that of a worker, or of the store.
func (a *App) Close() error {
	a.setUnready(closing)
	var ending sync.WaitGroup
	ending.Go(a.jobs.Close)
	ending.Go(a.reactions.Close)
	stopped := a.workers.Stop(drain)
	ending.Wait()
	if a.consoles != nil {
		_ = a.consoles.Close() // its listener may be closed already
	}
	if a.sockets != nil {
		a.sockets.Close()
		a.links.Close()
		a.reads.Close()
		a.config.Mailbox.Close()
	}
	a.cancel()
	if a.nodes != nil {
		a.nodes.Close()
	}
	a.running.Wait()
	if a.sockets != nil {
		a.sockets.Wait()
		a.links.Wait()
	}
	a.inspector.close()
	if a.store == nil {
		return stopped
	}
	stopped = errors.Join(stopped, a.store.Close())
	if a.shared != nil {
		a.shared.Close()
	}
	return stopped
}

// Files returns the files of the application, nil if no model has any.
func (a *App) Files() *files.Files { return a.files }

// Jobs returns the engine of the application's jobs, nil if it has none.
func (a *App) Jobs() *jobs.Engine { return a.jobs }

// Reactions returns the engine of the application's reactions, nil if it has none.
func (a *App) Reactions() *reactions.Engine { return a.reactions }

// Compare compares the database that nodes share with the store. It returns nil if there is none.
func (a *App) Compare(ctx context.Context) (*driver.Comparison, error) {
	shared, is := a.shared.(driver.Database)
	if !is {
		return nil, nil
	}
	return shared.Compare(ctx, a.store)
}

// Archive returns what copies the store to its archive, nil if there is none.
func (a *App) Archive() *archive.Archiver { return a.archiver }

// Archived returns how far the archive of the store has come, false if there is none, or if
// another node archives.
func (a *App) Archived() (archive.Status, bool) {
	if a.archiver == nil {
		return archive.Status{}, false
	}
	status := a.archiver.Status()
	return status, !status.Elsewhere
}

// isFirst reports whether this is the node with the smallest number. It does what is done
// once for all nodes.
func (a *App) isFirst() bool {
	if a.nodes == nil {
		return true
	}
	others, _ := a.nodes.Others()
	return len(others) == 0 || a.nodes.Self().Number < others[0].Number
}

// Audits returns what has happened to the checksums that clients sent of what they hold.
func (a *App) Audits() audit.Counts {
	if a.auditor == nil {
		return audit.Counts{}
	}
	return a.auditor.Counts()
}

// Wait returns when every commit up to seq has been sent to the connections it touches,
// or with an error when ctx ends.
func (a *App) Wait(ctx context.Context, seq uint64) error { return a.engine.Wait(ctx, seq) }

// Seq returns the number of the newest commit.
func (a *App) Seq() uint64 { return a.store.Seq() }

// Log returns the application's log. Consoles that watch see what is written to it.
func (a *App) Log() *slog.Logger { return a.log }

// Env returns the environment that the application runs in.
func (a *App) Env() string { return a.config.Env }

// Cookie returns a cookie that signs a client in as the user id, for tests and for
// programs that act as a user.
func (a *App) Cookie(id record.ID) (*http.Cookie, error) {
	started, err := a.sessions.Start(a.ctx, "app", session.Start{User: id}, session.Session{}, nil)
	if err != nil {
		return nil, err
	}
	return a.sessions.Cookie(started, a.config.Site.HTTPS())
}

// Report logs err, with what as the message, if it is an internal error, and returns what the
// client sees of it: that of an internal error names the request of ctx. Errors that a client
// caused are not logged.
func (a *App) Report(ctx context.Context, what string, err error) *fault.Error {
	coded := fault.As(err)
	a.countLimit(coded)
	if coded.Code != fault.Internal {
		return coded
	}
	a.log.ErrorContext(ctx, what, "error", err)
	seen := *coded
	seen.Request = requestid.Of(ctx)
	return &seen
}

// checkModels returns an error for a duplicate or reserved name, or a reference to an
// unknown model.
func checkModels(models []*record.Model) error {
	names := map[string]bool{}
	for _, m := range models {
		if names[m.Name] {
			return fmt.Errorf("model %q is declared twice", m.Name)
		}
		if wire.Reserved[m.Name] {
			return fmt.Errorf("model %q: the name is reserved; choose another", m.Name)
		}
		names[m.Name] = true
	}
	for _, m := range models {
		for _, f := range m.Fields {
			if f.Ref != "" && !names[f.Ref] {
				return fmt.Errorf("model %q: field %s refers to %q, which is not a model of this application", m.Name, f.GoName, f.Ref)
			}
		}
	}
	return nil
}

// checkOutput returns an error for an action whose output would expose private fields.
func checkOutput(rt *route.Route, models []*record.Model) error {
	if rt.Kind != route.KindAction || rt.Out == nil {
		return nil
	}
	for _, m := range models {
		if m.HasPrivate() && m.Holds(rt.Out) && !m.Is(rt.Out) {
			return fmt.Errorf("%s: its output %s holds a %s, which has private fields; return only the fields that clients may see", rt.Pattern(), rt.Out, m.Type)
		}
	}
	return nil
}
