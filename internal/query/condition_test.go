package query

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
)

func TestConditionsMean(t *testing.T) {
	m := querytest.NewModels(t).Things
	note, done := "n", querytest.Epoch
	full := &querytest.Thing{Flag: true, Count: 3, Size: 200, Ratio: 0.5, Title: "Cat", Note: &note, Owner: "o", Due: querytest.Epoch, Done: &done, Tags: []string{"go"}, Codes: []int{1, 2}, Extra: map[string]string{"a": "b"}}
	full.ID = "01JDA7Q4Z3M8X2V6K9T5B1C0RW"
	for _, c := range []struct {
		where       string
		full, empty bool
	}{
		{`{}`, true, true},
		{`{"flag": true}`, true, false},
		{`{"count": 3}`, true, false},
		{`{"count": 3.0}`, true, false},
		{`{"size": {"gt": 199, "lte": 200}}`, true, false},
		{`{"ratio": {"gte": 0.5}}`, true, false},
		{`{"ratio": {"lt": 0.5}}`, false, true},
		{`{"title": "cat"}`, false, false},
		{`{"title": {"contains": "at"}}`, true, false},
		{`{"title": {"contains": ""}}`, true, true},
		{`{"title": {"gt": "Ca", "lt": "Cb"}}`, true, false},
		{`{"note": null}`, false, true},
		{`{"note": {"exists": true}}`, true, false},
		{`{"note": {"exists": false}}`, false, true},
		{`{"note": {"not": null}}`, true, false},
		{`{"note": {"gt": ""}}`, true, false},
		{`{"note": {"lte": "z"}}`, true, false},
		{`{"note": {"not": {"lte": "z"}}}`, false, true},
		{`{"note": {"not": "n"}}`, false, true},
		{`{"note": {"in": [null, "x"]}}`, false, true},
		{`{"note": {"in": []}}`, false, false},
		{`{"owner": ""}`, false, true},
		{`{"owner": {"is": "o"}}`, true, false},
		{`{"due": "2026-01-01T00:00:00Z"}`, true, false},
		{`{"due": {"lt": "2027-01-01T00:00:00+01:00"}}`, true, false},
		{`{"done": null}`, false, true},
		{`{"tags": {"contains": "go"}}`, true, false},
		{`{"tags": {"contains": "g"}}`, false, false},
		{`{"tags": null}`, false, true},
		{`{"codes": {"contains": 2}}`, true, false},
		{`{"codes": {"not": {"contains": 2}}}`, false, true},
		{`{"extra": {"exists": true}}`, true, false},
		{`{"id": {"in": ["x", "01JDA7Q4Z3M8X2V6K9T5B1C0RW"]}}`, true, false},
		{`{"or": [{"count": 0}, {"flag": true, "count": 3}]}`, true, true},
		{`{"or": []}`, false, false},
		{`{"and": []}`, true, true},
		{`{"and": [{"count": 3}, {"count": {"in": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}]}`, true, false},
		{`{"not": {"count": 3, "flag": true}}`, false, true},
		{`{"secret": ""}`, true, true},
	} {
		where := mustParse(t, m, querytest.DecodeJSON(t, c.where))
		for _, want := range []struct {
			x  *querytest.Thing
			is bool
		}{{full, c.full}, {&querytest.Thing{}, c.empty}} {
			img := querytest.ImageOf(t, m, want.x)
			if got := where.Match(img); got != want.is {
				t.Errorf("%s of %s: %v", where, img.JSON, got)
			}
			canonical := Canonical(where)
			if got := canonical.Match(img); got != want.is {
				t.Errorf("canonical %s of %s: %v", canonical, img.JSON, got)
			}
		}
	}
}

func TestParseReportsWhatIsWrong(t *testing.T) {
	m := querytest.NewModels(t).Things
	for where, want := range map[string]string{
		`{"titel": 1}`:                      `where: "titel" is not a field of Thing; did you mean title?`,
		`{"unheard": 1}`:                    `where: "unheard" is not a field of Thing`,
		`{"count": "many"}`:                 `where: count is an int; "many" is not`,
		`{"count": 1.5}`:                    `where: count is an int; 1.5 is not`,
		`{"size": -1}`:                      `where: size is a uint; -1 is not`,
		`{"count": {}}`:                     `where: count: no operator; its operators are is, not, in, gt, gte, lt, lte and exists`,
		`{"count": {"eq": 1}}`:              `where: count, of type int, cannot be tested with "eq"; its operators are is, not, in, gt, gte, lt, lte and exists`,
		`{"count": {"contains": 1}}`:        `where: count, of type int, cannot be tested with "contains"; its operators are is, not, in, gt, gte, lt, lte and exists`,
		`{"tags": "go"}`:                    `where: tags, of type list, cannot be tested with "is"; its operators are contains and exists`,
		`{"tags": {"contains": 1}}`:         `where: each of tags is a string; 1 is not`,
		`{"extra": 1}`:                      `where: extra, of type object, cannot be tested with "is"; its only operator is exists`,
		`{"extra": {"exists": 1}}`:          `where: extra: "exists" takes true or false; 1 is neither`,
		`{"id": ["x"]}`:                     `where: id is a string; ["x"] is not`,
		`{"id": {"in": "x"}}`:               `where: id: "in" takes a list of values; "x" is not one`,
		`{"id": {"in": [1]}}`:               `where: id is a string; 1 is not`,
		`{"count": {"gt": null}}`:           `where: count: "gt" needs a value, not null`,
		`{"title": {"contains": null}}`:     `where: title: "contains" needs a value, not null`,
		`{"or": {"count": 1}}`:              `where: "or" takes a list of objects; an object is not one`,
		`{"and": [1]}`:                      `where: "and" takes a list of objects; 1 is not one`,
		`{"not": []}`:                       `where: "not" takes an object of conditions; a list is not one`,
		`{"due": "soon"}`:                   `where: due is a time; "soon" is not`,
		nested("{\"not\": ", "{}", "}", 20): `where: and, or and not are nested more than 16 deep`,
		`{"count": ` + nested("{\"not\": ", "1", "}", 20) + `}`: `where: and, or and not are nested more than 16 deep`,
	} {
		c, err := Parse(m, querytest.DecodeJSON(t, where))
		if err == nil || err.Error() != want {
			t.Errorf("%s is parsed as %s\n got %v\nwant %s", where, c, err, want)
		}
	}
	for term, want := range map[string]string{
		"-titel": `order: "titel" is not a field of Thing; did you mean title?`,
		"tags":   `order: tags, of type list, has no order`,
		"extra":  `order: extra, of type object, has no order`,
		"-":      `order: "" is not a field of Thing`,
	} {
		if _, err := ParseOrder(m, []string{term}); err == nil || err.Error() != want {
			t.Errorf("%q: %v", term, err)
		}
	}
	if _, err := ParseOrder(m, []string{"count", "-count"}); err == nil || err.Error() != "order: count is named twice" {
		t.Error(err)
	}
}

func nested(open, inner, end string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
}

func TestConditionsAreRead(t *testing.T) {
	m := querytest.NewModels(t).Things
	for where, want := range map[string]string{
		`{}`: `all`,
		`{"flag": true, "or": [{"count": {"gte": 3, "lt": 9}}, {"not": {"title": {"contains": "draft"}}}]}`: `flag is true and ((count >= 3 and count < 9) or not title contains "draft")`,
		`{"not": {"or": [{"flag": true}, {"count": 1}]}}`:                                                   `not (flag is true or count is 1)`,
		`{"id": {"in": ["b", "a"]}, "note": null}`:                                                          `id in ["a", "b"] and note is null`,
		`{"tags": {"exists": false}}`:                                                                       `not tags exists`,
		`{"count": {"not": 1}, "note": {"not": null}}`:                                                      `count is not 1 and note is not null`,
		`{"or": []}`:             `none`,
		`{"or": [{"count": 1}]}`: `count is 1`,
	} {
		if got := mustParse(t, m, querytest.DecodeJSON(t, where)).String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", where, got, want)
		}
	}
	s := Scope{Model: m, Where: mustParse(t, m, querytest.DecodeJSON(t, `{"flag": true}`)), Limit: 20, Offset: 5}
	s.Order, _ = ParseOrder(m, []string{"-createdAt", "title"})
	if want := "things where flag is true by -createdAt, title limit 20 offset 5"; s.String() != want {
		t.Error(s.String())
	}
}

// shuffled writes a condition in a different, equivalent form.
func shuffled(r *rand.Rand, c Condition) Condition {
	args := slices.Clone(c.args())
	for i := range args {
		args[i] = shuffled(r, args[i])
	}
	r.Shuffle(len(args), func(i, j int) { args[i], args[j] = args[j], args[i] })
	switch c.op {
	case opIn:
		vs := slices.Concat(c.values(), c.values())
		r.Shuffle(len(vs), func(i, j int) { vs[i], vs[j] = vs[j], vs[i] })
		c = In(c.field, vs...)
	case opAnd, opOr:
		if n := len(args); n > 1 && r.IntN(2) == 0 {
			k := 1 + r.IntN(n-1)
			args = append(slices.Clone(args[:k]), compose(c.op, args[k:]))
		}
		if n := len(args); n > 0 && r.IntN(2) == 0 {
			args = append(args, args[r.IntN(n)])
		}
		c = compose(c.op, args)
	case opNot:
		c = Not(args[0])
	}
	switch r.IntN(5) {
	case 0:
		return Not(Not(c))
	case 1:
		return And(c)
	case 2:
		return Or(c)
	}
	return c
}

// keyOf returns a condition's key.
func keyOf(c Condition) string {
	c = Canonical(c)
	return string(c.appendKey(nil))
}

func TestKeysAreEqualForEqualConditionsOnly(t *testing.T) {
	r, m := querytest.Rand(t), querytest.NewModels(t).Things
	ids, users := []record.ID{"a", "b"}, []record.ID{"u", "v"}
	var images []*record.Image
	for range 60 {
		x := &querytest.Thing{}
		x.Fill(r, users)
		images = append(images, querytest.ImageOf(t, m, x))
	}
	byKey := map[string]Condition{}
	for range 2000 {
		c := mustParse(t, m, querytest.RandomWhere(r, ids, users, 3))
		other := shuffled(r, c)
		key := keyOf(c)
		if keyOf(other) != key {
			t.Fatalf("another key for\n%s\n%s", c, other)
		}
		if keyOf(Canonical(c)) != key || Compare(Canonical(c), Canonical(other)) != 0 {
			t.Fatalf("the canonical form of %s is not its own", c)
		}
		twin, found := byKey[key]
		if byKey[key] = c; !found {
			continue
		}
		for _, img := range images {
			if twin.Match(img) != c.Match(img) || other.Match(img) != c.Match(img) {
				t.Fatalf("one key for\n%s\n%s", c, twin)
			}
		}
	}
}

func TestKeysDoNotCollide(t *testing.T) {
	m := querytest.NewModels(t).Things
	count, title, note := m.Field("count"), m.Field("title"), m.Field("note")
	text, number := record.StringValue, record.IntValue
	a, b, c := Is(title, text("a")), Is(title, text("b")), Is(title, text("c"))
	different := []Condition{
		{}, Or(), a, b,
		Is(title, text("1")), Is(title, number(1)), Is(count, number(1)), Is(title, record.UintValue(1)), Is(title, record.FloatValue(1)), Is(title, record.BoolValue(true)),
		Is(title, text("")), Is(title, record.Value{}), Is(note, record.Value{}), Not(Is(note, record.Value{})),
		Is(title, text("a\x00b")), In(title, text("a"), text("b")), In(title, text("a"), text("b"), text("c")), In(title, text("ab"), text("c")),
		Gt(count, number(1)), Gte(count, number(1)), Lt(count, number(1)), Lte(count, number(1)), Contains(title, text("a")),
		And(a, b), Or(a, b), And(a, b, c), Or(a, b, c), And(a, Or(b, c)), Or(a, And(b, c)), And(Or(a, b), c), Not(a), Not(And(a, b)), And(Not(a), Not(b)), And(Not(a), b),
	}
	seen := map[string]Condition{}
	for _, one := range different {
		key := keyOf(one)
		if twin, taken := seen[key]; taken {
			t.Errorf("one key for %s and %s", one, twin)
		}
		seen[key] = one
	}
	scopes := []Scope{
		{Model: m}, {Model: querytest.NewModels(t).Users}, {Model: m, Where: a}, {Model: m, Limit: 1}, {Model: m, Offset: 1}, {Model: m, Limit: 1, Offset: 1}, {Model: m, Limit: 128}, {Model: m, Offset: 128},
		{Model: m, Order: []Order{{count, false}}}, {Model: m, Order: []Order{{count, true}}}, {Model: m, Order: []Order{{title, false}}}, {Model: m, Order: []Order{{title, false}, {count, false}}}, {Model: m, Order: []Order{{count, false}, {title, false}}},
	}
	for i := range scopes {
		for j := range scopes {
			if (scopes[i].Key() == scopes[j].Key()) != (i == j) {
				t.Errorf("%s and %s", scopes[i], scopes[j])
			}
		}
	}
	if (Scope{Model: m, Where: And(a, b)}).Key() != (Scope{Model: m, Where: And(b, And(a))}).Key() {
		t.Error("equal scopes have different keys")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"flag":true,"count":{"gte":3,"lt":9}}`, `{"or":[{"title":{"contains":"x"}},{"not":{"tags":{"contains":"go"}}}]}`,
		`{"id":{"in":["a",null,1]}}`, `{"due":"2026-01-01T00:00:00Z","and":[{"note":{"not":{"exists":false}}}]}`, `{"count":1e400}`, `{"size":18446744073709551616}`,
	} {
		f.Add([]byte(seed))
	}
	m := querytest.NewModels(f).Things
	img := querytest.ImageOf(f, m, &querytest.Thing{Title: "x"})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, number := range []bool{false, true} {
			var where map[string]any
			d := json.NewDecoder(strings.NewReader(string(data)))
			if number {
				d.UseNumber()
			}
			if d.Decode(&where) != nil {
				return
			}
			c, err := Parse(m, where)
			if err != nil {
				continue
			}
			again := mustParse(t, m, where)
			if c.String() != again.String() || keyOf(c) != keyOf(again) {
				t.Fatalf("%s is read as %s and as %s", data, c, again)
			}
			if canonical := Canonical(c); c.Match(img) != canonical.Match(img) {
				t.Fatalf("%s and its canonical form %s", c, Canonical(c))
			}
		}
	})
}

func TestMatchingDoesNotAllocate(t *testing.T) {
	m := querytest.NewModels(t).Things
	img := querytest.ImageOf(t, m, &querytest.Thing{Flag: true, Count: 3, Title: "Cat", Tags: []string{"a", "b"}})
	for _, where := range []string{
		`{"flag": true, "count": {"gte": 3, "lt": 9}}`, `{"or": [{"title": {"contains": "x"}}, {"note": null}]}`,
		`{"tags": {"contains": "b"}}`, `{"count": {"in": [9,8,7,6,5,4,3,2,1,0]}, "not": {"due": "2026-01-01T00:00:00Z"}}`,
	} {
		c := mustParse(t, m, querytest.DecodeJSON(t, where))
		if n := testing.AllocsPerRun(100, func() { c.Match(img) }); n > 0 || !c.Match(img) {
			t.Errorf("%s: %v allocations, %v", c, n, c.Match(img))
		}
	}
}

func BenchmarkMatchTwoConditions(b *testing.B) {
	m := querytest.NewModels(b).Things
	owner := record.NewID()
	img := querytest.ImageOf(b, m, &querytest.Thing{Flag: true, Owner: owner})
	c := And(Is(m.Field("owner"), record.StringValue(string(owner))), Is(m.Field("flag"), record.BoolValue(true)))
	b.ReportAllocs()
	for b.Loop() {
		if !c.Match(img) {
			b.Fatal("no match")
		}
	}
}
