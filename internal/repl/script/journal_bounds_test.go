package script

import (
	"strings"
	"testing"
)

// A request that is too large is refused before it is sent, and the session goes on.
func TestALargeRequestDoesNotEndTheSession(t *testing.T) {
	d := newDesk(t)
	d.must(`let large = "x".repeat(17 << 20); 0`)
	for _, code := range []string{
		`Note.create({text: large})`,
		`Note.where({text: large}).count()`,
		`Post.first().update({title: large})`,
		`as(ada).posts.create({title: large})`,
		`as(ada).call("POST /posts", {title: large})`,
		`transaction(() => Note.create({text: large}))`,
		`Note.create(Array.from({length: 3}, () => ({text: large})))`,
	} {
		d.expect(`try { `+code+`; "sent" } catch (e) { [e.code, e instanceof Error, e.message.replace(/\d{8}/g, "N")].join() }`,
			`"too_large,true,the request has N bytes, and at most N can be sent at once"`)
		d.expect(`Note.count() + Post.count()`, "4")
	}
	if got := d.must(`Note.create({text: "x".repeat(15 << 20)}).text.length`); got != "15728640" {
		t.Errorf("15 MiB: %s", got)
	}
	if _, failed := d.run(`Note.create({text: "x".repeat(17 << 20)})`); !strings.HasPrefix(failed, "too_large: ") {
		t.Errorf("uncaught: %.200s", failed)
	}
}
