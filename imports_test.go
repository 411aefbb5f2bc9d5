package tower_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/towerkit/tower"

// rooms says who may import whom, and what each must never link.
var rooms = []struct {
	room  string
	may   []string // of ours
	never map[string]string
}{
	{"internal/spelling", nil, map[string]string{"net": "it compares words"}},
	{"internal/wire", nil, map[string]string{"net": "it describes bytes and moves none", "os/exec": "it describes bytes and moves none"}},
	{"internal/wire/replica", []string{"internal/wire"}, map[string]string{"net": "it applies frames that others receive", "os/exec": "it applies frames that others receive"}},
	{"internal/store", []string{"internal/spelling"}, map[string]string{"net/http": "the store knows no requests", "github.com/olahol/melody": "the store knows no sockets"}},
	{"internal/cursor", []string{"internal/store"}, map[string]string{"net/http": "matching knows no requests", "github.com/olahol/melody": "matching knows no sockets"}},
	{"internal/client", nil, map[string]string{bundler: "an application carries the bundle, not the bundler"}},
	{"internal/server", []string{"internal/wire", "internal/store", "internal/cursor", "internal/client"}, application},
	{"", []string{"internal/server", "internal/store", "internal/cursor", "internal/wire"}, with(application, "testing", "an application is not a test")},
	// The parts of the console import each other in this order, and its halves not at all.
	{"internal/repl/term", nil, map[string]string{"net": "it measures and paints text"}},
	{"internal/repl/show", []string{"internal/repl/term", "internal/spelling", "internal/wire"}, map[string]string{"net": "it lays out values"}},
	{"internal/repl/control", []string{"internal/wire", "internal/wire/replica"}, noStore},
	{"internal/repl/script", []string{"internal/repl/control", "internal/repl/show", "internal/repl/term", "internal/wire"}, with(noStore, bubbletea, "JavaScript runs without a screen")},
	{"internal/repl/live", []string{"internal/repl/control", "internal/repl/show", "internal/repl/term", "internal/wire"}, with(noStore, goja, "the live pane shows events and runs no code")},
	{"internal/repl/screen", []string{"internal/repl/script", "internal/repl/live", "internal/repl/control", "internal/repl/show", "internal/repl/term", "internal/wire"}, noStore},
	{"internal/repl", []string{"internal/repl/screen", "internal/repl/script", "internal/repl/live", "internal/repl/control", "internal/repl/show", "internal/repl/term",
		"internal/wire", "internal/wire/replica"}, noStore},
	{"internal/repl/fakeapp", []string{"internal/wire"}, noStore},
	// It bundles the library's bindings with the scripts that import them.
	{"internal/dev", []string{"internal/client"}, map[string]string{"go.etcd.io/bbolt": "the supervisor never touches the store"}},
	{"internal/bench", []string{"internal/wire"}, map[string]string{"go.etcd.io/bbolt": "the load generator has no store", "github.com/olahol/melody": "the load generator shares no code with the servers that it measures"}},
	{"internal/bench/floor", nil, map[string]string{"github.com/spf13/cobra": "it is the least that a server can be"}},
	{"scaffolds", []string{"internal/wire"}, map[string]string{"net/http": "templates need no network"}},
	// It hands the library's declarations to scaffolds.
	{"cmd/tower", []string{"internal/repl", "internal/repl/control", "internal/repl/script", "internal/spelling", "internal/dev", "internal/wire", "internal/client", "scaffolds"}, map[string]string{"go.etcd.io/bbolt": "the command line meets an application through its socket"}},
	// It checks cursors against the application's own scopes, rules and records.
	{"towertest", []string{"", "internal/wire", "internal/wire/replica", "internal/server", "internal/cursor", "internal/store"}, nil},
}

const (
	bundler   = "github.com/evanw/esbuild/pkg/api"
	bubbletea = "github.com/charmbracelet/bubbletea"
	goja      = "github.com/dop251/goja"
)

// alone says which packages of others only some rooms import directly.
var alone = map[string]struct {
	rooms  []string
	reason string
}{
	goja:      {[]string{"internal/repl/script"}, "JavaScript runs in one place"},
	bubbletea: {[]string{"internal/repl/screen"}, "the screen is drawn in one place"},
}

var noStore = map[string]string{"go.etcd.io/bbolt": "the console changes records through the running application"}

var application = map[string]string{
	bubbletea:                "an application never links the console",
	goja:                     "an application never links the console",
	"github.com/spf13/cobra": "an application never links the command line",
	bundler:                  "an application never links the bundler",
}

func with(base map[string]string, path, reason string) map[string]string {
	out := map[string]string{path: reason}
	for p, r := range base {
		out[p] = r
	}
	return out
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	for _, room := range rooms {
		t.Run(strings.TrimPrefix(room.room+"/", "/"), func(t *testing.T) {
			pkg := goList(t, strings.TrimSuffix(module+"/"+room.room, "/"))[0]
			for _, path := range pkg.Imports {
				ours, isOurs := strings.CutPrefix(path, module)
				if ours = strings.TrimPrefix(ours, "/"); isOurs && !slices.Contains(room.may, ours) {
					t.Errorf("imports %s; it may import %v of ours", path, room.may)
				}
			}
			for path, reason := range room.never {
				if slices.Contains(pkg.Deps, path) {
					t.Errorf("links %s: %s", path, reason)
				}
			}
		})
	}
}

func TestPackagesOfOthersAreImportedWhereTheyBelong(t *testing.T) {
	for _, pkg := range goList(t, module+"/...") {
		room := strings.TrimPrefix(strings.TrimPrefix(pkg.ImportPath, module), "/")
		for _, path := range pkg.Imports {
			for other, only := range alone {
				if (path == other || strings.HasPrefix(path, other+"/")) && !slices.Contains(only.rooms, room) {
					t.Errorf("%s imports %s, and only %v may: %s", room, path, only.rooms, only.reason)
				}
			}
		}
	}
}

type listed struct {
	ImportPath    string
	Imports, Deps []string
}

// goList describes the packages that a pattern matches.
func goList(t *testing.T, pattern string) (pkgs []listed) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", pattern).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", pattern, err)
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
