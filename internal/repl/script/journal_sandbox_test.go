package script

import (
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// audience is the clients of two users and a visitor, and the number of messages each
// has received.
type audience struct {
	clients []*towertest.Client
	frames  []int
}

func (d *desk) audience() *audience {
	d.t.Helper()
	a := &audience{clients: []*towertest.Client{d.app.Connect(d.t, d.ada.ID), d.app.Connect(d.t, d.bob.ID), d.app.Connect(d.t, "")}}
	for i, c := range a.clients {
		c.Open("posts.popular", nil)
		c.Open("posts.howMany", nil)
		if i < 2 {
			c.Open("posts.mine", nil)
		}
		a.frames = append(a.frames, len(c.Frames()))
	}
	return a
}

// received returns the messages since the last call. An answer arrives after all
// earlier messages.
func (a *audience) received() (all []string) {
	for i, c := range a.clients {
		c.Call("GET /greet", map[string]any{"word": "hi"})
		for _, frame := range c.Frames()[a.frames[i]:] {
			if !strings.Contains(frame, `"out":"hi `) {
				all = append(all, frame)
			}
		}
		a.frames[i] = len(c.Frames())
	}
	return all
}

func TestASandboxIsInvisibleUntilItIsCommitted(t *testing.T) {
	d := newDesk(t)
	d.e.enterSandbox()
	all := d.audience()
	d.must(`let p = Post.where({title: "two"}).first()`)
	d.expect(`diff()`, `[]`)
	d.expect(`impact().reachedAll`, `0`)
	d.must(`p.update({published: true, likes: 6}); as(bob).posts.create({title: "five"}); Post.where({title: "four"}).first().delete()`)
	if got := d.shows(`diff()`); !strings.HasPrefix(got, "3 changes\n~ Post ") || !strings.Contains(got, "    published  false → true\n    likes      5 → 6\n+ Post ") || !strings.Contains(got, `"five"`) || !strings.Contains(got, "\n- Post ") {
		t.Errorf("diff()\n%s", got)
	}
	want := `3 changes would reach 3 of 3 connections
  ada      posts.howMany  value   3
  ada      posts.mine     change  Post "two"
  ada      posts.popular  change  Post "two"
  bob      posts.howMany  value   4
  bob      posts.mine     leave   Post "four"
                          enter   Post "five"
  bob      posts.popular  leave   Post "four"
                          enter   Post "two"
  visitor  posts.popular  leave   Post "four"
                          enter   Post "two"`
	for range 2 {
		var got []string
		for line := range strings.Lines(d.shows(`impact()`)) {
			words := strings.Fields(line)
			if i := slices.Index(words, "Post"); i >= 0 { // omit the id
				line = strings.Replace(line, words[i+1]+" ", "", 1)
			}
			got = append(got, strings.TrimRight(line, "\n"))
		}
		if text := strings.Join(got, "\n"); text != want {
			t.Errorf("impact()\n%s\nwant\n%s", text, want)
		}
	}
	d.expect(`impact().reached.filter(r => r.user === "bob").length`, `3`)
	d.expect(`[Post.count(), as(null).posts.popular().pluck("title"), as(bob).posts.mine().count()]`, `[4,["two","three"],2]`)
	d.expect(`p.author.postsByAuthor.where({published: true}).count()`, `2`)
	d.expect(`as(bob).posts.announce({})`, `0`)
	if received := all.received(); len(received) > 0 {
		t.Errorf("a client received: %s", received)
	}
	if seq := d.app.Seq(); seq != 5 {
		t.Errorf("commit %d was made", seq)
	}
	d.expect(`commit()`, `3`)
	if received := all.received(); len(received) != 3 {
		t.Errorf("then %d clients received: %s", len(received), received)
	}
	d.expect(`[seq(), diff(6).length, Post.count(), commit()]`, `[6,3,4,0]`)
}

func TestASandboxThatCannotBeCommitted(t *testing.T) {
	d := newDesk(t)
	d.e.enterSandbox()
	d.must(`Post.all(); let p = Post.where({title: "one"}).first(); p.update({likes: 2}); Post.count()`)
	// Records that were only looked at may change.
	if _, err := journalPosts.Update(t.Context(), d.app, d.post("two").ID, func(p *Post) error { p.Likes = 50; return nil }); err != nil {
		t.Fatal(err)
	}
	d.expect(`Post.where({title: "two"}).first().likes`, `50`)
	d.expect(`commit()`, `1`)

	d.must(`p.update({likes: 3})`)
	if _, err := journalPosts.Update(t.Context(), d.app, d.post("one").ID, func(p *Post) error { p.Title = "uno"; return nil }); err != nil {
		t.Fatal(err)
	}
	id := string(d.post("uno").ID)
	const refused = "conflict: the records have changed since they were read\n  Post P  was updated by commit 6 (app): title\n  nothing was committed: diff() shows the contents of the sandbox, discard() drops it"
	for range 2 {
		if got := strings.ReplaceAll(d.shows(`commit()`), id, "P"); got != refused {
			t.Errorf("commit()\n%s", got)
		}
	}
	if got := strings.ReplaceAll(d.shows(`impact()`), id, "P"); !strings.Contains(got, "commit() would be refused, because this has changed since it was read:\n  Post P by commit 6 (app): title") {
		t.Errorf("impact()\n%s", got)
	}
	d.expect(`[diff().length, discard() === undefined, diff().length, commit()]`, `[1,true,0,0]`)
	d.expect(`p.reload(); [p.title, p.likes]`, `["uno",2]`)

	// A conflict over a unique value appears at the commit.
	d.must(`User.create({name: "ada"}); User.create({name: "eve"})`)
	d.expect(`commit()`, "invalid: not valid\n  name  is already taken\n  nothing was committed: diff() shows the contents of the sandbox, discard() drops it")
	d.must(`User.where({name: "ada"}).last().update({name: "adam"})`)
	d.expect(`commit()`, `2`)

	// Within a transaction all reads are checked, and a failed commit writes nothing.
	d.must(`transaction(() => { Post.count(); User.create({name: "fay"}) })`)
	if err := journalPosts.Delete(t.Context(), d.app, d.post("three").ID); err != nil {
		t.Fatal(err)
	}
	if got := d.shows(`commit()`); !strings.Contains(got, "posts  a query result was changed by commit ") {
		t.Errorf("commit()\n%s", got)
	}
	d.must(`discard(); try { transaction(() => { User.create({name: "gus"}); throw 1 }) } catch (e) {}`)
	d.expect(`diff().length`, `0`)
	d.expect(`undo(1); diff().map(d => d.op)`, `["delete"]`)
}

func (d *desk) post(title string) *Post {
	d.t.Helper()
	posts, err := journalPosts.All().Records(d.t.Context(), d.app)
	if err != nil {
		d.t.Fatal(err)
	}
	i := slices.IndexFunc(posts, func(p *Post) bool { return p.Title == title })
	if i < 0 {
		d.t.Fatalf("there is no post %s", title)
	}
	return posts[i]
}

func TestATriedFunctionIsRolledBack(t *testing.T) {
	d := newDesk(t)
	all := d.audience()
	d.expect(`impact(() => Post.where({title: "one"}).first().update({likes: 9})).reachedAll`, `3`)
	d.expect(`diff(() => { as(ada).posts.create({title: "x"}); Post.deleteAll() }).map(d => d.op)`, `["delete","delete","delete","delete"]`)
	d.expect(`impact(() => User.where({name: "bob"}).first().update({editor: true})).reached.map(r => r.cursor + " " + r.deltas.map(d => d.op))`, `["posts.howMany ","posts.mine change","posts.popular leave,enter"]`)
	d.expect(`impact(() => { Post.create({}) })`, "invalid: not valid\n  title  is required")
	d.expect(`impact(() => as(ada).posts.fail())`, "internal: panic in journalController.Fail: everything is gone; the server's log has the stack")
	d.expect(`impact(async () => {})`, "TypeError: impact takes a plain function, not an async one\n  impact(async () => {})\n        ^")
	d.expect(`impact(3)`, "TypeError: impact(() => { … }) tries a function; the live pane shows what commit 3 did\n  impact(3)\n        ^")
	d.expect(`[Post.count(), seq()]`, `[4,5]`)
	if received := all.received(); len(received) > 0 {
		t.Errorf("a client received: %s", received)
	}
	d.e.enterSandbox()
	d.must(`Post.create({title: "kept"})`)
	d.expect(`diff(() => Post.create({title: "tried"})).length`, `2`)
	d.expect(`diff().map(d => d.after.title)`, `["kept"]`)
}

func TestReadOnlyRefusesWritesOfActions(t *testing.T) {
	d := newDesk(t)
	d.e.ReadOnly = true
	for _, code := range []string{`as(ada).posts.create({title: "x"})`, `as(ada).call("POST /posts", {title: "x"})`, `Post.deleteAll()`, `undo(1)`,
		`transaction(() => Post.first().delete())`, `impact(() => Post.first().delete())`} {
		if _, failed := d.run(code); !strings.HasPrefix(failed, "read only: this console cannot write") {
			t.Errorf("%s: %s", code, failed)
		}
	}
	d.expect(`as(ada).posts.greet({word: "hi"})`, `"hi ada"`)
	d.expect(`[as(ada).posts.mine().count(), why(Post.first(), "posts.mine", ada).sees, at(1).User.count()]`, `[2,true,1]`)
	if d.app.Seq() != 3 {
		t.Error("the action wrote")
	}
}

func TestASandboxOutlivesTheApplication(t *testing.T) {
	d := newDesk(t)
	d.e.enterSandbox()
	d.must(`let p = Post.create({title: "new"}); p.update({likes: 2}); as(ada).posts.create({title: "by ada"}); Post.where({title: "four"}).deleteAll()
		try { transaction(() => { Post.create({title: "half"}); throw 1 }) } catch (e) {}`)
	before := d.must(`diff().map(d => d.op + " " + (d.after || d.before).title)`)
	id := d.must(`p.id`)
	// Another process does not know the transactions of this connection.
	client, err := control.Attach(t.Context(), wire.SocketPath(d.folder, d.folder), "console:mira")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	d.e.Remote = client
	if got := d.e.reattached(client.Hello()); got != "The application was restarted. The sandbox was restored: 4 writes repeated." {
		t.Error(got)
	}
	if after := d.must(`diff().map(d => d.op + " " + (d.after || d.before).title)`); after != before {
		t.Errorf("the sandbox contained %s, and now %s", before, after)
	}
	d.expect(`p.reload(); p.id`, id)
	if err := journalPosts.Delete(t.Context(), d.app, d.post("one").ID); err != nil {
		t.Fatal(err)
	}
	d.must(`discard(); let two = Post.where({title: "two"}).first(); two.update({likes: 1})`)
	if err := journalPosts.Delete(t.Context(), d.app, d.post("two").ID); err != nil {
		t.Fatal(err)
	}
	if got := d.e.reattached(client.Hello()); !strings.HasPrefix(got, "The application was restarted. The contents of the sandbox were lost: write 1, of posts, failed: there is no Post ") {
		t.Error(got)
	}
	d.expect(`[diff().length, two.title, p.title]`, `[0,"two","new"]`)
}
