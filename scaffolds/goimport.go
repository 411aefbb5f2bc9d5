package scaffolds

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	loneImport  = regexp.MustCompile(`(?m)^import ("[^"]+")(\r?)$`)
	blockImport = regexp.MustCompile(`(?m)^import \((\r?\n)`)
)

// withImport returns a Go file that imports a package: beside another of its folder, or
// else first, as one of the standard library.
func withImport(text []byte, pkg string) []byte {
	if imported, _ := usesImport(text, pkg); imported {
		return text
	}
	if folder := path.Dir(pkg); folder != "." {
		alone := regexp.MustCompile(`(?m)^import ("` + regexp.QuoteMeta(folder) + `")(\r?)$`)
		if alone.Match(text) {
			return alone.ReplaceAll(text, []byte("import ($2\n\t$1$2\n\t\""+pkg+"\"$2\n)$2"))
		}
		beside := regexp.MustCompile(`(?m)^\t"` + regexp.QuoteMeta(folder) + `(?:/[^"]*)?"(\r?\n)`)
		if at := beside.FindSubmatchIndex(text); at != nil {
			return []byte(string(text[:at[1]]) + "\t\"" + pkg + "\"" + string(text[at[2]:at[3]]) + string(text[at[1]:]))
		}
	}
	if at := blockImport.FindSubmatchIndex(text); at != nil {
		ending := string(text[at[2]:at[3]])
		between := ""
		if first, _, _ := strings.Cut(string(text[at[1]:]), "\n"); strings.Contains(first, ".") {
			between = ending // a group of its own
		}
		return []byte(string(text[:at[1]]) + "\t\"" + pkg + "\"" + ending + between + string(text[at[1]:]))
	}
	return loneImport.ReplaceAll(text, []byte("import ($2\n\t\""+pkg+"\"$2\n$2\n\t$1$2\n)$2"))
}

var shortBlock = regexp.MustCompile(`(?m)^import \(\r?\n\s*("[^"]+"\r?\n)\)\r?\n`)

// withoutImport returns a Go file without the import of a package, if nothing uses it.
func withoutImport(text []byte, pkg string) []byte {
	if imported, used := usesImport(text, pkg); !imported || used {
		return text
	}
	line := regexp.MustCompile(`(?m)^[ \t]*(import )?"` + regexp.QuoteMeta(pkg) + `"\r?\n`)
	at := line.FindIndex(text)
	if at == nil {
		return text
	}
	head, rest := string(text[:at[0]]), string(text[at[1]:])
	if strings.HasSuffix(strings.TrimRight(head, "\r\n"), "import (") {
		rest = strings.TrimLeft(rest, "\r\n") // the blank line after a group that is empty now
	}
	return shortBlock.ReplaceAll([]byte(head+rest), []byte("import $1"))
}

// withoutUnused returns a changed Go file without the imports that it used before and does not
// use any more.
func withoutUnused(before, after []byte) []byte {
	parsed, err := parser.ParseFile(token.NewFileSet(), "", after, parser.ImportsOnly)
	if err != nil {
		return after
	}
	for _, spec := range parsed.Imports {
		pkg, err := strconv.Unquote(spec.Path.Value)
		if err != nil || spec.Name != nil {
			continue
		}
		if _, used := usesImport(before, pkg); used {
			after = withoutImport(after, pkg)
		}
	}
	return after
}

// usesImport reports whether a Go file imports a package, and whether it uses it.
func usesImport(text []byte, pkg string) (imported, used bool) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return false, true
	}
	for _, spec := range parsed.Imports {
		imported = imported || spec.Path.Value == `"`+pkg+`"`
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := selector.X.(*ast.Ident); ok && id.Name == path.Base(pkg) {
				used = true
			}
		}
		return true
	})
	return imported, used
}

// parses reports whether a file is Go.
func parses(text []byte) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	return err == nil
}

// formatted returns a changed Go file in the format of gofmt, if it was before.
func formatted(before, after []byte) []byte {
	if old, err := format.Source(before); err != nil || !bytes.Equal(old, before) {
		return after
	}
	if text, err := format.Source(after); err == nil {
		return text
	}
	return after
}
