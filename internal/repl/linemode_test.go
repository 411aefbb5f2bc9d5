package repl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/fakeapp"
	"github.com/towerkit/tower/internal/wire"
)

// runOn runs a console on app and returns what it wrote.
func runOn(t *testing.T, app *fakeapp.App, o Options) (exit int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	o.Dial, o.Output, o.Err = dial(app), &stdout, &stderr
	if o.Input == nil {
		o.Input = strings.NewReader("")
	}
	exit = Run(t.Context(), o)
	return exit, stdout.String(), stderr.String()
}

func TestExpressions(t *testing.T) {
	for _, test := range []struct {
		name      string
		o         Options
		exit      int
		out, errs string
	}{
		{"a value", Options{Expr: []string{`1 + 1`}}, 0, "2\n", ""},
		{"text for a pipe", Options{Expr: []string{`"a\tb\n" + "c"`}}, 0, "a\tb\nc\n", ""},
		{"several, each result", Options{Expr: []string{`let x = 1; x + 1; x + 2`, `x + 3`}}, 0, "2\n3\n4\n", ""},
		{"nothing to show", Options{Expr: []string{`let y = 1; if (false) 1; [].forEach(print)`}}, 0, "", ""},
		{"nothing there", Options{Expr: []string{`({}).x`}}, 0, "undefined\n", ""},
		{"a record", Options{Expr: []string{`User.create({name: "ada"})`}}, 0,
			"id         01JBXYZ0000000000000000001\nname       ada\ncreatedAt  2026-11-22T10:00:01Z\nupdatedAt  2026-11-22T10:00:01Z\n", ""},
		{"a table", Options{Expr: []string{`Post.create([{title: "日本", likes: 10}, {title: "two", likes: 2, body: "a\nb"}]); Post.asc("likes")`}}, 0, `
id                          title  body  published  likes  createdAt             updatedAt
01JBXYZ0000000000000000001  日本         false         10  2026-11-22T10:00:01Z  2026-11-22T10:00:01Z
01JBXYZ0000000000000000002  two    a↵b   false          2  2026-11-22T10:00:02Z  2026-11-22T10:00:02Z
2 records
id                          title  body  published  likes  createdAt             updatedAt
01JBXYZ0000000000000000002  two    a↵b   false          2  2026-11-22T10:00:02Z  2026-11-22T10:00:02Z
01JBXYZ0000000000000000001  日本         false         10  2026-11-22T10:00:01Z  2026-11-22T10:00:01Z
2 records
`[1:], ""},
		{"json", Options{JSON: true, Expr: []string{`User.create({name: "a<b"}).name; Post.all(); [1, "x", null]; print("beside")`}}, 0,
			"\"a<b\"\n[]\n[1,\"x\",null]\n", "beside\n"},
		{"json that moves nothing", Options{JSON: true, Expr: []string{"({['\\u202e']: '\\u009b\\u{e0041}\\u115f日'})"}}, 0, "{\"\\u202e\":\"\\u009b\\udb40\\udc41\\u115f日\"}\n", ""},
		{"a syntax error changes nothing", Options{Expr: []string{"Post.create({title: 1})\nPost.("}}, 1, "",
			"-e:2:6: SyntaxError: Unexpected token (\n  Post.(\n       ^\n"},
		{"a failure stops the rest", Options{Expr: []string{`1; zzzz; 2`, `3`}}, 1, "1\n", "-e 1:1:4: ReferenceError: zzzz is not defined\n  1; zzzz; 2\n     ^\n"},
		{"problems of fields", Options{Expr: []string{`Post.create({body: "x"})`}}, 1, "",
			"-e:1:12: invalid: the record is not valid\n  Post.create({body: \"x\"})\n             ^\n  title  is required\n"},
		{"code that ends too early", Options{Expr: []string{`Post.create({`}}, 1, "", "-e:1:14: SyntaxError: the code ends too early\n  Post.create({\n               ^\n"},
		{"a script", Options{ScriptName: "seed.js", Script: strings.NewReader("User\n  .where({name: 'x'})\n  .count()\nif (false) { 1 }\nelse { 2 }\n")}, 0, "0\n2\n", ""},
		{"a failing script", Options{ScriptName: "seed.js", Script: strings.NewReader("let a = {}\n\n  a.b.c()\n")}, 1, "",
			"seed.js:3:5: TypeError: Cannot read property 'c' of undefined or null\n    a.b.c()\n      ^\n"},
		{"both", Options{Expr: []string{"1"}, Script: strings.NewReader("2")}, 2, "", "error: a script and expressions cannot be combined\n"},
		{"read only", Options{ReadOnly: true, Expr: []string{`Post.count(); Post.create({title: "x"})`}}, 1, "0\n",
			"-e:1:26: read only: this console cannot write\n  Post.count(); Post.create({title: \"x\"})\n                           ^\n  start it without --read-only\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			exit, out, errs := runOn(t, fakeapp.Start(t), test.o)
			if exit != test.exit || out != test.out || errs != test.errs {
				t.Errorf("exit %d\n%s\n%s\nwant %d\n%s\n%s", exit, out, errs, test.exit, test.out, test.errs)
			}
		})
	}
}

// A script prints a page of what it made, and JSON has all.
func TestMoreThanAPageIsSummedUp(t *testing.T) {
	const make = `Post.create(Array.from({length: 120}, (_, i) => ({title: "post " + i})))`
	for code, want := range map[string]string{
		make:                               "50 of 120 records · --json writes all\n",
		make + ".map(p => p.title)":        "50 of 120 items · --json writes all\n",
		"print(" + make + ".length); Post": "Post: the records of posts",
		make + ".length; Post.asc('id')":   "50 of 120 records · --json writes all\n",
		make + ".length; ({all: Post.all().map(p => p.likes)})":           "… 100 more]",
		make + ".length; Object.fromEntries(Post.map(p => [p.title, 1]))": "… 70 more}",
		make + ".length; new Set(Post.map(p => p.title))":                 "50 of 120 items · --json writes all\n",
		"'x'.repeat(20000)": strings.Repeat("x", 20000),
		"Array.from({length: 200}, () => 'y').join(`\n`)": strings.Repeat("y\n", 200),
	} {
		exit, out, errs := runOn(t, fakeapp.Start(t), Options{Expr: []string{code}})
		if lines := strings.Count(out, "\n"); exit != 0 || !strings.Contains(out, want) || lines > 60 && !strings.Contains(out, "y\ny\ny\n") || errs != "" {
			t.Errorf("%s: exit %d, %d lines, %s\n%.2000s", code, exit, lines, errs, out)
		}
		exit, out, errs = runOn(t, fakeapp.Start(t), Options{JSON: true, Expr: []string{code}})
		if exit != 0 || strings.Contains(out, "--json") || strings.HasPrefix(code, make) && !strings.Contains(out, "120") && strings.Count(out, ",") < 119 {
			t.Errorf("%s: exit %d, %s\n%.2000s", code, exit, errs, out)
		}
	}
}

// Statements that each write a record print a page of them, and everything else.
func TestManyWritesAreSummedUp(t *testing.T) {
	var code strings.Builder
	for i := range 120 {
		fmt.Fprintf(&code, "Post.create({title: 'post %d'})\n", i)
		if i == 99 {
			code.WriteString("Post.count()\nPost.first()\n")
		}
	}
	const note = "50 of 120 records that the code wrote are shown; --json writes all\n"
	for name, o := range map[string]func() Options{
		"piped":    func() Options { return Options{Input: strings.NewReader(code.String())} },
		"a script": func() Options { return Options{Script: strings.NewReader(code.String())} },
	} {
		exit, out, errs := runOn(t, fakeapp.Start(t), o())
		if exit != 0 || errs != note || strings.Count(out, "title ") != 51 || !strings.Contains(out, "\n100\n") {
			t.Errorf("%s: exit %d, %q, %d records", name, exit, errs, strings.Count(out, "title "))
		}
		all := o()
		all.JSON = true
		exit, out, errs = runOn(t, fakeapp.Start(t), all)
		if exit != 0 || errs != "" || strings.Count(out, "\n") != 122 {
			t.Errorf("%s: exit %d, %q, %d lines of JSON", name, exit, errs, strings.Count(out, "\n"))
		}
	}
}

func TestSandboxedRunLeavesNothing(t *testing.T) {
	app := fakeapp.Start(t)
	exit, out, _ := runOn(t, app, Options{Sandbox: true, Expr: []string{`Post.create({title: "x"}).title; Post.count()`}})
	if exit != 0 || out != "x\n1\n" || app.Count("posts") != 0 {
		t.Errorf("exit %d, %q, %d records", exit, out, app.Count("posts"))
	}
}

func TestNoApplicationListens(t *testing.T) {
	var errs bytes.Buffer
	dial := func(ctx context.Context) (*control.Client, error) {
		return control.Attach(ctx, t.TempDir()+"/s", "console:ada")
	}
	exit := Run(t.Context(), Options{Dial: dial, Expr: []string{"1"}, Err: &errs})
	if exit != 1 || !strings.Contains(errs.String(), "no application is running at") {
		t.Errorf("exit %d: %s", exit, errs.String())
	}
}

func TestPipe(t *testing.T) {
	for _, test := range []struct {
		name, in  string
		exit      int
		out, errs string
	}{
		{"lines", "let x = 1\nx + 1\n\n// a comment\nx + 2", 0, "2\n3\n", ""},
		{"over several lines", "let o = {\n  a: 1,\n\n  b: `x\n${1 + 1}\n`\n}\no.b\n", 0, "x\n2\n", ""},
		{"chained lines", "Post.all()\n  .limit(5)\n  .count()\nif (false) 1\nelse 2\n", 0, "0\n2\n", ""},
		{"a bracket in a pattern", "let r = x => /[({]/.test(x)\nr('(')\n", 0, "true\n", ""},
		{"an error names its line", "1\n\nlet y = {\n a: zzzz\n}\n2\n", 1, "1\n", "stdin:4:5: ReferenceError: zzzz is not defined\n   a: zzzz\n      ^\n"},
		{"a syntax error", "1\nfoo bar\n2\n", 1, "1\n", "stdin:2:5: SyntaxError: Unexpected identifier\n  foo bar\n      ^\n"},
		{"the end is missing", "1\nfoo(\n", 1, "1\n", "stdin:2:5: SyntaxError: the code ends too early\n  foo(\n      ^\n"},
		{"an error in an earlier function", "function f() {\n  zzzz()\n}\n\nf()\n", 1, "", "stdin:2:7: ReferenceError: zzzz is not defined\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			exit, out, errs := runOn(t, fakeapp.Start(t), Options{Input: strings.NewReader(test.in)})
			if exit != test.exit || out != test.out || errs != test.errs {
				t.Errorf("exit %d\n%s\n%s\nwant %d\n%s\n%s", exit, out, errs, test.exit, test.out, test.errs)
			}
		})
	}
}

func TestPipeAnswersEachStatementAsItArrives(t *testing.T) {
	app := fakeapp.Start(t)
	in, type_ := io.Pipe()
	out, w := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- Run(t.Context(), Options{Dial: dial(app), Input: in, Output: w, Err: io.Discard, JSON: true})
		w.Close()
	}()
	answers := bufio.NewReader(out)
	for i := range 3 {
		fmt.Fprintf(type_, "Post.create({title: 'n%d'}).title\n", i)
		if answer, err := answers.ReadString('\n'); err != nil || answer != fmt.Sprintf("\"n%d\"\n", i) {
			t.Fatalf("got %q %v", answer, err)
		}
	}
	type_.Close()
	if code := <-exit; code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestPipeOfThousands(t *testing.T) {
	const n = 5000
	app := fakeapp.Start(t)
	in, type_ := io.Pipe()
	go func() {
		for i := range n {
			fmt.Fprintf(type_, "User.create({name: \"user %d\"})\n", i)
		}
		type_.Close()
	}()
	exit, out, errs := runOn(t, app, Options{Input: in, JSON: true})
	if lines := strings.Count(out, "\n"); exit != 0 || lines != n || app.Count("users") != n {
		t.Errorf("exit %d, %d lines, %d records: %s", exit, lines, app.Count("users"), errs)
	}
}

func TestPipeOfOneLongStatement(t *testing.T) {
	var in strings.Builder
	in.WriteString("User.create([\n")
	for i := range 2000 {
		fmt.Fprintf(&in, "  {name: \"user %d\"},\n", i)
	}
	in.WriteString("]).length\n")
	if exit, out, errs := runOn(t, fakeapp.Start(t), Options{Input: strings.NewReader(in.String())}); exit != 0 || out != "2000\n" {
		t.Errorf("exit %d: %q %s", exit, out, errs)
	}
}

func TestLostApplicationEndsAPipe(t *testing.T) {
	app := fakeapp.Start(t)
	app.Before = func(req wire.ControlRequest) {
		if req.Do == wire.DoCreate {
			app.Drop()
		}
	}
	exit, _, errs := runOn(t, app, Options{Expr: []string{`Post.create({title: "x"})`}})
	if exit != 1 || !strings.Contains(errs, "the connection to the application was lost") {
		t.Errorf("exit %d: %s", exit, errs)
	}
}

func TestClosedOutputEndsAPipe(t *testing.T) {
	app := fakeapp.Start(t)
	for _, code := range []string{`for (;;) { print(1) }`, `1; while (true) {}`} {
		var errs bytes.Buffer
		o := Options{Dial: dial(app), Expr: []string{code}, Err: &errs}
		o.Output = writerFunc(func([]byte) (int, error) { return 0, errors.New("output closed") })
		if exit := Run(t.Context(), o); exit != 1 || errs.String() != "error: write the result: output closed\n" {
			t.Errorf("%s: exit %d: %q", code, exit, errs.String())
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
