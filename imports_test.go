package tower_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower"
)

const module = "github.com/towerkit/tower"

// maxFiles is how many source files a package may have beside its tests.
const maxFiles = 32

// A room is a package, what of this module it may import, and why not more.
type room struct {
	path  string
	may   []string
	why   string
	never []string // packages of others that it must not link, even through others
}

var rooms = []room{
	{"internal/spelling", nil, "it compares words", nil},
	{"internal/wire", nil, "it describes bytes and moves none", []string{"net", "os/exec"}},
	{"internal/wire/replica", []string{"internal/wire"}, "it applies frames that others receive", []string{"net", "os/exec"}},
	{"internal/wire/line", []string{"internal/wire"}, "it connects as a client that has only the protocol", []string{bbolt, melody}},
	{"internal/conformance", []string{"internal/wire", "internal/wire/line"}, "it knows a server by its frames alone", []string{bbolt, melody}},

	{"internal/openapi", []string{"internal/wire"}, "a document follows from the schema alone", []string{bbolt, melody}},
	{"internal/server/schema", []string{"internal/wire", "internal/record", "internal/server/answer", "internal/server/route"}, "declarations are described without an application", []string{melody}},

	{"internal/record", []string{"internal/spelling"}, "a record needs no file", []string{"net/http", bbolt}},
	{"internal/layers", nil, "collections know nothing of what they hold", []string{"net", bbolt}},
	{"internal/lineage", nil, "numbers know nothing of what they count", []string{"net", bbolt}},
	{"internal/store/unsynced", []string{"internal/private"}, "a file is marked whatever is in it", []string{"net/http", bbolt}},
	{"internal/store", []string{"internal/layers", "internal/lineage", "internal/private", "internal/record", "internal/store/unsynced"}, "the store knows no queries and no requests", []string{"net/http", melody}},
	{"internal/nodes", nil, "nodes find each other without an application", []string{bbolt, melody}},
	{"internal/store/typed", []string{"internal/record", "internal/store"}, "records are read and written whatever they hold", []string{"net/http", melody}},
	{"internal/store/storetest", []string{"internal/lineage", "internal/nodes", "internal/record", "internal/store"}, "what a log must be is known without its engine", []string{melody}},
	{"internal/postgres", []string{"internal/database/driver", "internal/lineage", "internal/nodes", "internal/postgres/tables", "internal/record", "internal/store", "internal/wire"}, "a log is kept without an application", []string{melody}},
	{"internal/postgres/tables", []string{"internal/record", "internal/store"}, "a table follows from its model, without the log beside it", []string{"net/http", melody}},
	{"internal/database", nil, "an address is a text", []string{bbolt, melody}},
	{"internal/database/move", []string{"internal/database/driver", "internal/migrate", "internal/store"}, "data are moved without an application", []string{melody, "github.com/jackc/pgx/v5"}},
	{"internal/database/driver", []string{"internal/record", "internal/store", "internal/wire"}, "an application finds a driver, and does not link one", []string{melody, "github.com/jackc/pgx/v5"}},
	{"postgres", []string{"internal/database/driver", "internal/postgres", "internal/postgres/tables", "internal/record", "internal/store", "internal/wire"}, "an application that runs on one node links no driver", nil},
	{"internal/archive", []string{"internal/record", "internal/store"}, "a store is copied and restored without its models", []string{"net/http", melody}},
	{"internal/archive/bucket", []string{"internal/archive"}, "a bucket knows names and bytes", []string{melody}},
	{"s3", []string{"", "internal/archive/bucket"}, "an application that needs no bucket links none", nil},
	{"smtp", []string{"internal/mail", "internal/mail/smtp"}, "an application that sends no mail links nothing of it", nil},
	{"images", []string{"internal/files", "internal/images"}, "an application without variants of images decodes none", nil},
	{"internal/images", []string{"internal/record"}, "an image is scaled without an application", []string{"net/http", bbolt, melody}},
	{"otel", []string{""}, "an application without traces links nothing of OpenTelemetry", nil},
	{"internal/mail", nil, "an application finds what sends mail, and does not link it", []string{bbolt, melody, gomail}},
	{"internal/mail/smtp", []string{"internal/jobs", "internal/mail"}, "a message is sent without an application", []string{melody}},
	{"internal/mail/mailbox", []string{"internal/jobs", "internal/mail", "internal/record", "internal/server/fault", "internal/store"}, "the mailbox of development reads jobs, and sends nothing", []string{melody, gomail}},
	{"internal/jobs", []string{"internal/store/typed", "internal/record", "internal/store", "internal/server/fault"}, "jobs are taken and run without an application", []string{melody}},
	{"internal/webhook", nil, "a request is signed and sent without an application", []string{bbolt, melody}},
	{"internal/reactions", []string{"internal/store/typed", "internal/jobs", "internal/query", "internal/record", "internal/store", "internal/server/fault"}, "reactions follow the log without an application", []string{melody}},
	{"internal/files", []string{"internal/store/typed", "internal/archive", "internal/record", "internal/store"}, "files are kept without an application", []string{melody}},
	{"internal/systemtest/files", nil, "it has tests only", nil},
	{"internal/migrate", []string{"internal/private", "internal/wire", "internal/record", "internal/store"}, "a migration knows records as they are stored, and no application", []string{"net/http", melody}},
	{"internal/bulk", []string{"internal/csv", "internal/private", "internal/record", "internal/store"}, "records are imported without an application", []string{"net/http", melody}},
	{"internal/erase", []string{"internal/archive", "internal/private", "internal/record", "internal/store"}, "records are erased without an application", []string{"net/http", melody}},
	{"internal/query", []string{"internal/record", "internal/store"}, "a query reads a snapshot and knows no feed", []string{"net/http", melody}},
	{"internal/query/querytest", []string{"internal/record", "internal/store"}, "the naive model shares no code with what it checks", []string{"net/http"}},
	{"internal/cursor", []string{"internal/record", "internal/store", "internal/query"}, "matching knows no requests and no sockets", []string{"net/http", melody}},

	{"internal/edge", nil, "the facts of a request are known before the application is", []string{bbolt, melody}},
	{"internal/public", nil, "files are served without an application", []string{bbolt, melody}},
	{"internal/compress", nil, "it shortens what others answer", []string{bbolt, melody}},
	{"internal/server/chain", []string{"internal/edge", "internal/compress", "internal/deadline", "internal/server/fault", "internal/server/requestid", "internal/server/tracing"}, "a request passes it before its route is known", []string{melody}},

	{"internal/csv", nil, "it reads text and knows no records", []string{"net", bbolt, melody}},
	{"internal/private", nil, "a place is checked before anything is put into it", []string{"net/http", bbolt}},
	{"internal/private/privatetest", nil, "an attack on a file needs no application", []string{"net/http", bbolt}},
	{"internal/deadline", nil, "it sets deadlines and knows no application", []string{bbolt, melody}},
	{"internal/server/limit", []string{"internal/deadline", "internal/server/fault"}, "bounds are counted without an application", []string{melody}},
	{"internal/server/fault", []string{"internal/deadline", "internal/wire", "internal/record", "internal/store", "internal/query", "internal/cursor"}, "an error is coded without an application", []string{melody}},
	{"internal/server/route", []string{"internal/server/fault", "internal/server/limit", "internal/server/form", "internal/wire", "internal/record", "internal/query", "internal/cursor"}, "a route is found without a connection", []string{melody}},
	{"internal/server/form", []string{"internal/record"}, "a form is a record's fields and what was sent, without a connection", []string{melody, bbolt}},
	{"internal/server/format", nil, "numbers and times are written without an application", []string{"net", melody}},
	{"internal/server/view", []string{"internal/server/form", "internal/server/format", "internal/server/route", "internal/server/fault", "internal/record"}, "a page is rendered from what a source reads for its viewer", []string{melody}},
	{"internal/server/read", []string{"internal/server/transport", "internal/server/outbox", "internal/server/fault", "internal/wire", "internal/wire/replica"}, "it reads cursors by frames, as a client does", nil},
	{"internal/likeness", nil, "it compares values of any type", []string{"net"}},
	{"internal/server/budget", nil, "it counts work and knows nothing of what is done", []string{"net"}},
	{"internal/server/guess", nil, "wrong guesses are counted without an application", []string{melody, bbolt}},
	{"internal/server/session", []string{"internal/private", "internal/edge", "internal/server/fault", "internal/record", "internal/store", "internal/store/typed"}, "who is signed in is known without an application", []string{melody}},
	{"internal/server/outbox", []string{"internal/wire", "internal/record", "internal/query", "internal/cursor"}, "a queue of frames knows no application", []string{melody}},
	{"internal/server/transport", []string{"internal/deadline", "internal/server/outbox", "internal/server/fault", "internal/wire"}, "it carries messages and knows nothing of what they mean", nil},
	{"internal/server/audit", []string{"internal/private", "internal/wire", "internal/wire/replica", "internal/record", "internal/store", "internal/query", "internal/cursor", "internal/server/limit"}, "a cursor is read naively, and only by its spec", []string{melody}},
	{"internal/server/answer", nil, "it writes HTTP responses and knows no application", []string{melody, bbolt}},
	{"internal/environ", nil, "it reads variables, and what they mean is known above", []string{"net/http"}},
	{"internal/settings", []string{"internal/database", "internal/environ", "internal/record"}, "settings are known before the application is", []string{"net/http", bbolt}},
	{"internal/release", []string{"internal/private"}, "releases are replaced without an application", []string{melody, bbolt}},
	{"internal/server/front", nil, "addresses are opened without an application", []string{melody, bbolt}},
	{"internal/server/slow", nil, "it times what others do", []string{"net", bbolt}},
	{"internal/server/upload", []string{"internal/files", "internal/record", "internal/server/fault"}, "an upload is received without a connection", []string{melody}},
	{"internal/server/tracing", nil, "it follows what others do", []string{bbolt}},
	{"internal/server/requestid", nil, "an id needs no request", []string{"net", bbolt}},
	{"internal/server/metrics", nil, "it counts what others do", []string{melody, bbolt}},
	{"internal/server/health", nil, "the state of an application is known above", []string{melody, bbolt}},
	{"internal/server/workers", []string{"internal/server/fault"}, "a worker knows no application", []string{melody}},
	{"internal/server", []string{"internal/archive", "internal/compress", "internal/files", "internal/jobs", "internal/mail", "internal/mail/mailbox", "internal/reactions", "internal/database/driver", "internal/nodes", "internal/server/health", "internal/server/metrics", "internal/server/front", "internal/migrate", "internal/environ", "internal/settings", "internal/openapi", "internal/server/schema", "internal/server/workers", "internal/server/requestid", "internal/server/slow", "internal/server/tracing", "internal/edge", "internal/deadline", "internal/public", "internal/server/chain", "internal/server/answer", "internal/server/fault", "internal/server/limit", "internal/server/route", "internal/server/form", "internal/server/view", "internal/server/outbox", "internal/server/transport", "internal/server/upload",
		"internal/wire", "internal/record", "internal/store", "internal/query", "internal/cursor", "internal/client", "internal/likeness", "internal/server/budget", "internal/server/read", "internal/server/guess", "internal/server/session", "internal/server/audit", "internal/wire/replica"},
		"the application does not know its consoles", application},
	{"internal/server/control", []string{"internal/files", "internal/jobs", "internal/reactions", "internal/bulk", "internal/nodes", "internal/erase", "internal/archive", "internal/private", "internal/server", "internal/server/schema", "internal/server/answer", "internal/server/fault", "internal/server/requestid", "internal/server/route", "internal/server/outbox",
		"internal/wire", "internal/record", "internal/store", "internal/query", "internal/cursor"},
		"it serves consoles by the methods of the application", application},
	{"", []string{"internal/store/typed", "internal/archive", "internal/files", "internal/jobs", "internal/mail", "internal/mail/mailbox", "internal/reactions", "internal/webhook", "internal/database", "internal/database/driver", "internal/database/move", "internal/program", "internal/release", "internal/server/front", "internal/migrate", "internal/environ", "internal/settings", "internal/edge", "internal/public", "internal/server", "internal/server/answer", "internal/server/control", "internal/server/fault", "internal/server/requestid", "internal/server/tracing", "internal/server/form", "internal/server/limit", "internal/server/route", "internal/server/session", "internal/server/view",
		"internal/wire", "internal/record", "internal/store", "internal/query", "internal/cursor"},
		"the public types wire the parts together", append([]string{"testing"}, application...)},
	{"passkey", nil, "a passkey is checked without an application", []string{bbolt, melody}},
	{"passkey/passkeytest", nil, "a device knows a site by its options alone", []string{webauthn}},
	{"oidc", []string{""}, "an application whose users sign in nowhere else links nothing of OpenID Connect", nil},
	{"oidc/oidctest", nil, "a provider knows an application by its requests alone", []string{openid, oauth}},
	{"totp", nil, "a code is checked without an application", []string{bbolt, melody}},
	{"password", nil, "a password is hashed without an application", []string{"net", bbolt, melody}},
	{"towertest", []string{"", "internal/wire", "internal/wire/line", "internal/wire/replica", "internal/server", "internal/server/audit", "internal/server/control", "internal/server/fault", "internal/server/route",
		"internal/server/transport", "internal/record", "internal/store", "internal/query", "internal/cursor"},
		"it checks cursors against the application's own scopes, rules and records", nil},

	// The parts of the console import each other in this order, and the script and
	// the live pane not at all. None reaches a store but through the application.
	{"internal/repl/term", nil, "it measures and paints text", []string{"net", bbolt}},
	{"internal/repl/show", []string{"internal/repl/term", "internal/spelling", "internal/wire"}, "it lays out values", []string{"net", bbolt}},
	{"internal/repl/control", []string{"internal/private", "internal/wire", "internal/wire/replica"}, "it speaks with the application and shows nothing", []string{bbolt}},
	{"internal/repl/script", []string{"internal/csv", "internal/repl/control", "internal/repl/show", "internal/repl/term", "internal/wire"}, "JavaScript runs without a screen", []string{bbolt, bubbletea}},
	{"internal/repl/live", []string{"internal/repl/control", "internal/repl/show", "internal/repl/term", "internal/wire"}, "the live pane shows events and runs no code", []string{bbolt, goja}},
	{"internal/repl/screen", []string{"internal/private", "internal/repl/script", "internal/repl/live", "internal/repl/control", "internal/repl/show", "internal/repl/term", "internal/wire"},
		"the screen draws what the other parts made", []string{bbolt}},
	{"internal/repl", []string{"internal/repl/screen", "internal/repl/script", "internal/repl/live", "internal/repl/control", "internal/repl/show", "internal/repl/term",
		"internal/wire", "internal/wire/replica"}, "the console changes records through the running application", []string{bbolt}},
	{"internal/repl/fakeapp", []string{"internal/wire"}, "the application of the console's tests speaks the protocol alone", []string{bbolt}},

	{"internal/client", nil, "an application carries the bundle, not the bundler", []string{bundler}},
	{"internal/client/bundle", nil, "it bundles the library from its sources", nil},
	{"internal/dev", []string{"internal/lock", "internal/private", "internal/client", "internal/edge", "internal/public", "internal/deadline"}, "the supervisor bundles the library's bindings and never touches a store", []string{bbolt}},
	{"internal/deploy", nil, "it reaches a host by ssh, and knows a release by its protocol", []string{bbolt, melody}},
	{"internal/bench", []string{"internal/wire"}, "the load generator shares no code with the servers that it measures", []string{bbolt, melody}},
	{"internal/bench/floor", nil, "it is the least that a server can be", []string{cobra}},
	{"scaffolds", []string{"internal/wire"}, "templates need no network", []string{"net/http"}},
	{"internal/vendored", []string{"scaffolds"}, "a copy of the source needs no application", []string{"net/http"}},
	{"internal/upgrade", []string{"internal/private", "internal/vendored", "scaffolds"}, "an application is started above", []string{"net/http"}},
	{"internal/lock", []string{"internal/private"}, "a file is locked without an application", []string{"net/http", bbolt}},
	{"internal/cli", []string{"internal/repl/term"}, "a command line is read and answered, and what commands do is known above", []string{bbolt, melody, bubbletea, bundler}},
	{"internal/program", []string{"internal/archive"}, "a program runs its commands, and does not link them", append([]string{"net/http", melody}, application...)},
	{"internal/commands", []string{"internal/archive", "internal/cli", "internal/database", "internal/environ", "internal/lock", "internal/mail", "internal/repl", "internal/repl/control", "internal/repl/script", "internal/repl/term", "internal/settings", "internal/spelling", "internal/store", "internal/wire"},
		"an application's program has these commands in it, so they meet it through its socket, and do not build it", []string{melody, bundler}},
	{"internal/commands/db", []string{"internal/archive", "internal/cli", "internal/commands", "internal/database", "internal/private", "internal/repl/control", "internal/repl/term", "internal/spelling", "internal/store", "internal/wire"},
		"they meet a running application through its socket, and a stopped one's data as a file", []string{melody, bundler}},
	{"commands", []string{"internal/cli", "internal/commands", "internal/commands/db", "internal/program", "internal/repl/control", "internal/store", "internal/wire"},
		"an application has the commands on itself, and nothing that builds", []string{melody, bundler, "github.com/minio/minio-go/v7"}},
	{"internal/database/local", []string{"internal/private"}, "a server is started without an application", []string{bbolt, melody, "github.com/jackc/pgx/v5"}},
	{"cmd/tower", []string{"smtp", "internal/database", "internal/database/local", "internal/environ", "internal/upgrade", "internal/vendored", "internal/archive", "internal/archive/bucket", "internal/cli", "internal/commands", "internal/commands/db", "internal/lock", "internal/private", "internal/conformance", "internal/openapi", "internal/wire/line", "internal/repl", "internal/repl/control", "internal/deploy", "internal/dev", "internal/bench", "internal/client",
		"internal/repl/term", "internal/wire", "scaffolds"}, "the command line builds applications, and leaves those that run to commands", []string{melody}},
	{"internal/systemtest", nil, "it has tests only", nil},
	{"docs/guide", nil, "it has tests only", nil},
	{"internal/systemtest/mail", nil, "it has tests only", nil},
	{"internal/systemtest/s3test", []string{"internal/systemtest/freeport"}, "a server of S3 belongs to no program", nil},
	{"internal/systemtest/smtptest", nil, "a server of mail belongs to no program", nil},
	{"internal/systemtest/hostile", nil, "it has tests only", nil},
	{"internal/systemtest/nodes", nil, "it has tests only", nil},
	{"internal/systemtest/deploy", []string{"internal/deploy", "internal/release"}, "it has tests only", nil},
	{"internal/systemtest/https", nil, "it has tests only", nil},
	{"internal/systemtest/browser", nil, "a browser belongs to no program", nil},
	{"internal/systemtest/freeport", nil, "a port belongs to no program", nil},
	{"internal/systemtest/fetched", []string{"internal/systemtest/freeport"}, "a program that was fetched belongs to no test", nil},
	{"internal/systemtest/netcut", nil, "bytes pass, whatever they mean", nil},
	{"internal/systemtest/process", nil, "a program that a test starts is any program", nil},
	{"internal/systemtest/pgtest", []string{"internal/systemtest/fetched", "internal/systemtest/process"}, "a server of PostgreSQL belongs to no program", nil},
	{"internal/systemtest/scaling", nil, "it has tests only", nil},
	{"internal/systemtest/work", nil, "it has tests only", nil},
	{"internal/systemtest/chaos", nil, "it has tests only", nil},
	{"internal/systemtest/protocol", nil, "it has tests only", nil},
	{"internal/systemtest/protocol/notes", []string{""}, "an application that does not import package commands has none of them in its program", append([]string{"github.com/spf13/pflag", "github.com/charmbracelet/lipgloss"}, application...)},
}

const (
	bbolt     = "go.etcd.io/bbolt"
	melody    = "github.com/olahol/melody"
	bubbletea = "github.com/charmbracelet/bubbletea"
	bubbles   = "github.com/charmbracelet/bubbles"
	goja      = "github.com/dop251/goja"
	cobra     = "github.com/spf13/cobra"
	gomail    = "github.com/wneessen/go-mail"
	webauthn  = "github.com/go-webauthn/webauthn"
	openid    = "github.com/coreos/go-oidc/v3"
	oauth     = "golang.org/x/oauth2"
	qr        = "github.com/boombuler/barcode"
	scaler    = "golang.org/x/image/draw"
	bundler   = "github.com/evanw/esbuild/pkg/api"
)

// application is what an application's binary never links: the command line, the
// bundler, the console, and, unless it imports packages otel, smtp, images, passkey, oidc and totp, OpenTelemetry, what
// sends mail, what scales images, what checks passkeys, what asks other providers who a user is, and what draws QR codes.
var application = []string{bubbletea, goja, cobra, bundler, "go.opentelemetry.io/otel", gomail, scaler, webauthn + "/webauthn", openid + "/oidc", oauth, qr + "/qr"}

// alone says which rooms alone import a package of others directly, and why.
var alone = []struct {
	other  string
	rooms  []string
	reason string
}{
	{goja, []string{"internal/repl/script"}, "JavaScript runs in one place"},
	{bubbletea, []string{"internal/repl/screen"}, "the screen is drawn in one place"},
	{bubbles, []string{"internal/repl/screen"}, "the screen is drawn in one place"},
	{melody, []string{"internal/server/transport", "internal/bench/floor"}, "sockets are kept in one place, and the floor is made of the same"},
	{bbolt, []string{"internal/store", "internal/bench/floor"}, "the file is written in one place, and the floor is made of the same"},
	{"unsafe", []string{"internal/record"}, "one file argues for all unsafe code"},
	{"github.com/VictoriaMetrics/metrics", []string{"internal/server/metrics"}, "what is counted stands in one place"},
	{cobra, []string{"internal/cli", "internal/commands", "internal/commands/db", "commands", "cmd/tower"}, "the command lines of tower and of an application are read in one way"},
	{"github.com/klauspost/compress", []string{"internal/compress", "internal/archive"}, "one package decides which answers are compressed, and backups are"},
	{gomail, []string{"internal/mail/smtp"}, "mail is sent in one place"},
	{webauthn, []string{"passkey"}, "passkeys are checked in one place"},
	{openid, []string{"oidc"}, "what a provider says of a user is checked in one place"},
	{oauth, []string{"oidc"}, "what a provider says of a user is checked in one place"},
	{qr, []string{"totp"}, "QR codes are drawn in one place"},
	{scaler, []string{"internal/images"}, "images are scaled in one place"},
	{"github.com/bep/imagemeta", []string{"internal/images"}, "how an image stands is read in one place"},
	{bundler, []string{"internal/dev", "internal/client/bundle"}, "scripts are bundled when an application is built, and the library when it changes"},
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	all := goList(t)
	for _, room := range rooms {
		t.Run(strings.TrimPrefix(room.path+"/", "/"), func(t *testing.T) {
			i := slices.IndexFunc(all, func(pkg listed) bool { return pkg.ImportPath == strings.TrimSuffix(module+"/"+room.path, "/") })
			if i < 0 {
				t.Fatal("there is no such room")
			}
			pkg := all[i]
			for _, path := range pkg.Imports {
				ours, isOurs := strings.CutPrefix(path, module)
				if ours = strings.TrimPrefix(ours, "/"); isOurs && !slices.Contains(room.may, ours) {
					t.Errorf("imports %q of ours; %s, so it may import %q", ours, room.why, room.may)
				}
			}
			for _, path := range room.never {
				if slices.Contains(pkg.Deps, path) {
					t.Errorf("links %s; %s", path, room.why)
				}
			}
			if n := len(pkg.GoFiles); n > maxFiles {
				t.Errorf("has %d files, more than %d", n, maxFiles)
			}
		})
	}
}

func TestPackagesOfOthersAreImportedWhereTheyBelong(t *testing.T) {
	for _, pkg := range goList(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(pkg.ImportPath, module), "/")
		if !slices.ContainsFunc(rooms, func(r room) bool { return r.path == path }) && !strings.HasPrefix(path, "scaffolds/") {
			t.Errorf("%s has no row in the table of rooms", path)
		}
		for _, imported := range pkg.Imports {
			for _, only := range alone {
				if (imported == only.other || strings.HasPrefix(imported, only.other+"/")) && !slices.Contains(only.rooms, path) {
					t.Errorf("%s imports %s, and only %v may: %s", path, imported, only.rooms, only.reason)
				}
			}
		}
	}
}

func TestQueriesKnowNoFeed(t *testing.T) {
	files, err := filepath.Glob("internal/query/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	feed := regexp.MustCompile(`store\.Feed\b|\.Feed\(`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := feed.Find(source); found != nil {
			t.Errorf("%s uses %s; a query reads a snapshot, and cursors read the feed", file, found)
		}
	}
}

type listed struct {
	ImportPath             string
	Imports, Deps, GoFiles []string
}

// goList describes our packages.
func goList(t *testing.T) (pkgs []listed) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,GoFiles", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg listed
		switch err := decoder.Decode(&pkg); {
		case errors.Is(err, io.EOF):
			return pkgs
		case err != nil:
			t.Fatal(err)
		}
		pkgs = append(pkgs, pkg)
	}
}

// TestNothingInternalCanBeCalled looks at all that an application can reach from the
// public types: their methods and fields, and what these take and return.
func TestNothingInternalCanBeCalled(t *testing.T) {
	allowed := reflect.TypeFor[tower.ID]() // an alias of a string type
	seen := map[reflect.Type]bool{}
	var look func(path string, at reflect.Type)
	look = func(path string, at reflect.Type) {
		if seen[at] || at == allowed {
			return
		}
		seen[at] = true
		if strings.Contains(at.PkgPath(), "/tower/internal/") {
			t.Errorf("%s is a %s", path, at)
			return
		}
		switch at.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Chan, reflect.Array:
			look(path, at.Elem())
		case reflect.Func:
			for i := range at.NumIn() {
				look(fmt.Sprintf("%s, parameter %d", path, i), at.In(i))
			}
			for i := range at.NumOut() {
				look(fmt.Sprintf("%s, result %d", path, i), at.Out(i))
			}
		case reflect.Struct:
			for i := range at.NumField() {
				if f := at.Field(i); f.IsExported() || f.Anonymous {
					look(path+"."+f.Name, f.Type)
				}
			}
		}
		if !strings.HasPrefix(at.PkgPath(), "github.com/towerkit/tower") {
			return
		}
		for _, of := range []reflect.Type{at, reflect.PointerTo(at)} {
			for i := range of.NumMethod() {
				if m := of.Method(i); m.IsExported() {
					look(path+"."+m.Name, m.Type)
				}
			}
		}
	}
	for _, public := range []any{
		tower.App{}, tower.Answer{}, tower.Connection{}, tower.Tx{}, tower.Request{}, tower.Error{}, tower.Problems{}, tower.Record{}, tower.View{},
		tower.List{}, tower.LiveValue{}, tower.Config{}, tower.Limits{}, tower.Condition{}, tower.RouteOption{},
		tower.Model[Recipe]{}, tower.Scope[Recipe]{}, tower.ValueScope[Recipe]{}, tower.CursorOption[Recipe]{}, tower.Job[Recipe]{}, tower.JobRun{}, tower.JobRecord{}, tower.Work{}, tower.JobOption{}, tower.Mail{}, tower.MailView{},
		tower.Router[*session]{}, tower.Mounted[*recipesController]{},
	} {
		at := reflect.TypeOf(public)
		look(at.Name(), at)
	}
	for _, public := range []reflect.Type{reflect.TypeFor[tower.DB](), reflect.TypeFor[tower.Viewer](), reflect.TypeFor[tower.AnyModel](), reflect.TypeFor[tower.Routes]()} {
		look(public.Name(), public)
	}
	var methods []string
	for i := range reflect.TypeFor[*tower.Tx]().NumMethod() {
		methods = append(methods, reflect.TypeFor[*tower.Tx]().Method(i).Name)
	}
	if !slices.Equal(methods, []string{"Transaction"}) {
		t.Errorf("a transaction has the methods %v; it is committed by returning", methods)
	}
}
