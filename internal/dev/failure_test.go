package dev

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestBuildFailure(t *testing.T) {
	folder := t.TempDir()
	outside := filepath.Join(filepath.Dir(folder), "elsewhere", "x.go")
	tests := []struct {
		name, output string
		want         []Problem
	}{
		{
			"several", "go: downloading example.com/x v1.0.0\n# blog\n./main.go:5:23: declared and not used: x\n# blog/controllers\n" +
				"controllers/posts.go:12:5: undefined: foo\ncontrollers/posts.go:19:2: too many errors\n",
			[]Problem{
				{File: "main.go", Line: 5, Column: 23, Message: "declared and not used: x"},
				{File: "controllers/posts.go", Line: 12, Column: 5, Message: "undefined: foo"},
			},
		},
		{
			"of several lines", "./main.go:9:6: main redeclared in this block\n\t./main.go:5:6: other declaration of main\n",
			[]Problem{{File: "main.go", Line: 9, Column: 6, Message: "main redeclared in this block\n./main.go:5:6: other declaration of main"}},
		},
		{
			"elsewhere", outside + ":3:1: syntax error: unexpected }\n",
			[]Problem{{File: filepath.ToSlash(outside), Line: 3, Column: 1, Message: "syntax error: unexpected }"}},
		},
		{
			"import cycle", "package blog\n\timports blog/a from main.go\n\timports blog/b from a.go\n\timports blog/a from b.go: import cycle not allowed\n",
			[]Problem{{Message: "import cycle not allowed: blog → blog/a → blog/b → blog/a"}},
		},
		{
			"missing module", "b/b.go:2:8: no required module provides package github.com/spf13/cobra; to add it:\n\tgo get github.com/spf13/cobra\n",
			[]Problem{{
				File: "b/b.go", Line: 2, Column: 8, Hint: "go mod tidy",
				Message: "no required module provides package github.com/spf13/cobra; to add it:\ngo get github.com/spf13/cobra",
			}},
		},
		{
			"missing sum", "b/b.go:2:8: missing go.sum entry for module providing package github.com/spf13/cobra (imported by blog/b); to add:\n\tgo get blog/b\n",
			[]Problem{{
				File: "b/b.go", Line: 2, Column: 8, Hint: "go mod tidy",
				Message: "missing go.sum entry for module providing package github.com/spf13/cobra (imported by blog/b); to add:\ngo get blog/b",
			}},
		},
		{
			"go.mod", "go: errors parsing go.mod:\ngo.mod:2: unknown directive: bogus\n",
			[]Problem{{File: "go.mod", Line: 2, Message: "unknown directive: bogus"}},
		},
		{
			"moved source tree", "go: github.com/towerkit/tower@v0.0.0 (replaced by /gone): reading /gone/go.mod: open /gone/go.mod: no such file or directory\n",
			[]Problem{{
				Message: "github.com/towerkit/tower@v0.0.0 (replaced by /gone): reading /gone/go.mod: open /gone/go.mod: no such file or directory",
				Hint:    "correct the replace in go.mod: its folder does not exist",
			}},
		},
		{
			"linker", "# blog\nruntime.main_main·f: function main is undeclared in the main package\n",
			[]Problem{{Message: "runtime.main_main·f: function main is undeclared in the main package", Hint: "main.go needs a func main"}},
		},
		{"nothing", "", []Problem{{}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := buildFailure(folder, test.output).Errors; !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %#v\nwant %#v", got, test.want)
			}
		})
	}
}

func TestProblemHasItsSource(t *testing.T) {
	folder := t.TempDir()
	source := "one\ntwo\nthree\nfour\n\tx := \"é\" + foo\nsix\nseven\r\neight\nnine\n"
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	f := buildFailure(folder, filepath.Join(folder, "main.go")+":5:14: undefined: foo\nmain.go:1:1: no\nmain.go:99:1: not there\n../x.go:1:1: outside\n")
	want := []string{"two", "three", "four", "\tx := \"é\" + foo", "six", "seven", "eight"}
	if p := f.Errors[0]; p.File != "main.go" || p.From != 2 || !reflect.DeepEqual(p.Source, want) {
		t.Errorf("got %#v", p)
	}
	if p := f.Errors[1]; p.From != 1 || len(p.Source) != 4 {
		t.Errorf("got %#v", p)
	}
	for _, p := range f.Errors[2:] {
		if p.From != 0 || p.Source != nil {
			t.Errorf("got %#v", p)
		}
	}
	var text strings.Builder
	(&Failure{Title: "The build failed", Errors: f.Errors[:1]}).Print(&text, false)
	if want := "✗ The build failed\n  main.go:5:14  undefined: foo\n    x := \"é\" + foo\n               ^\n"; text.String() != want {
		t.Errorf("printed\n%s", text.String())
	}
}

func TestCrashFailure(t *testing.T) {
	folder := "/home/ada/blog"
	trace := strings.Split(`panic: runtime error: index out of range [3] with length 0 [recovered]
	panic: runtime error: index out of range [3] with length 0

goroutine 34 [running]:
net/http.(*conn).serve.func1()
	/usr/local/go/src/net/http/server.go:1947 +0xbe
panic({0x6a3e60?, 0xc0000160c0?})
	/usr/local/go/src/runtime/panic.go:787 +0x132
blog/controllers.(*Posts).item(...)
	/home/ada/blog/controllers/posts.go:31
blog/controllers.(*Posts).Index.func1({0x1, 0x2}, 0x3)
	/home/ada/blog/controllers/posts.go:22 +0x1d
created by main.start in goroutine 1
	/home/ada/blog/main.go:12 +0x86

goroutine 1 [chan receive]:
main.main()
	/home/ada/blog/main.go:20 +0x86`, "\n")
	f := crashFailure(folder, "exit status 2", trace, trace)
	want := []Problem{
		{
			File: "controllers/posts.go", Line: 31,
			Message: "panic: runtime error: index out of range [3] with length 0 [recovered]\n" +
				"panic: runtime error: index out of range [3] with length 0\nin controllers.(*Posts).item",
		},
		{File: "controllers/posts.go", Line: 22, Message: "in controllers.(*Posts).Index.func1"},
		{File: "main.go", Line: 12, Message: "in main.start"},
	}
	if !reflect.DeepEqual(f.Errors, want) {
		t.Errorf("got %#v", f.Errors)
	}
	f = crashFailure(folder, "exit status 2", []string{"bye"}, nil)
	if want := []Problem{{Message: "exit status 2"}}; !reflect.DeepEqual(f.Errors, want) || f.Text != "bye" {
		t.Errorf("got %#v", f)
	}
}

func TestStartFailure(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "views", "posts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "views", "posts", "index.html"), []byte("one\n{{if}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	line := "2026/11/22 10:00:00 template: posts/index.html:2: missing value for if"
	f := startFailure(folder, "exit status 1", []string{"gone.html:1: no", line, "bye"}, nil)
	want := []Problem{{
		File: "views/posts/index.html", Line: 2, Message: "missing value for if\nexit status 1", From: 1, Source: []string{"one", "{{if}}"},
	}}
	if !reflect.DeepEqual(f.Errors, want) {
		t.Errorf("got %#v", f.Errors)
	}
	f = startFailure(folder, "views/posts/index.html:2:3: no", nil, nil)
	want[0].Column, want[0].Message = 3, "no"
	if !reflect.DeepEqual(f.Errors, want) {
		t.Errorf("got %#v", f.Errors)
	}
	f = startFailure(folder, "exit status 1", []string{"bye"}, nil)
	if want := []Problem{{Message: "exit status 1"}}; !reflect.DeepEqual(f.Errors, want) {
		t.Errorf("got %#v", f.Errors)
	}
}

func TestLogHoldsTraces(t *testing.T) {
	var out strings.Builder
	l := &errorLog{out: &out}
	l.Write([]byte("one\ntw"))
	l.Write([]byte("o\npanic: no\n"))
	if out.String() != "one\ntwo\n" {
		t.Errorf("passed on %q", out.String())
	}
	l.Write([]byte("\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1\nexit status 2"))
	last, trace := l.end()
	if want := "panic: no\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1\nexit status 2"; strings.Join(trace, "\n") != want || out.String() != "one\ntwo\n" {
		t.Errorf("passed on %q, held %q", out.String(), trace)
	}
	if len(last) != 8 {
		t.Errorf("the last lines are %q", last)
	}

	out.Reset()
	l = &errorLog{out: &out}
	l.Write([]byte("panic: is only a word here\nand the next line\nthe last"))
	if _, trace := l.end(); trace != nil || out.String() != "panic: is only a word here\nand the next line\nthe last\n" {
		t.Errorf("passed on %q, held %q", out.String(), trace)
	}
}

func TestTerminalKeepsLinesApart(t *testing.T) {
	var out strings.Builder
	terminal := newTerminal(&out, false)
	terminal.startLine("building")
	terminal.finishLine("built")
	terminal.startLine("building")
	terminal.Write([]byte("a log\nhalf"))
	terminal.finishLine("built")
	terminal.startLine("building")
	terminal.startLine("building again")
	terminal.printLine("done")
	if want := "▸ building … built\n▸ building …\na log\nhalf\n▸ built\n▸ building …\n▸ building again …\n▸ done\n"; out.String() != want {
		t.Errorf("printed\n%s", out.String())
	}
}

// Builds with -trimpath name a file by its module.
func TestATrimmedTraceHasItsSource(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/blog\n", "main.go": "package main\n\nfunc main() { panic(1) }\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := crashFailure(folder, "it exited", nil, []string{"panic: 1", "", "goroutine 1 [running]:", "main.main()", "\texample.com/blog/main.go:3 +0x1d", "\tother.com/x/main.go:3 +0x1d"})
	if len(f.Errors) != 1 || f.Errors[0].place() != "main.go:3" || len(f.Errors[0].Source) != 3 {
		t.Errorf("%+v", f.Errors)
	}
}
