package tower_test

import (
	"encoding/json"
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
	{"internal/wire", nil, map[string]string{"net": "it describes bytes and moves none", "os/exec": "it describes bytes and moves none"}},
	{"internal/store", nil, map[string]string{"net/http": "the store knows no requests", "github.com/olahol/melody": "the store knows no sockets"}},
	{"internal/cursor", []string{"internal/store"}, map[string]string{"net/http": "matching knows no requests", "github.com/olahol/melody": "matching knows no sockets"}},
	{"internal/client", nil, map[string]string{bundler: "an application carries the bundle, not the bundler"}},
	{"internal/server", []string{"internal/wire", "internal/store", "internal/cursor", "internal/client"}, application},
	{"", []string{"internal/server", "internal/store", "internal/cursor", "internal/wire"}, with(application, "testing", "an application is not a test")},
	{"internal/repl", []string{"internal/wire"}, map[string]string{"go.etcd.io/bbolt": "the console changes records through the running application"}},
	// It bundles the library's bindings with the scripts that import them.
	{"internal/dev", []string{"internal/client"}, map[string]string{"go.etcd.io/bbolt": "the supervisor never touches the store"}},
	{"internal/bench", []string{"internal/wire"}, map[string]string{"go.etcd.io/bbolt": "the load generator has no store", "github.com/olahol/melody": "the load generator shares no code with the servers that it measures"}},
	{"internal/bench/floor", nil, map[string]string{"github.com/spf13/cobra": "it is the least that a server can be"}},
	{"scaffolds", []string{"internal/wire"}, map[string]string{"net/http": "templates need no network"}},
	// It hands the library's declarations to scaffolds.
	{"cmd/tower", []string{"internal/repl", "internal/dev", "internal/bench", "internal/wire", "internal/client", "scaffolds"}, map[string]string{"go.etcd.io/bbolt": "the command line meets an application through its socket"}},
	// It checks cursors against the application's own scopes, rules and records.
	{"towertest", []string{"", "internal/wire", "internal/server", "internal/cursor", "internal/store"}, nil},
}

const bundler = "github.com/evanw/esbuild/pkg/api"

var application = map[string]string{
	"github.com/charmbracelet/bubbletea": "an application never links the console",
	"github.com/spf13/cobra":             "an application never links the command line",
	bundler:                              "an application never links the bundler",
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
			pkg := goList(t, strings.TrimSuffix(module+"/"+room.room, "/"))
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

type listed struct{ Imports, Deps []string }

func goList(t *testing.T, path string) listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=Imports,Deps", path).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", path, err)
	}
	var pkg listed
	if err := json.Unmarshal(out, &pkg); err != nil {
		t.Fatal(err)
	}
	return pkg
}
