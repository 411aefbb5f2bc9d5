package replica

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/wire"
)

const (
	a1 = "01JA00000000000000000000A1"
	b2 = "01JB00000000000000000000B2"
	c3 = "01JC00000000000000000000C3"
	d4 = "01JD00000000000000000000D4"
)

// golden reads a golden frame of the protocol.
func golden(t *testing.T, name string, frame any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", name+".json"))
	if err == nil {
		err = json.Unmarshal(data, frame)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A follower is a replica, the list of ids built from its steps, and the steps.
type follower struct {
	*Replica
	t     *testing.T
	ids   []string
	steps []string
}

func follow(t *testing.T) *follower { return &follower{Replica: &Replica{}, t: t} }

func (f *follower) open(name string) {
	f.t.Helper()
	var answer wire.Answer
	golden(f.t, name, &answer)
	f.answer(&answer)
}

func (f *follower) answer(answer *wire.Answer) {
	f.t.Helper()
	steps, err := f.Answer(answer)
	if err != nil {
		f.t.Fatal(err)
	}
	f.note(steps)
}

func (f *follower) commit(name string, number uint64) {
	f.t.Helper()
	var commit wire.Commit
	golden(f.t, name, &commit)
	records, err := ByID(commit.Records)
	if err != nil {
		f.t.Fatal(err)
	}
	steps, err := f.Apply(commit.Seq, commit.Cursors[number], records)
	if err != nil {
		f.t.Fatal(err)
	}
	f.note(steps)
}

func (f *follower) note(steps []Step) {
	f.t.Helper()
	f.steps = nil
	for _, s := range steps {
		f.steps = append(f.steps, strings.TrimSpace(s.Op+" "+s.ID))
		if s.Included {
			continue
		}
		at := slices.Index(f.ids, s.ID)
		if at >= 0 && (s.Op == "leave" || s.After != nil) {
			f.ids = slices.Delete(f.ids, at, at+1)
		}
		switch {
		case s.Op != "enter" && s.Op != "change":
		case s.After != nil:
			f.ids = slices.Insert(f.ids, slices.Index(f.ids, *s.After)+1, s.ID)
		case at < 0:
			f.ids = append(f.ids, s.ID)
		}
		if s.Count != nil && *s.Count != len(f.ids) {
			f.t.Errorf("%s %s counts %d of %v", s.Op, s.ID, *s.Count, f.ids)
		}
	}
}

func (f *follower) holds(ids ...string) {
	f.t.Helper()
	if !slices.Equal(f.IDs(), ids) || f.Len() != len(ids) {
		f.t.Errorf("holds %v, want %v", f.IDs(), ids)
	}
	if !slices.Equal(f.ids, ids) {
		f.t.Errorf("the steps lead to %v, want %v", f.ids, ids)
	}
	for _, record := range f.Records() {
		if record == nil {
			f.t.Errorf("a record is missing: %s", f.Records())
		}
	}
}

func TestGoldenFrames(t *testing.T) {
	f := follow(t)
	f.open("answer_open")
	f.holds(b2, a1)
	if f.At != "01J8ZQ4T6M0000000000000001:812" || f.Seq != 812 || f.Model != "posts" || !slices.Equal(f.steps, []string{"enter " + b2, "enter " + a1, "current"}) {
		t.Errorf("%+v by %v", f.Replica, f.steps)
	}
	f.commit("commit", 17)
	f.holds(c3, b2)
	if f.At != "01J8ZQ4T6M0000000000000001:813" || !strings.Contains(string(f.Record(b2)), "Second, edited") || f.Record(a1) != nil {
		t.Errorf("at %s: %s", f.At, f.Records())
	}

	merged := follow(t)
	merged.open("answer_open")
	merged.commit("commit_merged", 17)
	merged.holds(d4, b2)

	resumed := follow(t)
	resumed.open("answer_open")
	resumed.open("answer_delta")
	resumed.holds(c3, b2)
	if !slices.Equal(resumed.steps, []string{"leave " + a1, "enter " + c3, "current"}) {
		t.Errorf("steps: %v", resumed.steps)
	}
}

func TestGoldenFramesOfAListOfAPage(t *testing.T) {
	f := follow(t)
	f.open("answer_items")
	f.commit("commit_items", 18)
	f.holds(b2, c3)
	var html string
	if err := json.Unmarshal(f.Record(b2), &html); err != nil || html != `<li data-id="`+b2+`">Second, edited</li>` || !f.HTML {
		t.Errorf("%q: %v", html, err)
	}
	// A frame may contain the record for another cursor.
	first := ""
	records := Records{"posts": {b2: json.RawMessage(`{"id":"` + b2 + `"}`)}}
	if _, err := f.Apply(815, &wire.Delta{Change: []wire.Entry{{ID: b2, After: &first}}}, records); err != nil || !strings.Contains(string(f.Record(b2)), "edited") {
		t.Errorf("%s: %v", f.Record(b2), err)
	}
}

func TestGoldenFramesOfAValue(t *testing.T) {
	f := follow(t)
	f.open("answer_value")
	f.commit("commit_value", 19)
	if string(f.Value) != "13" || !slices.Equal(f.steps, []string{"value"}) {
		t.Errorf("%s by %v", f.Value, f.steps)
	}
	f.commit("commit_value", 20)
	if string(f.Value) != "null" {
		t.Errorf("%s", f.Value)
	}
}

func TestGoldenFramesOfIncludedRecords(t *testing.T) {
	f := follow(t)
	f.answer(&wire.Answer{At: "E:1", Model: "posts", IDs: []string{"01JA"}, Include: map[string][]string{"users": {"01J5"}},
		Records: map[string][]json.RawMessage{"posts": {json.RawMessage(`{"id":"01JA"}`)}, "users": {json.RawMessage(`{"id":"01J5"}`)}}})
	clone := f.Clone()
	f.commit("commit_include", 17)
	f.holds("01JD")
	if !slices.Equal(f.Includes(), []string{"users"}) || !slices.Equal(f.Included("users"), []string{"01J7"}) || string(f.IncludedRecord("users", "01J7")) != `{"id":"01J7","name":"Ada"}` {
		t.Errorf("includes %v", f.included)
	}
	f.open("answer_include")
	f.holds("01JD")
	if !slices.Equal(f.steps, []string{"current"}) {
		t.Errorf("records that are already there take steps: %v", f.steps)
	}
	if !slices.Equal(clone.IDs(), []string{"01JA"}) || !slices.Equal(clone.Included("users"), []string{"01J5"}) {
		t.Errorf("the copy has changed: %v, %v", clone.IDs(), clone.included)
	}
}

func TestGoldenFrameOfAClosedCursor(t *testing.T) {
	f := follow(t)
	f.answer(&wire.Answer{At: "E:1", Model: "posts", IDs: []string{c3}, Records: map[string][]json.RawMessage{"posts": {json.RawMessage(`{"id":"` + c3 + `"}`)}}})
	f.commit("commit_closed", 23)
	f.holds()
	if f.Closed == nil || f.Closed.Code != "forbidden" {
		t.Errorf("closed: %+v", f.Closed)
	}
}

// An answer that lists everything returns the steps from the previous contents to it.
func TestAnAnswerAfterAResync(t *testing.T) {
	f := follow(t)
	take := func(frame string) {
		t.Helper()
		var answer wire.Answer
		if err := json.Unmarshal([]byte(frame), &answer); err != nil {
			t.Fatal(err)
		}
		f.answer(&answer)
	}
	take(`{"status":200,"at":"E:5","cursor":1,"model":"memos","ids":["a","b","c"],"memos":[{"id":"a"},{"id":"b","n":1},{"id":"c"}],"include":{"users":["u","v"],"tags":["x"]},"users":[{"id":"u"},{"id":"v"}],"tags":[{"id":"x"}]}`)
	take(`{"status":200,"at":"E:9","cursor":2,"model":"memos","resync":"expired","ids":["c","b","d"],"memos":[{"id":"b","n":2},{"id":"c"},{"id":"d"}],"include":{"users":["v","w"]},"users":[{"id":"v","n":1},{"id":"w"}]}`)
	if got := strings.Join(f.steps, ", "); got != "resync, leave a, change c, change b, enter d, leave x, leave u, enter w, change v, current" {
		t.Errorf("steps: %s", got)
	}
	f.holds("c", "b", "d")
	if f.At != "E:9" {
		t.Errorf("at %s", f.At)
	}
	var commit wire.Commit
	if err := json.Unmarshal([]byte(`{"from":10,"seq":12,"memos":[{"id":"e"},{"id":"c","n":3}],"cursors":{"2":{"to":3,"enter":[{"id":"e","after":""}],"then":[{"leave":["d"]},{"change":[{"id":"c","after":"b"}]}]}}}`), &commit); err != nil {
		t.Fatal(err)
	}
	records, err := ByID(commit.Records)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := f.Apply(commit.Seq, commit.Cursors[2], records)
	if err != nil {
		t.Fatal(err)
	}
	f.note(steps)
	f.holds("e", "b", "c")
}

func TestMismatchesAreErrors(t *testing.T) {
	for delta, want := range map[string]string{
		`{"leave":["x"]}`:                                            "x leaves but is not there",
		`{"enter":[{"id":"a"}]}`:                                     "a enters but is already there",
		`{"enter":[{"id":"x"}]}`:                                     "x enters without a record",
		`{"enter":[{"id":"n","after":"x"}]}`:                         "n is placed after x, which is not there",
		`{"change":[{"id":"n"}]}`:                                    "n changes but is not there",
		`{"change":[{"id":"a","after":"a"}]}`:                        "a is placed after a, which is not there",
		`{"then":[{"leave":["x"]}]}`:                                 "x leaves but is not there",
		`{"include":{"users":{"leave":["x"]}}}`:                      "the included x leaves but is not there",
		`{"include":{"users":{"enter":[{"id":"u"}]}}}`:               "the included u: enter, present is true, in the frame is true",
		`{"include":{"users":{"change":[{"id":"x"}]}}}`:              "the included x: change, present is false, in the frame is false",
		`{"include":{"users":{"then":[{"leave":["x"]}]}}}`:           "the included x leaves but is not there",
		`{"leave":["a"],"enter":[{"id":"n"}],"change":[{"id":"b"}]}`: "",
	} {
		r := Replica{}
		if _, err := r.Answer(&wire.Answer{At: "E:1", Model: "memos", IDs: []string{"a", "b"}, Include: map[string][]string{"users": {"u"}},
			Records: map[string][]json.RawMessage{"memos": {json.RawMessage(`{"id":"a"}`), json.RawMessage(`{"id":"b"}`)}, "users": {json.RawMessage(`{"id":"u"}`)}}}); err != nil {
			t.Fatal(err)
		}
		var d wire.Delta
		if err := json.Unmarshal([]byte(delta), &d); err != nil {
			t.Fatal(err)
		}
		records := Records{"memos": {"n": json.RawMessage(`{"id":"n"}`)}, "users": {"u": json.RawMessage(`{"id":"u"}`)}}
		got := ""
		if _, err := r.Apply(2, &d, records); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", delta, got, want)
		}
	}
	for _, answer := range []wire.Answer{
		{At: "x"},
		{At: "E:1", Model: "memos", IDs: []string{"a"}},
		{At: "E:1", Model: "memos", Items: []wire.Item{{ID: "a"}, {ID: "a"}}},
		{At: "E:1", Records: map[string][]json.RawMessage{"memos": {json.RawMessage(`{}`)}}},
		{At: "E:1", Records: map[string][]json.RawMessage{"memos": {json.RawMessage(`{"id":"a"}`), json.RawMessage(`{"id":"a"}`)}}},
	} {
		if _, err := new(Replica).Answer(&answer); err == nil {
			t.Errorf("%+v is applied", answer)
		}
	}
}
