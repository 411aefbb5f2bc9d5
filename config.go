package tower

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/database"
	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/public"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/form"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/settings"
	"github.com/towerkit/tower/internal/wire"
)

// Config describes an application. The environment, which [Main] lists, supplies how
// it runs; a field that is set takes precedence.
type Config struct {
	// Name of the application, for the console. Default: the name of its module.
	Name string
	// Models lists the models that the store keeps.
	Models []AnyModel
	// Migrations lists the migrations of stored records, in the order in which they run. The
	// application does not open a store that has not been through them, unless tower db
	// migrate has been told to run them. In test they always run.
	Migrations []Migration
	// MigrateAtStart runs pending migrations whenever the application starts, before it serves
	// a request. Default: only after tower db migrate.
	MigrateAtStart bool
	// Routes is the application's router.
	Routes Routes
	// Files holds the folders views and public, usually embedded. In development they
	// are read from the folder of the application instead, so that changes show at
	// once.
	Files fs.FS
	// Funcs are functions of the application's own for its views, by their names: a function
	// returns one value, or a value and an error, which fails the page. They may be called
	// concurrently, and cannot replace those of tower or html/template.
	Funcs map[string]any
	// SignIn is the path of the page where one signs in: "/session/new". A browser whose
	// request is answered with [Unauthenticated] goes there, and after signing in back to the
	// page that it asked for, or whose form it sent: see the guide on permissions. Default:
	// the error is shown.
	SignIn string

	// SessionIdle is after how long a session ends that is not used. Default: 30 days.
	// SessionAge is after how long each session ends. Default: 180 days.
	SessionIdle, SessionAge time.Duration
	// TimeZone is the IANA name of the zone in which pages show times and read those that
	// forms send: "Europe/Berlin". Default: that of each browser, and UTC where the browser's
	// library does not run.
	TimeZone string
	// Locale is the BCP 47 tag of the language in which pages write numbers and times:
	// "de-CH". Default: "en".
	Locale string
	// ContentSecurityPolicy is sent with every answer. "{nonce}" stands for the nonce of a
	// page that uses [View.Nonce], and for nothing in other answers. Default: everything from
	// this origin only, and scripts and styles with a nonce.
	ContentSecurityPolicy string
	// PublicURL is where people reach the application: "https://example.com". Cookies,
	// redirects and the check of a request's origin follow from it. Default: TOWER_URL, or
	// else not known.
	PublicURL string
	// Hosts lists further hosts that the application is served as: "example.org",
	// "example.org:8443", "*.example.org", or "*" for all. TOWER_HOSTS adds to them. Requests
	// for other hosts are refused. The host of PublicURL is always served. In development
	// and test, and in production while no host is known, so are localhost, names below it and
	// IP addresses.
	Hosts []string
	// TrustedProxies lists the addresses of proxies, as "10.0.0.0/8" or "192.0.2.1", whose
	// headers X-Forwarded-For, -Proto and -Host, or Forwarded, are believed.
	// TOWER_TRUSTED_PROXIES adds to them. Default: none.
	TrustedProxies []string
	// KeepHeaders names the headers of requests that [RequestInfo.Header] returns. Default:
	// none.
	KeepHeaders []string
	// Wrap adds middleware of the application: it returns a handler that calls the given one.
	// Requests reach it after the checks of their host and their origin, and before their
	// route; sockets and event streams too. Default: none.
	Wrap func(http.Handler) http.Handler
	// Quiet writes no line to the log for each request and call. Default: the opposite of
	// TOWER_ACCESS_LOG.
	Quiet bool
	// Mount holds whole handlers by path: those of a library, of a GraphQL server or of
	// net/http/pprof. A path that ends in "/" is a whole subtree. tower does not strip the
	// path, asks no rule and makes no connection; it recovers panics, refuses requests of
	// other sites, and adds its security headers. A route within a mounted path is a
	// mistake. The handler at "/" gets what no route answers, before the files in public.
	// Where users must be checked, call the handler from a method: see [Handle].
	Mount map[string]http.Handler
	// Settings points to a struct of the application's own, whose fields New fills from the
	// environment: env names the variable of a field, envDefault its default, and secret
	// marks a field that is never printed. Outside of production, the files .env.ENV and
	// .env of the application's folder give the variables that the environment does not.
	//
	//	var settings struct {
	//		StripeKey tower.Secret  `env:"STRIPE_KEY,required"`
	//		PageSize  int           `env:"PAGE_SIZE" envDefault:"20" validate:"min=1,max=100"`
	//		Retry     time.Duration `env:"RETRY" envDefault:"30s"`
	//	}
	//
	// The validate tags, and a method Validate(*tower.Problems), are checked as those of a
	// record. New reports all problems in one error, which holds no secret. A []any holds pointers
	// to several structs, such as those of generated code.
	Settings any
	// Start runs beside the application from its opening on: it is the place for workers, for
	// consumers of a queue, and for what must be read once. ctx ends when the application
	// closes, which waits for Start to return, at most five seconds; until then Start can
	// read and write. An error or a panic ends the application, and is its reason. It may
	// return nil at any time. The application serves requests meanwhile. See [App.Go].
	//
	// When tower server replaces a build, the Start of the old one has returned before that
	// of the new one begins.
	Start func(ctx context.Context, app *App) error
	// Jobs lists the work of the application's workers: see [Job.Do]. With any, the model
	// [Jobs] is one of the application's.
	Jobs []Work
	// Schedules lists when jobs are enqueued by the clock: see [Every].
	Schedules []Schedule
	// Queues bounds how many jobs of a queue run at once in one process, by its name. Default:
	// as many as TOWER_WORKERS.
	Queues map[string]int
	// Reactions lists what runs when records enter, change in or leave queries: see [On]. With
	// any, the models [Reactions] and [WaitingReactions] are among the application's.
	Reactions []Reaction
	// Webhooks lists the requests that are sent when records enter, change in or leave queries:
	// see [NewWebhook]. With any, the models [Deliveries] and [Jobs] are among the application's, and those
	// of reactions.
	Webhooks []Webhook
	// Seed creates the records that the application begins with, or needs for development. tower
	// db seed has the running application call it, as often as it is given: Seed should create
	// only what does not exist. Its commits have the author "seed". Default: none.
	Seed func(ctx context.Context, app *App) error
	// OpenAPI serves a description of the actions, cursors and handlers at
	// /_tower/openapi.json, for anybody. Default: not served; tower generate openapi writes it.
	OpenAPI bool
	// OpenPlace opens the place that TOWER_BACKUP or TOWER_FILES names as a URL, such as s3.Open
	// of package s3. Default: they are folders.
	OpenPlace func(address string) (Place, error)
	// Limits bounds what clients may make an application hold and do. A limit of zero is its
	// default. A limit cannot be switched off: set a large one.
	Limits Limits

	// Env is "development", "test" or "production". Default: TOWER_ENV.
	Env string
	// Data is the path of the store, or the address of the database that the nodes of the
	// application share. Default: TOWER_DB.
	Data string
	// Tracer records traces, from requests to the clients that have applied what they changed:
	// otel.New of package otel. Default: none.
	Tracer Tracer
	// Log receives what the application logs. Default: standard error, as text, in
	// production as JSON. [Main] then makes it slog's default too, so that the console
	// shows what the application logs there.
	Log *slog.Logger
}

func (c Config) resolve() (out server.Config, err error) {
	out = server.Config{Name: c.Name, Env: c.Env, Data: c.Data, Files: c.Files, Log: c.Log,
		Policy: c.ContentSecurityPolicy, Mount: c.Mount, Wrap: c.Wrap, Keep: c.KeepHeaders, SignIn: c.SignIn, OpenAPI: c.OpenAPI, Build: build(), View: newView, Funcs: c.Funcs, Rules: map[*record.Model]route.Rule{}, Can: map[*record.Model]route.Permit{}}
	if out.Limits, err = limit.Limits(c.Limits).WithDefaults(); err != nil {
		return out, err
	}
	out.Locale = c.Locale
	if c.TimeZone != "" {
		zone, found := form.LoadZone(c.TimeZone)
		if !found {
			return out, fmt.Errorf("Config.TimeZone: there is no time zone %q; it has an IANA name, as Europe/Berlin", c.TimeZone)
		}
		out.Zone = zone
	}
	if c.Tracer != nil {
		out.Tracer = tracer{c.Tracer}
	}
	if c.Routes == nil {
		return out, errors.New("the application has no routes; set Config.Routes")
	}
	out.Router = c.Routes.erased()
	for _, m := range c.Models {
		out.Models = append(out.Models, m.erased())
		out.Rules[m.erased()], out.Can[m.erased()] = m.rule, m.permit
	}
	if out.Session, err = c.sessions(&out); err != nil {
		return out, err
	}
	if c.hasFiles() {
		addOwn(&out, storedFiles)
		out.Uploads = &files.Config{Table: fileTable, Enqueue: enqueueVariants}
	}
	if err = c.checkVariants(); err != nil {
		return out, err
	}
	if out.Jobs, err = c.work().workers(&out); err != nil {
		return out, err
	}
	if out.Reactions, err = c.reactions(&out); err != nil {
		return out, err
	}
	out.Migrations, out.MigrateAtStart = erasedMigrations(c.Migrations), c.MigrateAtStart
	out.Name = c.name()
	err = c.readEnvironment(&out)
	if out.Log == nil {
		out.Log = logger(out.Env)
	}
	return out, err
}

// name returns the name of the application.
func (c Config) name() string {
	if info, ok := debug.ReadBuildInfo(); c.Name == "" && ok {
		return filepath.Base(info.Main.Path)
	}
	return c.Name
}

// readEnvironment completes the configuration with the environment, and fills the
// application's settings. The error lists everything that is wrong.
func (c Config) readEnvironment(out *server.Config) (err error) {
	out.Env = cmp.Or(out.Env, os.Getenv("TOWER_ENV"), "development")
	if out.Env != "development" && out.Env != "test" && out.Env != "production" {
		return fmt.Errorf("TOWER_ENV is %q; it is one of development, test and production", out.Env)
	}
	if out.Folder, err = filepath.Abs(cmp.Or(os.Getenv("TOWER_FOLDER"), ".")); err != nil {
		return err
	}
	if out.Environ, err = environ.Read(out.Folder, out.Env); err != nil {
		return err
	}
	var problems []string
	add := func(err error) {
		if err != nil {
			problems = append(problems, strings.Split(err.Error(), "\n")...)
		}
	}
	vars := out.Environ
	out.Data = cmp.Or(out.Data, vars.Or("TOWER_DB", filepath.Join(out.Folder, "db", out.Env+".db")))
	add(shareDatabase(out))
	out.Secret, err = secrets(vars.Get("TOWER_SECRET"), out.Env, out.Folder, out.Data)
	add(err)
	out.Domains = edge.Members(strings.ToLower(vars.Get("TOWER_DOMAIN")))
	add(checkDomains(out))
	out.URL = cmp.Or(c.PublicURL, vars.Get("TOWER_URL"))
	if len(out.Domains) > 0 {
		out.URL = cmp.Or(out.URL, "https://"+out.Domains[0])
	}
	add(c.archived(out))
	add(c.uploads(out, database.Is(vars.Get("TOWER_DB")) || database.Is(c.Data)))
	out.Address = vars.Get("TOWER_NODE_ADDRESS")
	out.Version = version
	out.MetricsToken, err = metricsToken(vars)
	add(err)
	out.Audit, err = audited(vars.Get("TOWER_AUDIT"), out.Env)
	add(err)
	out.Slow, err = slowFrom(vars.Get("TOWER_SLOW"), out.Env)
	add(err)
	out.Site, err = c.site(out)
	add(err)
	workers, err := workersFrom(vars.Get("TOWER_WORKERS"), out.Env)
	add(err)
	if out.Jobs != nil {
		out.Jobs.Workers = workers
	}
	if out.Reactions != nil {
		out.Reactions.Run = workers > 0
	}
	_, err = allowed(vars)
	add(err)
	add(readMail(out, vars))
	accessLog, err := onOrOff(vars, "TOWER_ACCESS_LOG", out.Env != "test")
	add(err)
	out.Quiet = c.Quiet || !accessLog
	if vars.Get("TOWER_CONSOLE") == "nodes" {
		out.Console, out.ForNodes = true, true
	} else {
		out.Console, err = onOrOff(vars, "TOWER_CONSOLE", out.Env != "production")
		add(err)
	}
	out.URL = cmp.Or(out.URL, vars.Get("TOWER_SERVER_URL"))
	if info, err := os.Stat(filepath.Join(out.Folder, "views")); out.Env == "development" && err == nil && info.IsDir() {
		out.Files, out.Reload = public.Dir(out.Folder), true
	}
	out.Settings = settings.Own(vars, out.Env, map[string]string{"TOWER_ENV": c.Env, "TOWER_DB": c.Data, "TOWER_URL": c.PublicURL})
	targets, several := c.Settings.([]any)
	if c.Settings != nil && !several {
		targets = []any{c.Settings}
	}
	for _, target := range targets {
		filled, err := settings.Fill(target, vars)
		add(err)
		out.Settings = append(out.Settings, filled...)
	}
	if len(problems) > 0 {
		return fmt.Errorf("settings: %s", strings.Join(problems, "\n          "))
	}
	return nil
}

// shareDatabase has the store share the log in a database, if its path is the address of one.
func shareDatabase(out *server.Config) error {
	if !database.Is(out.Data) {
		return nil
	}
	o := driver.Options{Address: out.Data, Listen: out.Environ.Get("TOWER_DB_LISTEN"), Migrate: out.Env != "production"}
	out.Data = out.Environ.Or("TOWER_REPLICA", filepath.Join(out.Folder, "db", out.Env+".replica.db"))
	out.MigrateLog = func(ctx context.Context, models []*record.Model, run bool, say func(driver.Statement)) (driver.Plan, error) {
		plan, err := driver.Migrate(ctx, o, models, run, say)
		if err != nil {
			err = fmt.Errorf("TOWER_DB: %w", err)
		}
		return plan, err
	}
	out.ExamineLog = func(ctx context.Context, models []*record.Model) []wire.Finding {
		return driver.Examine(ctx, o, models)
	}
	out.OpenLog = func(ctx context.Context, log *slog.Logger) (driver.Log, error) {
		o.Log = log
		opened, err := driver.Open(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("TOWER_DB: %w", err)
		}
		return opened, nil
	}
	if text := out.Environ.Get("TOWER_DB_WAIT"); text != "" {
		var err error
		if out.LogWait, err = time.ParseDuration(text); err != nil || out.LogWait < time.Millisecond {
			return fmt.Errorf("TOWER_DB_WAIT is %q; it is a time like 5s, of at least 1ms", text)
		}
	}
	return driver.Check()
}

// checkDomains returns an error if certificates cannot be obtained for the domains.
func checkDomains(out *server.Config) error {
	if len(out.Domains) > 0 && out.Env != "production" {
		return fmt.Errorf("TOWER_DOMAIN obtains certificates in production only; this is %s", out.Env)
	}
	for _, domain := range out.Domains {
		if ascii, err := idna.Lookup.ToASCII(domain); err != nil || ascii != domain || !strings.Contains(domain, ".") || net.ParseIP(domain) != nil {
			return fmt.Errorf("TOWER_DOMAIN has %q; write a domain like example.com, and names of other scripts as xn--…", domain)
		}
	}
	return nil
}

// archived sets the archive of the store.
func (c Config) archived(out *server.Config) (err error) {
	if out.Archive, err = c.openPlace(out.Environ.Get("TOWER_BACKUP"), out.Folder); err != nil {
		return fmt.Errorf("TOWER_BACKUP: %w", err)
	}
	if out.ArchiveFor, err = archive.ParseAge(out.Environ.Or("TOWER_BACKUP_KEEP", "7d")); err != nil {
		return fmt.Errorf("TOWER_BACKUP_KEEP: %w", err)
	}
	return nil
}

// hasFiles reports whether a model has a field that is a file.
func (c Config) hasFiles() bool {
	return slices.ContainsFunc(c.Models, func(m AnyModel) bool { return len(m.erased().FileFields()) > 0 })
}

// uploads sets where files are kept: TOWER_FILES, or a folder beside the store.
func (c Config) uploads(out *server.Config, shared bool) (err error) {
	if out.Uploads == nil {
		return nil
	}
	if out.Archive != nil {
		out.Uploads.Keep, out.Uploads.Copies = out.ArchiveFor, out.Archive
	}
	address := out.Environ.Get("TOWER_FILES")
	if address == "" {
		out.Uploads.Local = shared
		address = archive.FilesFolder(out.Data)
	}
	if out.Uploads.Place, err = c.openPlace(address, out.Folder); err != nil {
		return fmt.Errorf("TOWER_FILES: %w", err)
	}
	return nil
}

// openPlace opens the place that an address names, nil for "".
func (c Config) openPlace(address, folder string) (Place, error) {
	if c.OpenPlace != nil && strings.Contains(address, "://") {
		return c.OpenPlace(address)
	}
	return archive.Open(address, folder)
}

// metricsToken returns the token that those who watch over the application bring.
func metricsToken(vars *environ.Environment) (string, error) {
	const least = 32
	token := vars.Get("TOWER_METRICS_TOKEN")
	if token != "" && len(token) < least {
		return "", fmt.Errorf("TOWER_METRICS_TOKEN has %d characters; at least %d are needed; make one with: openssl rand -hex 32", len(token), least)
	}
	return token, nil
}

// audited returns the time between two audits of a client, 0 for none.
func audited(text, env string) (time.Duration, error) {
	switch {
	case text == "off" || text == "" && env != "production":
		return 0, nil
	case text == "":
		return 5 * time.Minute, nil
	}
	every, err := time.ParseDuration(text)
	if err != nil || every <= 0 {
		return 0, fmt.Errorf("TOWER_AUDIT is %q; it is off, or a time like 5m", text)
	}
	return every, nil
}

// slowFrom returns the time from which on something is slow, 0 for none.
func slowFrom(text, env string) (time.Duration, error) {
	switch {
	case text == "off" || text == "" && env == "test":
		return 0, nil
	case text == "":
		return 200 * time.Millisecond, nil
	}
	over, err := time.ParseDuration(text)
	if err != nil || over < time.Millisecond {
		return 0, fmt.Errorf("TOWER_SLOW is %q; it is off, or a time like 200ms, of at least 1ms", text)
	}
	return over, nil
}

// onOrOff returns a variable that is on or off.
func onOrOff(vars *environ.Environment, name string, byDefault bool) (bool, error) {
	switch text := vars.Get(name); text {
	case "":
		return byDefault, nil
	case "on", "off":
		return text == "on", nil
	default:
		return false, fmt.Errorf("%s is %q; it is on or off", name, text)
	}
}

// site returns the site of an application.
func (c Config) site(out *server.Config) (*edge.Site, error) {
	vars := out.Environ
	return edge.New(edge.Config{Env: out.Env, PublicURL: out.URL,
		Hosts:      slices.Concat(out.Domains, edge.Members(vars.Get("TOWER_HOSTS")), c.Hosts),
		Proxies:    append(edge.Members(vars.Get("TOWER_TRUSTED_PROXIES")), c.TrustedProxies...),
		Supervised: vars.Get("TOWER_SERVER_URL") != ""})
}

func logger(env string) *slog.Logger {
	if env == "production" {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

// build identifies this binary. Clients that know another one start again.
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
