package private_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// public are the calls by which the module makes, opens for writing or finds files and sockets
// without this package, and why each is right.
var public = map[string]string{
	"internal/commands/application.go os.TempDir":             "Attach checks the socket",
	"internal/commands/db/export.go os.MkdirAll":              "where a person named it",
	"internal/commands/db/restore.go os.Link":                 "in the folder of the store",
	"internal/commands/db/restore.go os.Rename":               "in the folder of the store",
	"internal/commands/db/export.go os.OpenFile":              "a new file that is closed to others, where a person named it",
	"commands/doctor.go net.Listen":                           "a port",
	"internal/commands/profile.go os.OpenFile":                "a new file that is closed to others, where a person named it",
	"internal/commands/db/backup.go os.MkdirTemp":             "a new folder that is closed to others, beside the backup that a person named",
	"internal/commands/db/restore.go os.MkdirTemp":            "a new folder that is closed to others, in the folder of the store",
	"internal/archive/archiver.go os.MkdirTemp":               "a new folder that is closed to others",
	"internal/archive/backup.go os.OpenFile":                  "a new file that is closed to others, where a person named it",
	"internal/archive/place.go os.CreateTemp":                 "a new file that is closed to others, where a person named it",
	"internal/archive/place.go os.MkdirAll":                   "where a person named it",
	"internal/archive/place.go os.Rename":                     "where a person named it",
	"internal/store/prepare.go os.OpenFile":                   "the file of a store, to read it",
	"internal/store/raw.go os.OpenFile":                       "the file of a store that a person named, or a new one",
	"internal/store/compact.go os.OpenFile":                   "in the folder of the store",
	"internal/store/compact.go os.Rename":                     "in the folder of the store",
	"internal/archive/restore.go os.MkdirTemp":                "a new folder that is closed to others",
	"internal/archive/restore.go os.OpenFile":                 "a new file that is closed to others",
	"internal/archive/restore.go os.Rename":                   "in the folder of the store",
	"internal/repl/script/files.go os.CreateTemp":             "a new file that is closed to others, where a person named it",
	"internal/repl/script/files.go os.OpenFile":               "a new file that is closed to others, where a person named it",
	"internal/repl/script/files.go os.Rename":                 "where a person named it",
	"internal/upgrade/apply.go os.CreateTemp":                 "the application's source",
	"internal/upgrade/apply.go os.Rename":                     "the application's source",
	"internal/upgrade/upgrade.go os.WriteFile":                "in a folder that is closed to others",
	"internal/vendored/source.go os.MkdirAll":                 "the application's source",
	"internal/vendored/source.go os.WriteFile":                "the application's source",
	"internal/vendored/vendored.go os.Chmod":                  "the application's source, a folder that was just made",
	"internal/vendored/vendored.go os.MkdirAll":               "the application's source",
	"internal/vendored/vendored.go os.MkdirTemp":              "the application's source",
	"internal/vendored/vendored.go os.Rename":                 "the application's source",
	"internal/vendored/vendored.go os.WriteFile":              "the application's source",
	"internal/commands/doctor.go os.CreateTemp":               "a new file that is removed at once",
	"cmd/tower/doctor.go net.Listen":                          "a port",
	"internal/bench/floor/main.go net.Listen":                 "a port",
	"internal/client/bundle/main.go os.MkdirAll":              "the library's sources",
	"internal/client/bundle/main.go os.WriteFile":             "the library's sources",
	"internal/migrate/remote.go net.Dialer":                   "the socket has been checked",
	"internal/migrate/task.go os.MkdirTemp":                   "a new folder that is closed to others, in the folder of the store",
	"internal/migrate/task.go os.OpenFile":                    "a new file that is closed to others",
	"internal/deploy/deploy.go os.MkdirTemp":                  "a new folder that is closed to others",
	"internal/dev/build.go os.MkdirAll":                       "a program is for all, below a folder that is checked or that a person named",
	"internal/dev/build.go os.Link":                           "into and out of new folders that are closed to others",
	"internal/dev/build.go os.Rename":                         "in a folder that is closed to others",
	"internal/dev/child.go os.MkdirTemp":                      "/tmp is sticky, and the folder is new",
	"internal/dev/child.go net.Listen":                        "a socket in a new folder that is closed to others",
	"internal/dev/gate.go net.Dialer":                         "a port",
	"internal/repl/fakeapp/fakeapp.go os.Chmod":               "tests use it",
	"internal/dev/embed.go os.WriteFile":                      "files in a new folder that is closed to others",
	"internal/dev/listen.go net.Listen":                       "a port",
	"internal/release/ask.go net.Dialer":                      "the socket has been checked",
	"internal/release/supervisor.go os.Symlink":               "a link in the application's own folder, which it replaces in one step",
	"internal/release/supervisor.go os.Rename":                "in the application's own folder",
	"internal/repl/control/client.go net.Dialer":              "the socket has been checked",
	"internal/repl/fakeapp/fakeapp.go os.MkdirTemp":           "tests use it",
	"internal/repl/fakeapp/fakeapp.go net.Listen":             "tests use it",
	"internal/repl/screen/commands.go os.WriteFile":           "a file in a new folder that is closed to others",
	"internal/server/control/control.go os.TempDir":           "the folder is checked",
	"internal/database/move/move.go os.Rename":                "where a person named it",
	"internal/files/receive.go os.CreateTemp":                 "a new file that is closed to others",
	"internal/mail/smtp/server.go net.Dialer":                 "a port",
	"internal/webhook/webhook.go net.Dialer":                  "a port",
	"internal/database/local/local.go net.Listen":             "a port",
	"internal/database/local/local.go os.OpenFile":            "a file that was made for this user, or for that of PostgreSQL",
	"internal/database/local/process_unix.go os.Mkdir":        "a new folder that is closed to others, or one that is checked",
	"internal/database/local/process_unix.go os.OpenFile":     "in such a folder",
	"internal/database/local/process_windows.go os.WriteFile": "no server is started there",
	"internal/nodes/messages.go net.Listen":                   "a port",
	"internal/nodes/messages.go net.DialTimeout":              "a port",
	"internal/nodes/nodes.go net.Dialer":                      "a port",
	"internal/server/front/front.go net.Listen":               "a port",
	"internal/server/run.go net.Dial":                         "the socket of the process that started this one",
	"internal/server/session/secret.go os.CreateTemp":         "a new file, in a folder that is checked",
	"internal/server/session/secret.go os.Link":               "it replaces nothing",
	"towertest/converge.go os.MkdirAll":                       "what failed is kept beside the test's sources",
	"towertest/converge.go os.WriteFile":                      "what failed is kept beside the test's sources",
	"towertest/rights.go os.MkdirAll":                         "a golden file stands beside the test's sources",
	"towertest/rights.go os.WriteFile":                        "a golden file stands beside the test's sources",
	"towertest/trial.go os.MkdirTemp":                         "tests use it",
}

// decided are the functions and types that make or open what others could have put in place.
var decided = map[string][]string{
	"os":  {"Create", "CreateTemp", "OpenFile", "WriteFile", "Mkdir", "MkdirAll", "MkdirTemp", "TempDir", "Chmod", "Rename", "Link", "Symlink"},
	"net": {"Listen", "ListenUnix", "ListenConfig", "Dial", "DialUnix", "DialTimeout", "Dialer"},
}

// sources are the calls by which commands write into the application's own folder.
var sources = []string{"os.WriteFile", "os.Mkdir", "os.MkdirAll", "os.Chmod", "os.Rename", "os.Link"}

// TestEachPlaceIsDecided finds files and sockets that are neither private nor known to be public.
func TestEachPlaceIsDecided(t *testing.T) {
	found := map[string]bool{}
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && (name == "testdata" || name == "node_modules" || name == "private" || name == "systemtest" || name == "docs" || len(name) > 2 && name[0] == '.'):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		below, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(below))
		return callsOf(path, func(call string) {
			if (folder == "cmd/tower" || folder == "scaffolds") && slices.Contains(sources, call) {
				return
			}
			found[filepath.ToSlash(below)+" "+call] = true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range slices.Sorted(maps.Keys(found)) {
		if public[call] == "" {
			t.Errorf("%s: use package private, or say here why not", call)
		}
	}
	for _, call := range slices.Sorted(maps.Keys(public)) {
		if !found[call] {
			t.Errorf("%s is gone", call)
		}
	}
}

// callsOf calls found with each of the decided functions and types that a file names.
func callsOf(path string, found func(call string)) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return err
	}
	imported := map[string]bool{}
	for _, spec := range file.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil && spec.Name == nil {
			imported[name] = true
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if of, ok := selector.X.(*ast.Ident); ok && imported[of.Name] && slices.Contains(decided[of.Name], selector.Sel.Name) {
				found(of.Name + "." + selector.Sel.Name)
			}
		}
		return true
	})
	return nil
}
