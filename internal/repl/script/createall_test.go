package script

import (
	"context"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/wire"
)

// A counter counts the requests that a console sends, and the bytes of the largest.
type counter struct {
	next interface {
		Do(ctx context.Context, req wire.ControlRequest, out any) error
	}
	sent    map[string]int
	largest int
}

func (c *counter) Do(ctx context.Context, req wire.ControlRequest, out any) error {
	c.sent[req.Do]++
	bytes := 0
	for _, set := range req.Sets {
		bytes += len(set)
	}
	c.largest = max(c.largest, bytes)
	return c.next.Do(ctx, req, out)
}

// A list is created as one commit, with a request for many records.
func TestCreateManyRecords(t *testing.T) {
	d := newDesk(t)
	c := &counter{next: d.e.Remote, sent: map[string]int{}}
	d.e.Remote = c
	var reported []int
	d.e.Progress = func(p Progress) { reported = append(reported, p.Writes) }
	before := d.must(`seq()`)
	d.expect(`let made = Note.create(Array.from({length: 1234}, (_, i) => ({text: "n" + i}))); [made.length, made.every((n, i) => n.text === "n" + i), Note.count(), seq() - `+before+`]`, `[1234,true,1234,1]`)
	if c.sent[wire.DoCreateAll] != 3 || c.sent[wire.DoCreate] != 0 {
		t.Errorf("sent %v", c.sent)
	}
	if d.e.meter.Writes != 1234 {
		t.Errorf("counted %d writes, and reported %v", d.e.meter.Writes, reported)
	}

	// Few large records, each in a request that can be sent.
	c.largest = 0
	d.expect(`Note.create(Array.from({length: 5}, (_, i) => ({text: "x".repeat(i === 2 ? 15 << 20 : 700_000)}))).map(n => n.text.length)`, `[700000,700000,15728640,700000,700000]`)
	if c.largest >= 16<<20 {
		t.Errorf("sent %d bytes at once", c.largest)
	}

	// One that is not valid refuses all, and is named by its place.
	seq := d.must(`seq()`)
	for code, want := range map[string]string{
		`Post.create(Array.from({length: 800}, (_, i) => ({title: i === 613 ? "" : "x", likes: i === 613 ? -1 : 0})))`: `{"613.likes":["must be at least 0"],"613.title":["is required"]}`,
		`User.create([{name: "eve"}, {name: "mal"}, {name: "ada"}])`:                                                   `{"2.name":["is already taken"]}`,
		`transaction(() => { Post.create({title: "a"}); Post.create([{title: "b"}, {title: "x".repeat(41)}]) })`:       `{"1.title":["is too long: at most 40 characters"]}`,
	} {
		d.expect(`(() => { try { `+code+`; return "created" } catch (e) { return e.problems } })()`, want)
		d.expect(`[seq(), Post.where({title: "x"}).count(), User.count()]`, "["+seq+",0,2]")
	}
	for code, want := range map[string]string{
		`Post.create([{title: "a"}, {title: "b"}, {title: seq.nothing}])`: "[2].title is undefined",
		`Post.create([{title: "a"}, , {title: "b"}])`:                     "[1] is undefined",
		`Post.create([{title: "a"}, {titel: "b"}])`:                       "Post has no field titel",
	} {
		if _, failed := d.run(code); !strings.Contains(failed, want) {
			t.Errorf("%s: %s", code, failed)
		}
		d.expect(`Post.count()`, "4")
	}
	d.expect(`Post.create([])`, `[]`)
}

// A sandbox keeps what was created, one write for each record, and repeats it.
func TestCreateManyRecordsInASandbox(t *testing.T) {
	d := newDesk(t)
	d.e.enterSandbox()
	d.must(`let ids = Note.create(Array.from({length: 700}, (_, i) => ({text: "n" + i}))).map(n => n.id)`)
	if n := d.e.sandbox.written(); n != 700 {
		t.Fatalf("the sandbox has %d writes", n)
	}
	if _, failed := d.run(`Post.create([{title: "a"}, {}])`); failed == "" || d.e.sandbox.written() != 700 {
		t.Fatalf("%q, and the sandbox has %d writes", failed, d.e.sandbox.written())
	}
	journal := d.e.sandbox.journal
	d.must(`discard()`)
	d.expect(`Note.count()`, "0")
	d.e.ctx = t.Context()
	if err := d.e.repeat(journal); err != nil {
		t.Fatal(err)
	}
	d.expect(`Note.all().map(n => n.id).join() === ids.slice().sort().join()`, "true")
	d.expect(`commit()`, "700")
}
