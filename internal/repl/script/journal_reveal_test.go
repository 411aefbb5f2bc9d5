package script

import (
	"strconv"
	"strings"
	"testing"
)

// What is private is revealed to a person who agrees, once the log keeps that.
func TestARevealIsLogged(t *testing.T) {
	d := newDesk(t)
	all := d.audience()
	id := string(d.ada.ID)
	before := d.app.Seq()
	d.confirms(true)
	d.expect(`reveal(ada, "secret")`, `"hush"`)
	if want := "reveal secret of User " + id + " (it is private; the log will keep that you read it)"; len(d.asked) != 1 || d.asked[0] != want {
		t.Errorf("asked %q", d.asked)
	}
	if d.app.Seq() != before+1 {
		t.Errorf("commit %d after %d", d.app.Seq(), before)
	}
	entry := `"by":"console:mira","what":"reveal secret of users/` + id + `"}`
	if got := d.must(`log(1)`); !strings.HasSuffix(got, entry+"]") || strings.Contains(got, "hush") {
		t.Errorf("log(1): %s", got)
	}
	d.must(`ada.update({name: "Ada"}); bob.update({name: "Bob"})`)
	if got := d.must(`log(ada)`); strings.Count(got, `"seq"`) != 3 || !strings.Contains(got, "update name of User "+id) || !strings.Contains(got, entry) || !strings.Contains(got, `create User \"ada\" `+id) || strings.Contains(got, "Bob") {
		t.Errorf("log(ada): %s", got)
	}
	d.expect(`log(ada, 2).length + log(3).length`, "5")
	d.expect(`diff(`+strconv.FormatUint(before+1, 10)+`).length`, "0")
	d.must(`undo(` + strconv.FormatUint(before+1, 10) + `)`)
	// Nobody received anything, and clients go on after it.
	d.must(`Post.create({title: "after", likes: 9, published: true, authorId: ada})`)
	if got := all.received(); len(got) == 0 || strings.Contains(strings.Join(got, ""), "hush") || strings.Contains(strings.Join(got, ""), "resync") {
		t.Errorf("%q", got)
	}
}

// A console lists the devices of a user and ends them.
func TestSessionsAreListedAndEnded(t *testing.T) {
	d := newDesk(t)
	d.app.Connect(t, d.ada.ID)
	d.app.Connect(t, d.ada.ID)
	d.app.Connect(t, d.bob.ID)
	d.app.Connect(t, "")
	d.expect(`[sessions().length, sessions(ada).length, sessions(ada)[0].user, sessions(ada)[1].connections.length]`, `[3,2,"ada",1]`)
	d.expect(`connections().map(c => c.session ? c.session.id : 0).filter(id => id === sessions(ada)[0].id).length`, "1")
	d.expect(`let s = sessions(ada)[0]; Object.keys(s)`, `["user","userId","device","remote","method","since","seen","connections","id"]`)
	d.expect(`s.end()`, "true")
	d.expect(`[sessions().length, connections().length]`, "[2,3]")
	d.expect(`sessions(ada).end(); sessions().map(s => s.user)`, `["bob"]`)
	d.expect(`log(4).map(e => e.what.split(" ").slice(0, 2).join(" ")).filter(what => what.startsWith("end"))`, `["end all","end session"]`)
	for code, want := range map[string]string{
		`s.end()`:             "not_found: this session has ended already",
		`sessions(null)`:      "TypeError: a visitor has no session",
		`sessions(undefined)`: "TypeError: a user is a record, its id, or null for a visitor, not undefined",
		`sessions().end()`:    "TypeError: ",
		`transaction(() => sessions(bob)[0].end())`: "transaction: ",
		`diff(() => sessions(bob).end())`:           "transaction: ",
	} {
		if _, failed := d.run(code); !strings.HasPrefix(failed, want) {
			t.Errorf("%s: %q", code, failed)
		}
	}
	d.e.ReadOnly = true
	if _, failed := d.run(`sessions(bob)[0].end()`); !strings.HasPrefix(failed, "read only: ") {
		t.Errorf("%q", failed)
	}
	d.e.ReadOnly = false
	d.e.enterSandbox()
	if _, failed := d.run(`sessions(bob)[0].end()`); !strings.HasPrefix(failed, "transaction: ") {
		t.Errorf("%q", failed)
	}
	d.expect(`sessions(bob).length`, "1")
}

// Whatever is thrown is an Error with a message, a code and problems.
func TestEveryErrorHasACode(t *testing.T) {
	d := newDesk(t)
	for code, want := range map[string]string{
		`Post.create({likes: "x"})`:                  "invalid",
		`Post.find("01J")`:                           "not_found",
		`Post.where({titel: 1})`:                     "unknown field",
		`Post.where({title: undefined})`:             "TypeError",
		`Post.limit(-1)`:                             "TypeError",
		`Post.first().title = "x"`:                   "TypeError",
		`Post.first().secret`:                        "unknown field",
		`ada.secret`:                                 "private field",
		`reveal(ada, "secret")`:                      "private",
		`readFile("/none")`:                          "Error",
		`readFile()`:                                 "TypeError",
		`writeFile("/none/x\u202e", "y")`:            "Error",
		`parseCSV("a\n\"")`:                          "SyntaxError",
		`csv(1)`:                                     "TypeError",
		`nope`:                                       "ReferenceError",
		`null.x`:                                     "TypeError",
		`throw new RangeError("mine")`:               "RangeError",
		`JSON.parse("{")`:                            "SyntaxError",
		`as(ada).posts.nope()`:                       "*",
		`as("\u202e\u{e0041}").posts.mine().count()`: "*",
		`at(999999).Post.count()`:                    "*",
		`undo(999999)`:                               "not_found",
		`sessions(null)`:                             "TypeError",
		`log("x")`:                                   "TypeError",
		`help("\u{e0041}")`:                          "help",
		`transaction(() => { throw new TypeError("x") })`: "TypeError",
	} {
		got := d.must(`{ let caught; try { ` + code + ` } catch (e) { caught = e }; [caught instanceof Error, caught.code, typeof caught.message, typeof caught.problems] }`)
		if want == "*" {
			want = strings.Split(got, `"`)[1]
		}
		if got != `[true,"`+want+`","string","object"]` || want == "undefined" || want == "" {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
	d.expect(`let mine = new Error("x"); mine.code = 7; mine.problems = {a: ["b"]}; [mine.code, mine.problems.a[0], new Error("y").code, Object.keys(new Error("z")).length]`, `[7,"b","Error",0]`)
}

// A reveal that is refused reads nothing and makes no commit.
func TestARevealIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		prepare    func(d *desk)
		code, want string
	}{
		"nobody to ask":  {func(*desk) {}, `reveal(ada, "secret")`, "private: there is no one to ask whether to reveal secret of User"},
		"not agreed":     {func(d *desk) { d.confirms(false) }, `reveal(ada, "secret")`, "not done"},
		"read only":      {func(d *desk) { d.e.ReadOnly = true }, `reveal(ada, "secret")`, "read only: "},
		"a sandbox":      {func(d *desk) { d.e.enterSandbox() }, `reveal(ada, "secret")`, "sandbox: "},
		"a transaction":  {func(d *desk) { d.e.Yes = true }, `transaction(() => reveal(ada, "secret"))`, "transaction: "},
		"a trial":        {func(d *desk) { d.e.Yes = true }, `diff(() => reveal(ada, "secret"))`, "transaction: "},
		"the past":       {func(d *desk) { d.e.Yes = true }, `reveal(at(seq()).User.first(), "secret")`, "past: "},
		"as a user":      {func(d *desk) { d.e.Yes = true }, `as(ada).reveal(ada, "secret")`, "TypeError: a user sees no private field"},
		"another's eyes": {func(d *desk) { d.e.Yes = true }, `reveal(as(ada), "secret")`, "TypeError: reveal takes a record"},
		"a public field": {func(d *desk) { d.e.Yes = true }, `reveal(ada, "name")`, "TypeError: User.name is not private"},
		"no field":       {func(d *desk) { d.e.Yes = true }, `reveal(ada, "secre")`, "unknown field: User has no field secre"},
		"no record":      {func(d *desk) { d.e.Yes = true }, `reveal("` + "01J" + `", "secret")`, "TypeError: reveal takes a record"},
		"a record gone": {func(d *desk) {
			d.e.Yes = true
			d.must(`let gone = User.create({name: "x", secret: "y"}); gone.delete()`)
		}, `reveal(gone, "secret")`, "not_found: there is no User"},
		"a log of words":  {func(*desk) {}, `log("x")`, "TypeError: log takes a record"},
		"a log of nobody": {func(*desk) {}, `log(undefined)`, "TypeError: the argument of log is undefined"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			test.prepare(d)
			before := d.app.Seq()
			values, failed := d.run(test.code)
			if !strings.HasPrefix(failed, test.want) || strings.Contains(strings.Join(values, ""), "hush") || d.app.Seq() != before {
				t.Errorf("%v %q, commit %d after %d", values, failed, d.app.Seq(), before)
			}
		})
	}
	d := newDesk(t)
	d.e.Yes = true
	d.expect(`reveal(ada, "secret")`, `"hush"`)
	d.expect(`String(help("reveal")).includes('reveal(User.first(), "secret")')`, "true")
}
