// Package guide tests what the documentation shows: its Go compiles and runs, and its
// links lead somewhere.
//
// A fenced block that names a file, as in ```go controllers/posts.go, is a file of the
// guide's application. The files of one guide form one application, with the module name
// blog, together with those of testdata/base that the guide does not show, and with
// those of testdata/GUIDE, such as the tests that run it. A Go file without a package
// clause gets its clause and its imports. Blocks of the same file follow each other in it.
// A Go block that names no file must parse.
package guide_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/rs/cors" // the guides show it
)

// top is the folder of the repository, from here.
const top = "../.."

// A block is a fenced block of a Markdown file.
type block struct {
	language string
	file     string // the file that it is a part of; "": none
	text     string
	at       string // where it stands: "guide.md:12"
}

func TestTheGuidesCompile(t *testing.T) {
	guides, err := filepath.Glob("*.md")
	if err != nil || len(guides) == 0 {
		t.Fatalf("%d guides (%v)", len(guides), err)
	}
	for _, guide := range guides {
		t.Run(guide, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			for _, b := range blocks(t, guide) {
				if b.file != "" {
					files[b.file] += b.text
				}
			}
			if len(files) > 0 {
				runApplication(t, strings.TrimSuffix(guide, ".md"), files)
			}
		})
	}
}

func TestGoInTheDocumentationParses(t *testing.T) {
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if b.language == "go" && b.file == "" && !parses(b.text) {
				t.Errorf("%s: neither a file, nor declarations, nor statements of Go", b.at)
			}
		}
	}
}

// parses reports whether text is Go. The character … stands for what is left out.
func parses(text string) bool {
	text = strings.ReplaceAll(text, "…", "")
	for _, form := range []string{"%s", "package p\n%s", "package p\nfunc _() {\n%s\n}"} {
		if _, err := parser.ParseFile(token.NewFileSet(), "", fmt.Sprintf(form, text), 0); err == nil {
			return true
		}
	}
	return false
}

// runApplication vets and tests the application of a guide.
func runApplication(t *testing.T, guide string, files map[string]string) {
	folder := t.TempDir()
	for name, text := range files {
		if path.Ext(name) == ".go" {
			text = complete(t, name, text)
		}
		write(t, filepath.Join(folder, name), text)
	}
	copyTree(t, filepath.Join("testdata", guide), folder)
	copyTree(t, filepath.Join("testdata", "base"), folder)
	writeModule(t, folder)
	command := exec.CommandContext(t.Context(), "go", "test", "-vet=all", "./...")
	command.Dir = folder
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go test: %v\n%s", err, out)
	}
}

// complete adds the package clause and the imports to a file that has none.
func complete(t *testing.T, name, text string) string {
	clause := "main"
	if dir := path.Dir(name); dir != "." {
		clause = path.Base(dir)
	}
	whole := "package " + clause + "\n" + text
	file, err := parser.ParseFile(token.NewFileSet(), name, whole, 0)
	if err != nil {
		return text // it has its own clause, or the compiler says what is wrong
	}
	paths := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok && name.Obj == nil {
				if imported := importOf(name.Name); imported != "" {
					paths[imported] = true
				}
			}
		}
		return true
	})
	var imports strings.Builder
	for _, imported := range slices.Sorted(maps.Keys(paths)) {
		fmt.Fprintf(&imports, "import %q\n", imported)
	}
	return "package " + clause + "\n" + imports.String() + text
}

// importOf returns the path of the package that the guides call by a name, "" if it is none.
func importOf(name string) string {
	for _, known := range []string{
		"github.com/rs/cors", "github.com/towerkit/tower", "github.com/towerkit/tower/towertest", "blog/models", "blog/controllers", "blog/jobs", "blog/mails", "blog/migrations", "blog/reactions",
		"bufio", "bytes", "cmp", "context", "embed", "errors", "fmt", "html", "io", "io/fs", "iter", "log", "log/slog", "maps",
		"net", "net/http", "net/http/httptest", "net/http/pprof", "net/url", "net/netip", "os", "os/signal", "path", "path/filepath",
		"regexp", "slices", "strconv", "strings", "sync", "syscall", "testing", "time", "unicode",
		"crypto/hmac", "crypto/rand", "crypto/sha256", "crypto/subtle",
		"encoding/base64", "encoding/csv", "encoding/hex", "encoding/json", "encoding/xml", "html/template",
	} {
		if path.Base(known) == name {
			return known
		}
	}
	return ""
}

// writeModule writes a go.mod that requires this tree, and what it requires.
func writeModule(t *testing.T, folder string) {
	t.Helper()
	source, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	_, required, _ := strings.Cut(read(t, filepath.Join(top, "go.mod")), "\n")
	write(t, filepath.Join(folder, "go.mod"),
		fmt.Sprintf("module blog\n%s\nrequire github.com/towerkit/tower v0.0.0\n\nreplace github.com/towerkit/tower => %s\n", required, source))
	write(t, filepath.Join(folder, "go.sum"), read(t, filepath.Join(top, "go.sum")))
}

// copyTree copies the files of a folder that the other does not have.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if _, err := os.Stat(from); err != nil {
		return
	}
	err := filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(name, from))
		if _, err := os.Stat(target); err == nil {
			return nil
		}
		write(t, target, read(t, name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// blocks returns the fenced blocks of a Markdown file.
func blocks(t *testing.T, name string) (found []block) {
	t.Helper()
	var current *block
	for i, line := range strings.Split(read(t, name), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && current != nil:
			found, current = append(found, *current), nil
		case fence:
			language, file, _ := strings.Cut(info, " ")
			current = &block{language: language, file: file, at: fmt.Sprintf("%s:%d", name, i+1)}
		case current != nil:
			current.text += line + "\n"
		}
	}
	if current != nil {
		t.Errorf("%s: the block does not end", current.at)
	}
	return found
}

// documents returns the Markdown files that users and contributors read.
func documents(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := entry.Name(); entry.IsDir() && (base == "node_modules" || base == "testdata" || base == "scaffolds" || strings.HasPrefix(base, ".") && name != top) {
			return filepath.SkipDir
		}
		if path.Ext(name) == ".md" {
			files = append(files, name)
		}
		return nil
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d documents (%v)", len(files), err)
	}
	return files
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
