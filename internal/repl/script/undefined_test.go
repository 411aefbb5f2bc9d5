package script

import (
	"strings"
	"testing"
)

// Undefined is an error wherever a value is expected, and changes nothing.
func TestUndefinedIsNeverTakenForNothing(t *testing.T) {
	for _, test := range []struct{ code, message, at string }{
		{`Post.where({title: o.nothing}).updateAll({likes: 9})`, "title is undefined", "title:"},
		{`Post.where({likes: {gte: o.nothing}}).deleteAll()`, "likes.gte is undefined", "gte:"},
		{`Post.where({title: {in: ["a", o.nothing]}}).deleteAll()`, "title.in[1] is undefined", "in:"},
		{`Post.where({or: [{title: "x"}, {likes: o.nothing}]}).deleteAll()`, "or[1].likes is undefined", "likes:"},
		{`Post.where({and: [o.nothing]}).deleteAll()`, "and[0] is undefined", "and:"},
		{`Post.where({not: {title: o.nothing}}).deleteAll()`, "not.title is undefined", "title:"},
		{`Post.where({title: {not: o.nothing}}).deleteAll()`, "title.not is undefined", "not:"},
		{`Post.where(o.nothing).deleteAll()`, "the value is undefined", "("},
		{`Post.all().where({title: "x"}).where({body: o.nothing}).deleteAll()`, "body is undefined", "body:"},
		{`Post.asc(o.nothing).deleteAll()`, "the name of a field is undefined", "("},
		{`Post.desc("title", o.nothing).first().delete()`, "the name of a field is undefined", "("},
		{`Post.pluck(o.nothing)`, "the name of a field is undefined", "("},
		{`Post.limit(o.nothing).deleteAll()`, "limit takes a whole number, not undefined", "("},
		{`Post.offset(o.nothing).deleteAll()`, "offset takes a whole number, not undefined", "("},
		{`Post.offset(null).deleteAll()`, "offset takes a whole number, not null", "("},
		{`Post.first(o.nothing)`, "the number of records is undefined", "("},
		{`Post.last(o.nothing)`, "the number of records is undefined", "("},
		{`Post.limit(2).last(o.nothing)`, "the number of records is undefined", "("},
		{`Post.find(o.nothing)`, "Post.find needs an id", "("},
		{`Post.delete(o.nothing)`, "Post.delete needs an id", "("},
		{`Post.create(o.nothing)`, "Post.create takes an object of fields, not undefined", "("},
		{`Post.create({title: "x", body: o.nothing})`, "body is undefined", "body:"},
		{`Post.create({title: "x", tags: ["a", o.nothing]})`, "tags[1] is undefined", "tags:"},
		{`Post.create({title: "x", tags: ["a", , "c"]})`, "tags[1] is undefined", "tags:"},
		{`Post.create([{title: "x"}, o.nothing])`, "Post.create takes an object of fields, not undefined", "("},
		{`Post.create([{title: "x"}, {title: "y", body: o.nothing}])`, "[1].body is undefined", "body:"},
		{`Post.update(Post.first().id, {body: o.nothing})`, "body is undefined", "body:"},
		{`Post.update(Post.first().id, o.nothing)`, "Post.update takes an object of fields, not undefined", "("},
		{`Post.first().update({likes: o.nothing})`, "likes is undefined", "likes:"},
		{`Post.first().update()`, "Post.update takes an object of fields, not undefined", "("},
		{`Post.where({title: "x"}).updateAll({likes: o.nothing})`, "likes is undefined", "likes:"},
		{`Post.updateAll(o.nothing)`, "Post.updateAll takes an object of fields, not undefined", "("},
		{`transaction(o.nothing)`, "transaction takes a function: transaction(() => { … })", "("},
		{`transaction(() => Post.where({title: o.nothing}).deleteAll())`, "title is undefined", "title:"},
		{`as(o.nothing).posts.all()`, "a user is a record, its id, or null for a visitor, not undefined", "("},
		{`as().posts.all()`, "a user is a record, its id, or null for a visitor, not undefined", "("},
		{`as("").posts.all()`, "a user is a record, its id, or null for a visitor", "("},
		{`as(null).posts.create(o.nothing)`, "the input of posts.create is undefined", "("},
		{`as(null).posts.create({title: o.nothing})`, "title is undefined", "title:"},
		{`as(null).call("POST /posts", o.nothing)`, "the input is undefined", "("},
		{`as(null).call("POST /posts", {title: o.nothing})`, "title is undefined", "title:"},
		{`as(null).posts.all(o.nothing)`, "the input of posts.all is undefined", "("},
		{`as(null).cursor("posts.all", o.nothing)`, "the input of posts.all is undefined", "("},
		{`as(null).cursor("posts.all", {}, o.nothing)`, "what narrows posts.all is undefined", "("},
		{`as(null).cursor("posts.all", {}, {where: o.nothing})`, "the value is undefined", "("},
		{`as(null).cursor("posts.all", {}, {where: {title: o.nothing}})`, "title is undefined", "title:"},
		{`as(null).cursor("posts.all", {}, {order: o.nothing})`, "order is undefined", "order:"},
		{`as(null).cursor("posts.all", {}, {order: [o.nothing]})`, "[0] is undefined", "("},
		{`as(null).cursor("posts.all", {}, {order: "title"})`, `order is a list of fields: ["title", "-createdAt"]`, "("},
		{`as(null).cursor("posts.all", {}, {limit: o.nothing})`, "limit takes a whole number, not undefined", "("},
		{`why(Post.first(), "posts.all", o.nothing)`, "a user is a record, its id, or null for a visitor, not undefined", "("},
		{`why(Post.first(), "posts.all", null, o.nothing)`, "the input of posts.all is undefined", "("},
		{`diff(o.nothing)`, "the argument of diff is undefined", "("},
		{`impact(o.nothing)`, "the argument of impact is undefined", "("},
		{`undo(o.nothing)`, "undo takes the number of a commit: undo(812)", "("},
		{`at(o.nothing)`, "at takes the number of a commit: at(812)", "("},
	} {
		t.Run(test.code, func(t *testing.T) {
			s := newSession(t)
			s.must(seed + "; let o = {}")
			before := s.must(`JSON.stringify(Post.all())`)
			_, got := s.run(test.code)
			lines := strings.Split(got, "\n")
			if len(lines) < 3 || lines[0] != "TypeError: "+test.message {
				t.Fatalf("got %q, want %q", got, test.message)
			}
			mark := strings.IndexByte(lines[2], '^')
			if mark < 0 || !strings.HasPrefix(lines[1][mark:], test.at) {
				t.Errorf("it points elsewhere:\n%s", got)
			}
			if after := s.must(`JSON.stringify(Post.all())`); after != before {
				t.Errorf("it changed the data: %s", after)
			}
		})
	}
}

// An argument or a member that would be dropped is an error, and changes nothing: without it, a
// query has more records than was meant.
func TestNothingThatNarrowsIsDropped(t *testing.T) {
	for code, message := range map[string]string{
		`Post.deleteAll({title: "x"})`:                            "deleteAll takes no argument; where({…}).deleteAll() narrows",
		`Post.deleteAll(o.nothing)`:                               "deleteAll takes no argument; where({…}).deleteAll() narrows",
		`Post.where({title: "x"}).deleteAll({body: "y"})`:         "deleteAll takes no argument; where({…}).deleteAll() narrows",
		`Post.updateAll({likes: 9}, {title: "x"})`:                "updateAll takes one object, the new values; where({…}).updateAll({…}) narrows",
		`Post.where({likes: 0}, {title: "x"}).deleteAll()`:        "where takes one object; for one of several conditions: where({or: [{…}, {…}]})",
		`Post.all({title: "x"}).deleteAll()`:                      "all takes no argument; where({…}).all() narrows",
		`Post.all().all({title: "x"})`:                            "all takes no argument; where({…}).all() narrows",
		`Post.count({title: "x"})`:                                "count takes no argument; where({…}).count() narrows",
		`Post.limit(1, 2).deleteAll()`:                            "limit takes one argument",
		`Post.first(1, {title: "x"})`:                             "first takes one argument",
		`as(null).cursor("posts.all").count({title: "x"})`:        "count takes no argument; where({…}).count() narrows",
		`Post.create({title: "x"}, {title: "y"})`:                 "create takes one object, or a list of them: Post.create([{…}, {…}])",
		`Post.where(Object.create({title: "x"})).deleteAll()`:     "the inherited member title cannot be stored",
		`Post.where({__proto__: {title: "x"}}).deleteAll()`:       "the inherited member title cannot be stored",
		`Post.where({likes: Object.create({gt: 5})}).deleteAll()`: "the inherited member gt cannot be stored",
		`Post.where({[Symbol("title")]: "x"}).deleteAll()`:        "a member that is named by a symbol cannot be stored",
		`Post.updateAll(Object.create({title: "x"}))`:             "the inherited member title cannot be stored",
		`Post.create(Object.create({title: "x"}))`:                "the inherited member title cannot be stored",
		`as(null).posts.create(Object.create({title: "x"}))`:      "the inherited member title cannot be stored",
		`transaction(() => Post.deleteAll({title: "x"}))`:         "deleteAll takes no argument; where({…}).deleteAll() narrows",
	} {
		t.Run(code, func(t *testing.T) {
			s := newSession(t)
			s.must(seed + "; let o = {}")
			before := s.must(`JSON.stringify(Post.all())`)
			if _, got := s.run(code); !strings.HasPrefix(got, "TypeError: "+message+"\n") {
				t.Errorf("got %q, want %q", got, message)
			}
			if after := s.must(`JSON.stringify(Post.all())`); after != before {
				t.Errorf("it changed the data: %s", after)
			}
		})
	}
	s := newSession(t)
	for _, test := range [][2]string{
		{`["a", "b"].map(title => ({title})).map(Post.create).length`, "2"},
		{`class Filter { constructor() { this.title = "a" } }; Post.where(new Filter()).count()`, "1"},
		{`Post.all().deleteAll`, `"function deleteAll"`},
		{`let bare = Object.create(null); bare.title = "b"; Post.where(bare).count()`, "1"},
	} {
		if got := s.must(test[0]); got != test[1] {
			t.Errorf("%s is %s, want %s", test[0], got, test[1])
		}
	}
}

func TestOnlyDataIsStored(t *testing.T) {
	s := newSession(t)
	for code, what := range map[string]string{
		`/x/`: "a regular expression", `new Date("x")`: "an invalid date", `new Error("x")`: "an error", `Symbol("x")`: "a symbol",
		`() => 1`: "a function", `new Promise(() => {})`: "a promise", `new Proxy({}, {})`: "a proxy",
	} {
		for _, use := range []string{`Post.create({title: %})`, `Post.where({title: %})`, `as(null).posts.create({title: %})`} {
			if _, got := s.run(strings.Replace(use, "%", code, 1)); !strings.HasPrefix(got, "TypeError: "+what+" cannot be stored") {
				t.Errorf("%s in %s: %q", code, use, got)
			}
		}
	}
}

// Whatever is thrown is an Error of JavaScript.
func TestErrorsAreErrorsOfJavaScript(t *testing.T) {
	s := newSession(t)
	s.must(seed)
	for code, want := range map[string]string{
		`Post.create({body: "x"})`:           `["Error: the record is not valid",true,"Error","the record is not valid","invalid",{"title":["is required"]}]`,
		`Post.find("nope")`:                  `["Error: there is no record nope in posts",true,"Error","there is no record nope in posts","not_found",{}]`,
		`Post.where({titel: 1})`:             `["Error: Post has no field titel",true,"Error","Post has no field titel","unknown field",{}]`,
		`Post.where({title: undefined})`:     `["TypeError: title is undefined",true,"TypeError","title is undefined","TypeError",{}]`,
		`transaction(() => Post.create({}))`: `["Error: the record is not valid",true,"Error","the record is not valid","invalid",{"title":["is required"]}]`,
		`Post.all().wher`:                    `["TypeError: a query has no method wher",true,"TypeError","a query has no method wher","TypeError",{}]`,
	} {
		if got := s.must(`try { ` + code + ` } catch (e) { [String(e), e instanceof Error, e.name, e.message, e.code, e.problems] }`); got != want {
			t.Errorf("%s\n got %s\nwant %s", code, got, want)
		}
	}
	if got := s.must(`try { Post.create({}) } catch (e) { [Object.keys(e).sort().join(), typeof e.stack, "value" in e, JSON.stringify(e)] }`); got !=
		`["code,problems","string",false,"{\"code\":\"invalid\",\"problems\":{\"title\":[\"is required\"]}}"]` {
		t.Errorf("its members: %s", got)
	}
	if _, failed := s.run(`try { Post.create({}) } catch (e) { throw e }`); !strings.HasPrefix(failed, "invalid: the record is not valid\n") {
		t.Errorf("thrown again: %q", failed)
	}
}
