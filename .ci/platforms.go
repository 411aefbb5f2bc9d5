// Command platforms checks the types of every package for other platforms, from source. A compiler takes six
// times the processor time, which goes into code that nobody runs.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	for _, target := range os.Args[1:] {
		if err := check(target); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", target, err)
			os.Exit(1)
		}
	}
}

// check fails unless every package has the types of a target, as in darwin/arm64.
func check(target string) error {
	own, err := os.Getwd()
	if err != nil {
		return err
	}
	system, arch, _ := strings.Cut(target, "/")
	all, err := packages.Load(&packages.Config{
		Mode: packages.LoadAllSyntax,
		Env:  append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch),
		ParseFile: func(files *token.FileSet, name string, text []byte) (*ast.File, error) {
			file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
			if err == nil && !strings.HasPrefix(name, own+string(filepath.Separator)) {
				dropBodies(file)
			}
			return file, err
		},
	}, "./...")
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("there are no packages in %s", own)
	}
	if n := faults(all); n > 0 {
		return fmt.Errorf("%d errors", n)
	}
	return nil
}

// dropBodies leaves what other packages see of a file.
func dropBodies(file *ast.File) {
	for _, declared := range file.Decls {
		if function, ok := declared.(*ast.FuncDecl); ok {
			function.Body = nil
		}
	}
}

// faults prints the errors of packages, and returns how many there are.
func faults(all []*packages.Package) (n int) {
	for _, p := range all {
		for _, err := range p.Errors {
			fmt.Fprintln(os.Stderr, err)
			n++
		}
	}
	return n
}
