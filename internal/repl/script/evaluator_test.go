package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/fakeapp"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A session is an evaluator on a [fakeapp.App], and its output.
type session struct {
	t       testing.TB
	app     *fakeapp.App
	e       *Evaluator
	printed []string
}

func newSession(t testing.TB) *session {
	t.Helper()
	app := fakeapp.Start(t)
	client := attach(t, app)
	s := &session{t: t, app: app, e: New(client.Hello(), client, Options{})}
	s.e.Print = func(values []show.Value) {
		s.printed = append(s.printed, strings.Join(show.Formatter{}.Printed(values), "\n"))
	}
	return s
}

// run evaluates code and returns its values as JSON and its failure as text.
func (s *session) run(code string) (values []string, failed string) {
	s.t.Helper()
	err := s.e.Run(s.t.Context(), Source{Text: code}, func(v show.Value) { values = append(values, string(show.AppendJSON(nil, v))) })
	var fault *show.Crash
	if errors.As(err, &fault) {
		s.t.Fatalf("%s\n%v\n%s", code, err, fault.Stack)
	}
	var known *show.Failure
	if errors.As(err, &known) {
		return values, strings.Join(show.Formatter{}.Failure(known), "\n")
	}
	if err != nil {
		failed = err.Error()
	}
	return values, failed
}

// must evaluates code that must not fail, and returns its last value.
func (s *session) must(code string) string {
	s.t.Helper()
	values, failed := s.run(code)
	if failed != "" {
		s.t.Fatalf("%s\n%s", code, failed)
	}
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

const seed = `
	User.create([{name: "ada"}, {name: "bob"}])
	Post.create([
		{title: "one", published: true, likes: 1, authorId: User.first().id},
		{title: "two", published: false, likes: 5},
		{title: "three", published: true, likes: 3, tags: ["a", "b"]},
	])`

func TestEvaluator(t *testing.T) {
	for _, test := range []struct{ name, code, want string }{
		{"arithmetic", `1 + 2`, `3`},
		{"text", `"a" + 'b'`, `"ab"`},
		{"object at the start of a line", `{a: 1, b: [true, null]}`, `{"a":1,"b":[true,null]}`},
		{"block at the start of a line", `{ let x = 2; x * 2 }`, `4`},
		{"html is not escaped", `"<a & b>"`, `"<a & b>"`},
		{"date", `new Date(0)`, `"1970-01-01T00:00:00.000Z"`},
		{"function", `(function f() {})`, `"function f"`},
		{"map", `new Map([[1, 2]])`, `[[1,2]]`},
		{"promise", `(async () => 7)()`, `7`},
		{"big integer", `9007199254740993n`, `9007199254740993`},
		{"class", `class A { constructor() { this.x = 1 } } new A()`, `{"x":1}`},
		{"hoisting", `let r = f(); function f() { return 3 } r`, `3`},
		{"last value", "20 + 1\n_ * 2", `42`},
		{"await", `await Post.count()`, `3`},
		{"await of a promise", `await (async () => 7)()`, `7`},
		{"await in a declaration", `let n = await Post.count(), {title} = await Post.first(), m = 1; [n, title, m]`, `[3,"one",1]`},
		{"await in a loop", "let all = []; for (const p of await Post.all()) { all.push(await p.title) }\nall", `["one","two","three"]`},
		{"await in an object", `{a: await 1}`, `{"a":1}`},
		{"await among others", "let a = 1\nlet b = await 2\nfunction f() { return a + b }\nf()", `3`},
		{"no await", `let x = "await"; x`, `"await"`},
		{"names outlive an await", "const z = await 5\nz + 1", `6`},

		{"create", `Post.create({title: "Hi"}).title`, `"Hi"`},
		{"create many", `Post.create([{title: "a"}, {title: "b"}]).map(p => p.title)`, `["a","b"]`},
		{"create from a date", `Post.create({title: "x", body: new Date(0)}).body`, `"1970-01-01T00:00:00.000Z"`},
		{"find", `Post.find(Post.first().id).title`, `"one"`},
		{"first", `Post.first().title`, `"one"`},
		{"first of some", `Post.where({published: true}).first().title`, `"one"`},
		{"first two", `Post.first(2).map(p => p.title)`, `["one","two"]`},
		{"first of none", `Post.where({title: "none"}).first()`, `null`},
		{"last", `Post.last().title`, `"three"`},
		{"last in order", `Post.desc("likes").last().title`, `"one"`},
		{"last of ties", `let tied = q => q.last(2).map(p => p.id).join() === q.pluck("id").slice(-2).join() && q.last().id === q.pluck("id").at(-1); ["published", "createdAt", "likes", "title"].every(f => tied(Post.desc(f)) && tied(Post.asc(f)) && tied(Post.desc(f).asc("id")))`, `true`},
		{"last by id", `["asc", "desc"].every(way => Post[way]("id").last().id === Post[way]("id").pluck("id").at(-1))`, `true`},
		{"last two", `Post.last(2).map(p => p.title)`, `["two","three"]`},
		{"last of a window", `Post.asc("likes").limit(2).last().title`, `"three"`},
		{"last two of a window", `Post.asc("likes").limit(2).last(2).map(p => p.likes)`, `[1,3]`},
		{"count", `Post.count()`, `3`},
		{"count some", `Post.where({published: true}).count()`, `2`},
		{"count a window", `Post.all().offset(1).limit(5).count()`, `2`},
		{"where", `Post.where({likes: {gte: 3}}).pluck("title")`, `["two","three"]`},
		{"where twice", `Post.where({likes: {gte: 3}}).where({likes: {lt: 5}}).pluck("title")`, `["three"]`},
		{"asc", `Post.asc("likes").pluck("likes")`, `[1,3,5]`},
		{"desc limit offset", `Post.where({likes: {gt: 0}}).desc("likes").limit(2).offset(1).pluck("likes")`, `[3,1]`},
		{"pluck several", `Post.asc("likes").limit(1).pluck("title", "likes")`, `[["one",1]]`},
		{"map", `Post.all().map(p => p.likes)`, `[1,5,3]`},
		{"filter", `Post.filter(p => p.likes > 2).length`, `2`},
		{"forEach", `let n = 0; Post.where({published: true}).forEach(p => { n += p.likes }); n`, `4`},
		{"for of", `let n = 0; for (const p of Post.all()) n += p.likes; n`, `9`},
		{"spread", `[...Post.all()].length`, `3`},
		{"index", `Post.desc("likes")[1].title`, `"three"`},
		{"index beyond", `typeof Post.all().limit(1)[1]`, `"undefined"`},
		{"length", `Post.where({published: true}).length`, `2`},
		{"lazy", `let q = Post.where({title: "later"}); Post.create({title: "later"}); q.count()`, `1`},
		{"stringify", `JSON.parse(JSON.stringify(Post.where({likes: 5})))[0].title`, `"two"`},
		{"query as text", `String(Post.where({likes: 5}).desc("title").limit(1).offset(2))`, `"Post.where({\"likes\":5}).desc(\"title\").limit(1).offset(2)"`},
		{"nested query", `({q: Post.where({likes: 5}).limit(1)}).q.pluck("title")`, `["two"]`},

		{"update", `Post.update(Post.first().id, {likes: 9}).likes`, `9`},
		{"record.update", `let p = Post.first(); p.update({title: "new"}); p.title + Post.first().title`, `"newnew"`},
		{"record.reload", `let p = Post.first(); Post.update(p.id, {likes: 8}); [p.likes, p.reload().likes, p.likes]`, `[1,8,8]`},
		{"record.delete", `Post.last().delete(); Post.count()`, `2`},
		{"delete", `Post.delete(Post.first().id)`, `true`},
		{"delete a record", `Post.delete(Post.first()); Post.count()`, `2`},
		{"a method by itself", `let make = Post.create; make({title: "x"}).title`, `"x"`},
		{"large integers keep their digits", `Post.create({title: "big", likes: 9007199254740993n}).likes`, `9007199254740993`},

		{"transaction", `transaction(() => { Post.create({title: "x"}); return Post.create({title: "y"}).title })`, `"y"`},
		{"reads in a transaction see its writes", `transaction(() => { Post.create({title: "x"}); return Post.count() })`, `4`},
		{"caught refusal", `try { Post.create({}) } catch (e) { [e.code, e.problems.title[0]] }`, `["invalid","is required"]`},

		{"seq", `seq()`, `814`},
		{"connections", `connections().map(c => c.user)`, `["ada","bob","visitor"]`},
		{"cursors", `cursors()[0].holders`, `2`},
		{"routes", `routes().map(r => r.name)`, `["posts.index","posts.create","posts.all"]`},
		{"help is text", `help().toString().includes("Post, User")`, `true`},
		{"help of a model", `help(Post).toString().includes("ref users")`, `true`},
		{"nothing but the application", `[typeof require, typeof process, typeof fetch, typeof setTimeout]`, `["undefined","undefined","undefined","undefined"]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSession(t)
			s.must(seed)
			if got := s.must(test.code); got != test.want {
				t.Errorf("%s\n got %s\nwant %s", test.code, got, test.want)
			}
		})
	}
}

func TestNamesOutliveTheirInput(t *testing.T) {
	s := newSession(t)
	s.must(`let a = 1; const b = 2; function f() { return a + b } class C {}`)
	s.must(`let a = 10; class C { x() { return 5 } }`)
	s.run(`let broken = nothing()`)
	s.must(`let broken = 1`)
	if got := s.must(`f() + new C().x() + broken`); got != "18" {
		t.Errorf("got %s", got)
	}
}

func TestFailures(t *testing.T) {
	for _, test := range []struct{ name, code, want string }{
		{"validation", `Post.create({body: "x"})`, "invalid: the record is not valid\n  title  is required"},
		{"not found", `Post.find("nope")`, "not_found: there is no record nope in posts"},
		{"model misspelled", `Pots.count()`, "ReferenceError: Pots is not defined\n  Pots.count()\n  ^\n  did you mean Post?"},
		{"model by its plural", `posts.count()`, "ReferenceError: posts is not defined\n  posts.count()\n  ^\n  did you mean Post?"},
		{"function misspelled", `conections()`, "ReferenceError: conections is not defined\n  conections()\n  ^\n  did you mean connections?"},
		{"require", `require("fs")`, "ReferenceError: require is not defined\n  require(\"fs\")\n  ^\n  only the application is available here: help()"},
		{"field misspelled in create", `Post.create({titel: "x"})`, "unknown field: Post has no field titel\n  Post.create({titel: \"x\"})\n               ^\n  did you mean title?"},
		{"field misspelled in where", `Post.where({publishd: true})`, "unknown field: Post has no field publishd\n  Post.where({publishd: true})\n              ^\n  did you mean published?"},
		{"field misspelled in order", `Post.desc("createdat")`, "unknown field: Post has no field createdat\n  Post.desc(\"createdat\")\n             ^\n  did you mean createdAt?"},
		{"field misspelled in pluck", `Post.pluck("liks")`, "unknown field: Post has no field liks\n  Post.pluck(\"liks\")\n              ^\n  did you mean likes?"},
		{"method misspelled", `Post.wher({})`, "TypeError: Post has no method wher\n  Post.wher({})\n       ^\n  did you mean where?"},
		{"create nothing", `Post.create("x")`, "TypeError: Post.create takes an object of fields: {title: …}\n  Post.create(\"x\")\n             ^"},
		{"find without an id", `Post.find()`, "TypeError: Post.find needs an id\n  Post.find()\n           ^"},
		{"find an object", `Post.find({})`, "TypeError: Post.find needs the id as a string\n  Post.find({})\n           ^"},
		{"where a function", `Post.where(p => p.likes)`, "TypeError: where takes an object of fields; to test records with a function: Post.filter(…)\n  Post.where(p => p.likes)\n            ^"},
		{"limit", `Post.limit("x")`, "TypeError: limit takes a whole number, not x\n  Post.limit(\"x\")\n            ^"},
		{"store a function", `Post.create({title: () => 1})`, "TypeError: a function cannot be stored\n  Post.create({title: () => 1})\n             ^"},
		{"store NaN", `Post.create({title: "x", likes: 0/0})`, "TypeError: NaN is not a number that can be stored\n  Post.create({title: \"x\", likes: 0/0})\n             ^"},
		{"store a cycle", `let o = {title: "x"}; o.body = o; Post.create(o)`, "TypeError: an object that contains itself cannot be stored\n  let o = {title: \"x\"}; o.body = o; Post.create(o)\n                                               ^"},
		{"update elsewhere", `Post.first().update.call({}, {})`, "TypeError: update is called on a record\n  Post.first().update.call({}, {})\n                          ^"},
		{"throw", `throw {a: 1}`, "thrown: {a: 1}"},
		{"rejected", `(async () => { throw new RangeError("no") })()`, "RangeError: no"},
		{"await what is rejected", `await Promise.reject(new RangeError("no"))`, "RangeError: no"},
		{"await nothing", `await new Promise(() => {})`, "this promise never settles: nothing runs later here"},
		{"syntax after await", "await Post.first()\nlet = = 2", "SyntaxError: Unexpected token =\n  let = = 2\n        ^"},
		{"error after await", "await 1\nawait nothing()", "ReferenceError: nothing is not defined\n  await nothing()\n        ^"},
		{"field that is none", `Post.first().titel`, "unknown field: Post has no field titel\n  Post.first().titel\n               ^\n  did you mean title?"},
		{"field that is none, far from any", `let {xyz} = Post.first()`, "unknown field: Post has no field xyz\n  let {xyz} = Post.first()\n       ^\n  it has id, title, body, authorId, published, likes, tags, createdAt, updatedAt and author"},
		{"private field", `User.first().passwordHash`, "private field: User.passwordHash is stored but never sent\n  User.first().passwordHash\n               ^\n  to read it, which the log will keep: reveal(record, \"passwordHash\")"},
		{"method that is none", `Post.all().wher`, "TypeError: a query has no method wher\n  Post.all().wher\n             ^\n  did you mean where?"},
		{"operator that is none", `Post.where({likes: {gtee: 3}})`, "unknown operator: Post.likes, of type int, cannot be tested with gtee\n  Post.where({likes: {gtee: 3}})\n                      ^\n  did you mean gte?"},
		{"operator of another type", `Post.where({tags: {gt: 3}})`, "unknown operator: Post.tags, of type list, cannot be tested with gt\n  Post.where({tags: {gt: 3}})\n                     ^\n  there is contains and exists"},
		{"help on nothing", `help("wher")`, "help: there is no help on wher\n  help(\"wher\")\n        ^\n  did you mean where?"},
		{"no sandbox", `impact()`, "no sandbox: there is nothing uncommitted\n  impact(() => { … }) runs a function and rolls its writes back; --sandbox keeps all writes uncommitted"},
		{"no number", `undo("x")`, "TypeError: undo takes the number of a commit: undo(812)\n  undo(\"x\")\n      ^"},
		{"too deep", `function f() { f() } f()`, "RangeError: the calls are nested too deeply"},
		{"syntax", `Post.create({title: "x" y})`, "SyntaxError: Unexpected identifier\n  Post.create({title: \"x\" y})\n                          ^"},
		{"syntax after wide letters", `let 日本 = = 1`, "SyntaxError: Unexpected token =\n  let 日本 = = 1\n             ^"},
		{"import", `import x from "y"`, "SyntaxError: Unexpected reserved word\n  import x from \"y\"\n  ^\n  modules are not available, only the application's models: help()"},
		{"in a longer input", "let x = 1\nx.y.z", "TypeError: Cannot read property 'z' of undefined\n  x.y.z\n      ^"},
		{"transaction in a transaction", `transaction(() => transaction(() => 1))`, "TypeError: transactions cannot be nested\n  transaction(() => transaction(() => 1))\n                               ^"},
		{"async transaction", `transaction(async () => 1)`, "TypeError: a transaction takes a plain function, not an async one\n  transaction(async () => 1)\n             ^"},
		{"control characters", `throw new Error("\x1b[2Jhi")`, `Error: \x1b[2Jhi`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSession(t)
			s.must(seed)
			before := s.app.Count("posts")
			if _, got := s.run(test.code); got != test.want {
				t.Errorf("%s\n got %s\nwant %s", test.code, got, test.want)
			}
			if after := s.app.Count("posts"); after != before {
				t.Errorf("%s changed the data", test.code)
			}
		})
	}
}

func TestUnfinishedCode(t *testing.T) {
	for _, code := range []string{"(", "{", "{a: 1,", "{a: 1, b:", "Post.create({", "[1,", "`text", "`a ${b", "function f() {", "if (x)", "x =>", "a.", "1 +",
		"/* comment", "await", "let x = await", "await f(", "await f({", "if (await x) {", "try { f() }", "switch (a) { case 1:", "'a\\\n"} {
		if _, err := compile(Source{Text: code}); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%q: got %v, want ErrIncomplete", code, err)
		}
	}
	for _, code := range []string{"", "  \n", "// comment", "1", "a b", "'text", "@", ")", "{}", "let r = /[({]/", "a / b / (c)", "`a ${`b ${c}`}`"} {
		if _, err := compile(Source{Text: code}); errors.Is(err, ErrIncomplete) {
			t.Errorf("%q is not unfinished", code)
		}
	}
	if _, err := compile(Source{Text: strings.Repeat("(", 1<<20)}); err == nil || errors.Is(err, ErrIncomplete) {
		t.Errorf("endless nesting: got %v, want a failure", err)
	}
}

func TestTransactionIsOneCommitOrNone(t *testing.T) {
	s := newSession(t)
	s.must(seed)
	seq := s.must(`seq()`)
	if _, failed := s.run(`transaction(() => { Post.create({title: "x"}); Post.first().delete(); throw new Error("no") })`); failed != "Error: no" {
		t.Errorf("got %q", failed)
	}
	if got := s.must(`[seq(), Post.count(), Post.first().title]`); got != "["+seq+`,3,"one"]` {
		t.Errorf("after the rollback: %s", got)
	}
	if _, failed := s.run(`Post.create([{title: "x"}, {}])`); !strings.Contains(failed, "is required") {
		t.Errorf("got %q", failed)
	}
	if got := s.must(`[seq(), Post.count()]`); got != "["+seq+`,3]` {
		t.Errorf("after half of a list: %s", got)
	}
	s.must(`transaction(() => { for (const p of Post.all()) p.update({likes: 0}) })`)
	if got := s.must(`[seq() - ` + seq + `, Post.pluck("likes")]`); got != "[1,[0,0,0]]" {
		t.Errorf("after the commit: %s", got)
	}
	if n := s.app.Transactions(); n != 0 {
		t.Errorf("%d transactions were left open", n)
	}
}

func TestInterrupt(t *testing.T) {
	s := newSession(t)
	s.must(seed + "\nlet kept = 1")
	for _, code := range []string{`print("here"); while (true) {}`, `transaction(() => { Post.create({title: "x"}); print("here"); for (;;) {} })`,
		`print("here"); [1].forEach(() => { try { while (true) {} } catch (e) {} })`, `print("here"); ({get x() { for (;;) {} }})`} {
		ctx, cancel := context.WithCancelCause(t.Context())
		s.e.Print = func([]show.Value) { cancel(ErrInterrupted) }
		err := s.e.Run(ctx, Source{Text: code}, func(show.Value) {})
		if err == nil || err.Error() != "stopped" {
			t.Errorf("%s: got %v", code, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.app.Before = func(req wire.ControlRequest) {
		if req.Do == wire.DoCreate {
			cancel(ErrInterrupted)
			<-ctx.Done()
		}
	}
	var known *show.Failure
	// The answer may still arrive first; it cannot if the request is never answered.
	if err := s.e.Run(ctx, Source{Text: `Post.create({title: "x"}); while (true) {}`}, func(show.Value) {}); !errors.As(err, &known) {
		t.Errorf("got %v", err)
	}
	s.app.Before = func(wire.ControlRequest) {}
	if got := s.must(`kept`); got != "1" {
		t.Errorf("the session was lost: %s", got)
	}
	if n := s.app.Transactions(); n != 0 {
		t.Errorf("%d transactions were left open", n)
	}
}

func TestProgressOfLongCode(t *testing.T) {
	s := newSession(t)
	for code, counts := range map[string]func(Progress) bool{
		`while (true) Post.count()`:                                     func(p Progress) bool { return p.Reads > 0 && p.Writes == 0 },
		`transaction(() => { while (true) Post.create({title: "x"}) })`: func(p Progress) bool { return p.Writes > 0 },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		s.e.Progress = func(p Progress) {
			if !counts(p) {
				t.Errorf("%s: %s", code, p)
			}
			cancel(ErrInterrupted)
		}
		if err := s.e.Run(ctx, Source{Text: code}, func(show.Value) {}); err == nil || err.Error() != "stopped" {
			t.Errorf("%s: %v", code, err)
		}
	}
	for p, want := range map[Progress]string{{1, 0}: "1 write", {0, 2000}: "2,000 reads", {3, 1}: "3 writes, 1 read"} {
		if p.String() != want {
			t.Errorf("%q, want %q", p, want)
		}
	}
}

func TestPrint(t *testing.T) {
	s := newSession(t)
	s.must(seed)
	s.must(`print("a", 1, {b: [2]}); console.log(Post.where({likes: 5})); console.error("\x1b]0;x")`)
	want := []string{`a 1 {b: [2]}`, `Post.where({"likes":5})`, `\x1b]0;x`}
	if fmt.Sprint(s.printed) != fmt.Sprint(want) {
		t.Errorf("got %q\nwant %q", s.printed, want)
	}
}

func TestReadOnly(t *testing.T) {
	s := newSession(t)
	s.must(seed)
	s.e.ReadOnly = true
	for _, code := range []string{`Post.create({title: "x"})`, `Post.first().delete()`, `Post.update(Post.first().id, {likes: 1})`, `Post.create([{title: "x"}])`} {
		if _, failed := s.run(code); failed != "read only: this console cannot write\n  start it without --read-only" {
			t.Errorf("%s: got %q", code, failed)
		}
	}
	if got := s.must(`Post.count()`); got != "3" {
		t.Errorf("got %s records", got)
	}
}

func TestSandbox(t *testing.T) {
	s := newSession(t)
	s.must(seed)
	s.e.enterSandbox()
	if got := s.must(`commit()`); got != "0" {
		t.Errorf("%s changes committed before the first write", got)
	}
	s.must(`Post.create({title: "x"}); transaction(() => Post.create({title: "y"})); Post.create([{title: "z"}])`)
	if inside, outside := s.must(`Post.count()`), s.app.Count("posts"); inside != "6" || outside != 3 {
		t.Errorf("%s records inside, %d outside", inside, outside)
	}
	s.must(`discard()`)
	if got := s.must(`Post.create({title: "kept"}); Post.count()`); got != "4" {
		t.Errorf("%s records after discard", got)
	}
	if got := s.must(`commit()`); got != "1" || s.app.Count("posts") != 4 {
		t.Errorf("%s changes committed, %d records", got, s.app.Count("posts"))
	}
	// Whatever happens to its transaction, a sandbox never writes outside of one.
	s.must(`Post.create({title: "lost"})`)
	s.app.ForgetTransactions()
	if _, failed := s.run(`commit()`); !strings.Contains(failed, "there is no such transaction") {
		t.Errorf("got %q", failed)
	}
	s.must(`Post.create({title: "held"})`)
	if got := s.app.Count("posts"); got != 4 {
		t.Errorf("%d records outside", got)
	}
}

func TestAdoptKeepsTheSession(t *testing.T) {
	s := newSession(t)
	s.must(seed + "\nlet p = Post.first()")
	hello := s.app.Hello()
	posts := hello.Models[0]
	posts.Fields = append(posts.Fields[:len(posts.Fields):len(posts.Fields)], wire.FieldInfo{Name: "summary", Type: "string"})
	hello.Models = []wire.ModelInfo{posts, hello.Models[1], {Name: "tags", Type: "Tag"}, {Name: "archive_posts", Type: "Post"}}
	s.e.adopt(hello)
	if got := s.must(`[p.title, String(Tag), String(archive_posts)]`); got != `["one","Tag","archive_posts"]` {
		t.Errorf("got %s", got)
	}
	if _, failed := s.run(`Post.where({summary: "x"})`); failed != "" {
		t.Errorf("the new field is not known: %s", failed)
	}
}

// fuzzed is the seed corpus: code of every kind.
var fuzzed = []string{`Post.create({title: "x"})`, `{a: [1, {b: 2}]}`, "`a ${b} c`", `for (const p of Post.all()) p.title`, `/[/]/.test("x")`,
	`transaction(() => Post.where({likes: {gt: 1}}).desc("title")[0])`, `new Proxy({}, {get: () => { throw 1 }})`, `Object.create(null)`,
	`Post.first().update.apply(Post, [])`, `({get a() { return this }, toString: 1, constructor: 1})`, `Symbol.iterator`, `[,1]`, `_ = _`,
	`Array(1e4)`, `Post.prototype`, `Object.setPrototypeOf(Post.all(), null)`, `Reflect.ownKeys(Post)`, `delete globalThis.Post; Post`,
	`Error.prototype`, `({get 0() { nothing }})`, `Promise.reject()`, `Date.prototype`, `let {a, ...b} = {a: 1, c: 2}; b`, `x = 1n << 64n`, `"\ud800"`,
	`await Post.first()`, `let {a, b: [c]} = await x, d`, `for (const p of await Post.all()) await p`, `await 1 }) (() => {`, `{a: await 1}`, "await `${await 1}`",
	`as(User.first()).posts.create({title: "x"})`, `as(null).cursor("posts.popular", {}, {where: {}, order: ["-likes"], limit: 1})`, `as(null).call("POST /posts", {})`,
	`why(Post.first(), "posts.popular", null, {})`, `at(1).Post.find("x").author`, `undo(1)`, `diff(() => Post.deleteAll())`, `impact(() => { while (1); })`,
	`Post.where({or: [{likes: {gte: 3}}, {not: {title: {contains: "x"}}}]}).updateAll({likes: 1})`, `Post.first().author.posts.first()`, `help(help)`, `help("as")`,
	`Object.setPrototypeOf(Post.first(), as(null))`, `Object.assign(as(null), {x: 1})`, `at(0) + as(null)`, `let p = Post.first(); p.__proto__ = p; p`,
	`Object.defineProperty(Post.first().constructor, "x", {})`, `class A extends Post {}; new A()`, `Post.first.call(as(null))`, `JSON.stringify(as(null))`,
	`Object.getPrototypeOf(Object.getPrototypeOf(Post.first())).x`, `commit(); discard(); commit`}

func FuzzEvaluator(f *testing.F) {
	for _, code := range fuzzed {
		f.Add(code)
	}
	app := fakeapp.Start(f)
	client := attach(f, app)
	f.Fuzz(func(t *testing.T, code string) { fuzzWith(t, client, code) })
}

// FuzzEvaluatorOnAnApplication is [FuzzEvaluator] on a real application.
func FuzzEvaluatorOnAnApplication(f *testing.F) {
	for _, code := range fuzzed {
		f.Add(code)
	}
	d := newDesk(f)
	client := d.e.Remote.(*control.Client)
	f.Fuzz(func(t *testing.T, code string) { fuzzWith(t, client, code) })
}

// fuzzWith checks that for any code the console shows a value or a failure, on lines
// that the code cannot break.
func fuzzWith(t *testing.T, client *control.Client, code string) {
	if len(code) > 4096 {
		return
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200e6, ErrInterrupted)
	defer cancel()
	e := New(client.Hello(), client, Options{})
	e.Preview = len(code) % 2 * 50
	if e.Items = e.Preview; len(code)%3 > 0 {
		e.enterSandbox()
		defer func() {
			if tx := e.sandbox.tx; tx != 0 {
				_ = client.Do(context.Background(), wire.ControlRequest{Do: wire.DoRollback, Tx: tx}, nil)
			}
		}()
	}
	err := e.Run(ctx, Source{Name: "fuzz", Text: code}, func(v show.Value) {
		show.AppendJSON(nil, v)
		for _, width := range []int{0, 7, 60} {
			for _, line := range (show.Formatter{Width: width}).Lines(v) {
				if ansi := term.Clean(line); ansi != line {
					t.Errorf("%q shows %q", code, line)
				}
			}
		}
	})
	var fault *show.Crash
	var known *show.Failure
	switch {
	case errors.As(err, &fault):
		t.Fatalf("%q: %v\n%s", code, err, fault.Stack)
	case errors.As(err, &known):
		show.Formatter{Width: 40}.Failure(known)
	case err != nil && !errors.Is(err, ErrIncomplete):
		t.Fatalf("%q: %v is not a failure", code, err)
	}
	e.Complete(code)
}
