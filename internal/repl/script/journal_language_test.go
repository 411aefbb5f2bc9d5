package script

import (
	"strings"
	"testing"
)

func TestReferencesAreFollowed(t *testing.T) {
	d := newDesk(t)
	for code, want := range map[string]string{
		`Post.first().author.name`:                                  `"ada"`,
		`Post.first().reviewer`:                                     `null`,
		`Post.where({title: "two"}).first().reviewer.name`:          `"bob"`,
		`ada.postsByAuthor.pluck("title")`:                          `["one","two"]`,
		`bob.postsByAuthor.where({likes: {gt: 3}}).pluck("title")`:  `["three"]`,
		`bob.postsByReviewer.count()`:                               `1`,
		`Note.create({postId: Post.first(), text: "x"}).post.title`: `"one"`,
		`Post.first().notes.count()`:                                `0`,
		`String(ada.postsByAuthor).startsWith("Post.where(")`:       `true`,
		`Object.keys(Post.first()).includes("author")`:              `false`,
		`Post.where({authorId: bob}).count()`:                       `2`,
		`Post.where({authorId: {in: [ada, bob]}}).count()`:          `4`,
		`"author" in Post.first()`:                                  `true`,
		`"authro" in Post.first()`:                                  `false`,
		`JSON.stringify(Post.first()).includes("title")`:            `true`,
		`let p = Post.first(); p.mark = 1; p.mark`:                  `1`,
		`transaction(() => { let u = User.create({name: "eve"}); Post.create({title: "x", authorId: u}); return u.postsByAuthor.count() })`: `1`,
	} {
		t.Run(code, func(t *testing.T) {
			d := newDesk(t)
			d.expect(code, want)
		})
	}
	d.expect(`ada.posts`, "unknown field: User has no field posts\n  ada.posts\n      ^\n  it has id, createdAt, updatedAt, name, editor, postsByAuthor and postsByReviewer")
}

func TestManyAreChangedAtOnce(t *testing.T) {
	d := newDesk(t)
	d.confirms(true)
	d.expect(`Post.where({published: true}).updateAll({likes: 7})`, `3`)
	d.expect(`Post.where({likes: 7}).count()`, `3`)
	d.expect(`Post.where({likes: 99}).deleteAll()`, `0`)
	d.expect(`Post.desc("likes").limit(2).deleteAll()`, `2`)
	if got := strings.Join(d.asked, "; "); got != "update 3 of posts; delete 2 of posts" {
		t.Errorf("asked: %s", got)
	}
	d.confirms(false)
	d.expect(`Post.deleteAll()`, `not done`)
	d.expect(`Post.count()`, `2`)
	d.expect(`Post.updateAll({titel: "x"})`, "unknown field: Post has no field titel\n  Post.updateAll({titel: \"x\"})\n                  ^\n  did you mean title?")
	d.expect(`Post.updateAll({likes: -1})`, "not done")

	// In production destructive calls ask first; a script has no one to ask.
	d.e.Hello.Env = "production"
	d.expect(`Post.first().delete()`, `not done`)
	d.expect(`undo(1)`, `not done`)
	d.expect(`as(ada).posts.delete(Post.first())`, `not done`)
	d.e.Confirm = nil
	d.expect(`Post.deleteAll()`, "production: there is no one to ask whether to delete 2 of posts\n  tower console --yes answers yes to every question")
	d.expect(`Post.first().update({likes: 1}).likes`, `1`)
	d.e.Yes = true
	d.expect(`Post.deleteAll()`, `2`)
}

func TestAUserActsInTheConsole(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct{ code, want string }{
		{`as(ada).posts.create({title: "by ada"}).author.name`, `"ada"`},
		{`as(ada.id).posts.mine().pluck("title")`, `["one","two","by ada"]`},
		{`as(null).posts.popular().pluck("title")`, `["three","four"]`},
		{`as(ada).posts.popular().pluck("title")`, `["two","three"]`},
		{`as(ada).cursor("posts.popular").records.length`, `2`},
		{`as(ada).cursor("posts.popular", {}, {where: {title: "two"}, limit: 1}).pluck("likes")`, `[5]`},
		{`as(ada).posts.popular().first().title`, `"two"`},
		{`as(ada).posts.popular().last().title`, `"three"`},
		{`as(ada).posts.popular()[1].title`, `"three"`},
		{`as(ada).posts.popular().offset(1).limit(5).pluck("title")`, `["three"]`},
		{`as(ada).posts.popular().count()`, `2`},
		{`[as(ada).posts.howMany(), as(null).value("posts.howMany")]`, `[5,3]`},
		{`as(bob).posts.one({id: Post.where({title: "two"}).first().id}).count()`, `0`},
		{`as(ada).posts.update(Post.where({title: "one"}).first(), {title: "uno"}).title`, `"uno"`},
		{`let r = as(bob).call("PATCH /posts/" + Post.first().id, {title: "mine"}); [r.status, r.error.code, r.out === undefined]`, `[403,"forbidden",true]`},
		{`let s = as(bob).call("POST /posts", {title: ""}); [s.status, s.problems.title]`, `[422,["is required"]]`},
		{`let q = as(bob).call("POST /posts", {title: "x"}); [q.status, q.out.title, q.error]`, `[201,"x",null]`},
		{`as(ada).posts.greet({word: "hi"})`, `"hi ada"`},
		{`as(as(ada)).posts.greet({word: "hi"})`, `"hi ada"`},
		{`as(ada).user === ada.id`, `true`},
		{`as(ada).posts.mine().included("users").map(u => u.name)`, `["ada"]`},
		{`as(bob).posts.mine().included(User).map(u => u.name)`, `["bob"]`},
		{`as(ada).routes().length > 3`, `true`},
		{`[ada, bob, null].map(u => as(u).routes().some(r => r.name === "posts.mine"))`, `[true,true,false]`},
		{`as(ada).posts.delete(Post.where({title: "x"}).first().id) && Post.where({title: "x"}).count()`, `0`},
		{`transaction(() => { as(ada).posts.create({title: "a"}); as(bob).posts.create({title: "b"}) }); diff(seq()).length`, `2`},
	} {
		d.expect(c.code, c.want)
	}
	if got := d.shows(`as(null)`); got != "cursor         sees  note\nposts.popular     2\nposts.mine           you may not open posts.mine\nposts.one            needs id\nposts.howMany     3\n4 items" {
		t.Errorf("a visitor sees\n%s", got)
	}
	for _, c := range []struct{ code, want string }{
		{`as(null).posts.create({title: "x"})`, "unauthenticated: sign in to write"},
		{`as(bob).posts.update(Post.first().id, {title: "x"})`, "forbidden: only its author may change a post"},
		{`as(ada).posts.popular.count()`, "TypeError: posts.popular is a function\n  as(ada).posts.popular.count()\n                        ^\n  did you mean posts.popular().count?"},
		{`as(ada).posts.popular().included("users")`, "not_found: posts.popular includes no users; it includes nothing"},
		{`as(ada).posts.popular().included("usres")`, "not_found: there is no model usres\n  as(ada).posts.popular().included(\"usres\")\n                                    ^\n  did you mean users?"},
		{`as(ada).posts.create({titel: "x"})`, "unknown input: posts.create takes no titel\n  as(ada).posts.create({titel: \"x\"})\n                        ^\n  did you mean title?"},
		{`as(ada).posts.popula()`, "TypeError: posts has no popula\n  as(ada).posts.popula()\n                ^\n  did you mean popular?"},
		{`as(ada).psots`, "TypeError: as(…) has no psots\n  as(ada).psots\n          ^\n  did you mean posts?"},
		{`as(ada).cursor("posts.everything")`, "not_found: there is no cursor posts.everything\n  as(ada).cursor(\"posts.everything\")\n                  ^\n  there is posts.popular, posts.mine and posts.one"},
		{`as(ada).cursor("posts.howMany")`, "TypeError: posts.howMany carries a value: value(\"posts.howMany\")\n  as(ada).cursor(\"posts.howMany\")\n                ^"},
		{`as("nobody").posts.popular().count()`, "unauthenticated: there is no User nobody"},
		{`as("nobody")`, "unauthenticated: there is no User nobody"},
		{`as({})`, "TypeError: a user is a record, its id, or null for a visitor\n  as({})\n    ^"},
		{`as(ada).posts.popular().where({likes: 3}).count()`, "forbidden: posts.popular cannot be narrowed by likes"},
		{`as(ada).posts.popular().deleteAll()`, "TypeError: posts.popular shows what a user sees; to delete records: Post.where(…).deleteAll(…)\n  as(ada).posts.popular().deleteAll()\n                                   ^"},
		{`as(ada).posts.fail()`, "internal: panic in journalController.Fail: everything is gone; the server's log has the stack"},
		{`as(ada).posts.update({title: "x"})`, "TypeError: posts.update needs id: {id, title}\n  as(ada).posts.update({title: \"x\"})\n                      ^"},
	} {
		d.expect(c.code, c.want)
	}
}

func TestWhy(t *testing.T) {
	d := newDesk(t)
	d.must(`let p = Post.where({title: "one"}).first(), two = Post.where({title: "two"}).first(), four = Post.where({title: "four"}).first()`)
	for _, c := range []struct{ code, want string }{
		{`why(p, "posts.popular", ada)`, `ada does not see Post P "one" in posts.popular
  posts where likes >= 3 by -likes limit 2

  ✓ journalController.Allow(Popular)
  ✗ likes >= 3                        likes is 1
  ✓ journalController.Match
  → likes >= 3 decides`},
		{`why(two, "posts.popular", bob)`, `bob does not see Post P "two" in posts.popular
  posts where likes >= 3 by -likes limit 2

  ✓ journalController.Allow(Popular)
  ✓ likes >= 3                        likes is 5
  ✗ journalController.Match
  → journalController.Match decides`},
		{`why(two, "posts.popular", ada)`, `ada sees Post P "two" in posts.popular
  posts where likes >= 3 by -likes limit 2

  ✓ journalController.Allow(Popular)
  ✓ likes >= 3                        likes is 5
  ✓ journalController.Match
  ✓ rank 1, of the first 2: inside
  → everything matches`},
		{`why(four, "posts.popular", ada.id)`, `ada does not see Post P "four" in posts.popular
  posts where likes >= 3 by -likes limit 2

  ✓ journalController.Allow(Popular)
  ✓ likes >= 3                        likes is 3
  ✓ journalController.Match
  ✗ rank 3, of the first 2: beyond
  → the window decides`},
		{`why(p, "posts.mine")`, `visitor does not see Post P "one" in posts.mine

  ✗ journalController.Allow(Mine)
  → journalController.Allow(Mine) decides`},
		{`why(two, "posts.one", bob, {id: p.id})`, `bob does not see Post P "two" in posts.one
  posts where id is "ID:one"

  ✓ journalController.Allow(One)
  ✗ id is "ID:one"                id is "P"
  ✗ journalController.Match
  → id is "ID:one" decides`},
	} {
		got := d.shows(c.code)
		for _, name := range []string{"p", "two", "four"} {
			id := strings.Trim(d.must(name+".id"), `"`)
			got = strings.ReplaceAll(got, "Post "+id, "Post P")
			if name == "two" {
				got = strings.ReplaceAll(got, `id is "`+id+`"`, `id is "P"`)
			}
			got = strings.ReplaceAll(got, id, "ID:one")
		}
		got = strings.ReplaceAll(got, `id is "ID:one"                      `, `id is "ID:one"`)
		if want := c.want; got != want && strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s\n got %s\nwant %s", c.code, got, want)
		}
	}
	d.expect(`let w = why(four, "posts.popular", ada); [w.sees, w.rank, w.decided, w.tests[1].value]`, `[false,3,"window",3]`)
	d.expect(`why(p)`, "TypeError: why needs a cursor of posts\n  why(p)\n     ^\n  there is posts.popular, posts.mine and posts.one")
	d.expect(`why(ada, "posts.popular", ada)`, "bad_request: posts.popular holds posts, not users")
	d.expect(`why("x")`, "TypeError: why takes a record, a cursor and a user: why(Post.first(), \"posts.popular\", user)\n  why(\"x\")\n     ^")
}

func TestReadingAtACommit(t *testing.T) {
	d := newDesk(t)
	d.must(`let before = seq(); Post.where({title: "one"}).first().update({title: "uno", likes: 9, authorId: bob}); let p = Post.where({title: "uno"}).first()`)
	for _, c := range []struct{ code, want string }{
		{`at(before).Post.find(p.id).title`, `"one"`},
		{`at(before).Post.find(p.id).author.name`, `"ada"`},
		{`at(before).User.find(ada.id).postsByAuthor.count()`, `2`},
		{`at(before).Post.where({likes: {gte: 3}}).count()`, `3`},
		{`at(before).as(null).posts.popular().pluck("title")`, `["three","four"]`},
		{`as(null).posts.popular().pluck("title")`, `["uno","three"]`},
		{`at(before).why(p, "posts.popular").sees`, `false`},
		{`why(p, "posts.popular").sees`, `true`},
		{`why(at(before).Post.find(p.id), "posts.popular").sees`, `false`},
		{`at(0).Post.count()`, `0`},
		{`String(at(3).Post.all())`, `"at(3).Post.all()"`},
		{`at(before).Post.find(p.id).update({title: "x"})`, `forbidden: the past cannot be changed`},
		{`at(before).Post.create({title: "x"})`, `forbidden: the past cannot be changed`},
		{`at(99).Post.count()`, `not_found: commit 99 does not exist yet; the newest is 4`},
		{`at(before).Pots`, "TypeError: at(3) has no Pots\n  at(before).Pots\n             ^\n  did you mean Post?"},
		{`at("x")`, "TypeError: at takes the number of a commit: at(1)\n  at(\"x\")\n    ^"},
	} {
		d.expect(c.code, c.want)
	}
}

func TestUndoInTheConsole(t *testing.T) {
	d := newDesk(t)
	d.must(`let p = Post.where({title: "one"}).first(); p.update({title: "uno", likes: 9}); let changed = seq()`)
	want := `1 change
~ Post P "uno"
    title  "one" → "uno"
    likes  1 → 9`
	id := strings.Trim(d.must("p.id"), `"`)
	if got := strings.ReplaceAll(d.shows(`diff(changed)`), id, "P"); got != want {
		t.Errorf("diff\n%s", got)
	}
	d.must(`p.update({published: false})`)
	if got := d.shows(`undo(changed)`); got != "commit 4 was undone by commit 6: 1 record" {
		t.Error(got)
	}
	d.expect(`p.reload(); [p.title, p.likes, p.published]`, `["one",1,false]`)
	if got := strings.ReplaceAll(d.shows(`undo(changed)`), id, "P"); got != "conflict: commit 4 cannot be undone: a later commit conflicts with it\n  Post P  was updated by commit 6 (console:mira): title, likes" {
		t.Error(got)
	}
	d.expect(`undo(99)`, "not_found: there is no commit 99; the newest is 6")
	d.expect(`[diff(6)[0].op, diff(6)[0].before.title, diff(6)[0].after.title]`, `["update","uno","one"]`)
}
