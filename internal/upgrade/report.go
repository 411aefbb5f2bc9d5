package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/towerkit/tower/scaffolds"
)

// A Report says what an upgrade changes.
type Report struct {
	Unfit   *UnfitError // why the application cannot be used with the new version; nil if it can
	Running bool        // it was not started, because it runs

	entries          []entry // of the changelog
	older            int     // entries that the new changelog lacks
	noChangelog      bool    // the old source has none
	protocol, format facts
	files            string   // what is copied
	done             []string // lines
	same             bool     // the source is the one that is there
}

// facts are a constant of the old source and the same of the new one; "" is unknown.
type facts struct{ old, new string }

func (f facts) changed() bool { return f.old != "" && f.new != "" && f.old != f.new }

// UpToDate reports whether there is nothing to do.
func (u *Upgrade) UpToDate() bool {
	return u.same && !u.dropped && bytes.Equal(u.mod, u.newMod) && bytes.Equal(u.sum, u.news)
}

// compare compares the new source with the one that the application uses.
func (u *Upgrade) compare(ctx context.Context, source string) error {
	old := u.current(ctx)
	ours, err := readIfThere(filepath.Join(source, "CHANGELOG.md"))
	if err != nil {
		return fmt.Errorf("read the changelog: %w", err)
	}
	theirs, err := readIfThere(filepath.Join(old, "CHANGELOG.md"))
	if err != nil || old == "" {
		theirs = nil
	}
	u.noChangelog = theirs == nil
	u.entries = newEntries(string(ours), string(theirs))
	u.older = len(newEntries(string(theirs), string(ours)))
	u.protocol = facts{constant(filepath.Join(old, "internal", "wire"), "Version"), constant(filepath.Join(source, "internal", "wire"), "Version")}
	u.format = facts{constant(filepath.Join(old, "internal", "store"), "format"), constant(filepath.Join(source, "internal", "store"), "format")}
	u.same = old != "" && sameFolder(old, source)
	if u.copy == nil {
		return nil
	}
	added, changed, gone, err := compareFolders(old, u.copy.Folder)
	if err != nil {
		return fmt.Errorf("compare with %s: %w", old, err)
	}
	u.same = added+changed+gone == 0
	u.files = fmt.Sprintf("%d files: %d new, %d changed, %d gone", u.copy.Files, added, changed, gone)
	return nil
}

// compareFolders counts how the files in a folder differ from those of an old one.
func compareFolders(old, made string) (added, changed, gone int, err error) {
	err = filepath.WalkDir(made, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(made, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		before, err := os.ReadFile(filepath.Join(old, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			added++
		case err != nil:
			return err
		case filepath.Base(name) != "tower.sum" && !bytes.Equal(text, before):
			changed++
		}
		return nil
	})
	if err != nil {
		return 0, 0, 0, err
	}
	err = filepath.WalkDir(old, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(old, path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(made, name)); errors.Is(err, fs.ErrNotExist) {
			gone++
		}
		return nil
	})
	return added, changed, gone, err
}

// constant returns the value of a constant that the Go files in a folder declare by itself,
// or "".
func constant(folder, name string) (value string) {
	files, _ := filepath.Glob(filepath.Join(folder, "*.go")) // the pattern is valid
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil || strings.HasSuffix(file, "_test.go") {
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == 1 && len(spec.Values) == 1 && spec.Names[0].Name == name {
				if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
					value = literal.Value
				}
			}
			_, isFunc := n.(*ast.FuncDecl)
			return !isFunc
		})
	}
	if text, err := strconv.Unquote(value); err == nil {
		return text
	}
	return value
}

// describeModules says what changes in go.mod and go.sum.
func (u *Upgrade) describeModules() error {
	u.done = nil
	if u.files != "" {
		u.done = append(u.done, "update  "+scaffolds.Vendored+"  "+u.files)
	}
	if u.dropped {
		u.done = append(u.done, "remove  "+scaffolds.Vendored)
	}
	if !bytes.Equal(u.mod, u.newMod) {
		said, err := describeRequirements(u.mod, u.newMod)
		if err != nil {
			return err
		}
		u.done = append(u.done, strings.TrimSpace("update  go.mod  "+said))
	}
	if !bytes.Equal(u.sum, u.news) {
		u.done = append(u.done, fmt.Sprintf("update  go.sum  %d lines, %d before", lineCount(u.news), lineCount(u.sum)))
	}
	return nil
}

// Print writes the report: what has changed in tower, what is done, and what is left to do.
func (u *Upgrade) Print(w io.Writer) error {
	var b strings.Builder
	u.printChanges(&b)
	b.WriteString("\nDone:\n")
	for _, line := range u.done {
		b.WriteString("  " + line + "\n")
	}
	if u.derived != nil {
		for line := range strings.Lines(u.derived.String()) {
			b.WriteString("  " + strings.TrimLeft(line, " "))
		}
	}
	switch {
	case u.Unfit != nil:
		fmt.Fprintf(&b, "  tower %s:\n%s\n", u.Unfit, indented(u.Unfit.Output))
	case u.Running:
		b.WriteString("  built and vetted the application\n")
	default:
		b.WriteString("  built and vetted the application, and started it on an empty store\n")
	}
	b.WriteString("\nLeft to you:\n")
	for _, line := range u.left() {
		b.WriteString("  " + line + "\n")
	}
	b.WriteString("\nNo other file was touched.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (u *Upgrade) printChanges(b *strings.Builder) {
	u.printEntries(b)
	if u.protocol.changed() {
		fmt.Fprintf(b, "  the protocol: %s → %s; pages that are open load anew\n", u.protocol.old, u.protocol.new)
	}
	if u.format.changed() {
		fmt.Fprintf(b, "  the format of the data's file: %s → %s; the version before cannot open it again\n", u.format.old, u.format.new)
	}
}

func (u *Upgrade) printEntries(b *strings.Builder) {
	b.WriteString("Changed in tower:\n")
	if u.noChangelog {
		b.WriteString("  the version that the application had has no changelog to compare with; the new one's is CHANGELOG.md in tower's source\n")
		return
	}
	if u.older > 0 {
		fmt.Fprintf(b, "  %d entries of the old changelog are not in the new one: they were reworded, or this tower is older\n", u.older)
	}
	section := ""
	for _, e := range u.entries {
		if e.section != section {
			section = e.section
			b.WriteString("  " + section + "\n")
		}
		b.WriteString(indented(e.text) + "\n")
	}
	if len(u.entries) == 0 {
		b.WriteString("  nothing that the changelog names\n")
	}
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

// left returns what the person has to do.
func (u *Upgrade) left() (todo []string) {
	if u.Unfit != nil {
		todo = append(todo, "mend what the compiler says, by the changelog")
	}
	if u.format.changed() {
		todo = append(todo, "back up the data before the new build opens it: tower db backup")
	}
	todo = append(todo, "run the tests: tower test", "compare the models with the data: tower db status")
	if u.Running {
		todo = append(todo, "write the files that follow from the code, if you have them: tower generate types, tower generate openapi")
	}
	if _, err := os.Stat(filepath.Join(u.options.Folder, "vendor", "modules.txt")); err == nil {
		todo = append(todo, "bring the folder vendor up to date: go mod vendor")
	}
	if u.copy != nil {
		todo = append(todo, "install the command for others: go install ./cmd/tower, in "+scaffolds.Vendored)
	}
	return append(todo, "commit what has changed")
}
