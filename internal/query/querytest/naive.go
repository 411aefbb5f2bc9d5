package querytest

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// This file defines conditions and scopes a second time, as simply as possible: on
// the JSON that Parse reads and on Go structs, sharing no code with package query.

func NaiveMatch(where map[string]any, x *Thing) bool {
	for name, v := range where {
		if !naiveMember(name, v, x) {
			return false
		}
	}
	return true
}

func naiveMember(name string, v any, x *Thing) bool {
	switch name {
	case "not":
		return !NaiveMatch(v.(map[string]any), x)
	case "and", "or":
		for _, arg := range v.([]any) {
			if NaiveMatch(arg.(map[string]any), x) == (name == "or") {
				return name == "or"
			}
		}
		return name == "and"
	}
	operators, ok := v.(map[string]any)
	if !ok {
		operators = map[string]any{"is": v}
	}
	for op, want := range operators {
		if !naiveTest(op, Plain[name](x), want, name, x) {
			return false
		}
	}
	return true
}

func naiveTest(op string, have, want any, name string, x *Thing) bool {
	switch op {
	case "is":
		return NaiveCompare(have, want) == 0
	case "not":
		return !naiveMember(name, want, x)
	case "exists":
		return (have != nil) == want.(bool)
	case "in":
		return slices.ContainsFunc(want.([]any), func(one any) bool { return NaiveCompare(have, one) == 0 })
	case "contains":
		switch have := have.(type) {
		case string:
			return strings.Contains(have, want.(string))
		case []string:
			return slices.Contains(have, want.(string))
		case []int:
			return slices.Contains(have, int(want.(float64)))
		}
		return false
	}
	if have == nil {
		return false
	}
	order := NaiveCompare(have, want)
	return op == "gt" && order > 0 || op == "gte" && order >= 0 || op == "lt" && order < 0 || op == "lte" && order <= 0
}

// NaiveCompare compares a plain value with a plain value or a JSON value.
func NaiveCompare(have, want any) int {
	switch {
	case have == nil && want == nil:
		return 0
	case have == nil:
		return -1
	case want == nil:
		return 1
	}
	switch have := have.(type) {
	case bool:
		return cmp.Compare(fmt.Sprint(have), fmt.Sprint(want)) // "false" < "true"
	case string:
		return bytes.Compare([]byte(have), []byte(want.(string)))
	case time.Time:
		if text, ok := want.(string); ok {
			want, _ = time.Parse(time.RFC3339Nano, text)
		}
		return have.Compare(want.(time.Time))
	}
	number := func(v any) float64 { return reflect.ValueOf(v).Convert(reflect.TypeFor[float64]()).Float() }
	return cmp.Compare(number(have), number(want))
}

// A Question is a scope in naive form.
type Question struct {
	Where         map[string]any
	Order         []string
	Limit, Offset int
	Ordered       bool
	Allow         func(*Thing) bool // nil allows all
	Value         uint8             // kind of the value to compute; 0 is records
	Field         string            // field of the value
	With          bool              // include the owners
}

// Answer evaluates the question over all records.
func (q *Question) Answer(all map[record.ID]*record.Image) []*record.Image {
	var found []*record.Image
	for _, img := range all {
		if x := Decoded(img); NaiveMatch(q.Where, x) && (q.Allow == nil || q.Allow(x)) {
			found = append(found, img)
		}
	}
	slices.SortFunc(found, func(a, b *record.Image) int {
		sign := 1
		for _, term := range q.Order {
			name, desc := strings.CutPrefix(term, "-")
			if sign = 1; desc {
				sign = -1
			}
			if c := NaiveCompare(Plain[name](Decoded(a)), Plain[name](Decoded(b))); c != 0 {
				return sign * c
			}
		}
		return sign * cmp.Compare(a.ID, b.ID)
	})
	found = found[min(q.Offset, len(found)):]
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return found
}

func Decoded(img *record.Image) *Thing {
	x, err := img.Record()
	if err != nil {
		panic(err)
	}
	return x.(*Thing)
}

// RandomQuestion returns a random question.
func RandomQuestion(r *rand.Rand, ids, users []record.ID) Question {
	q := Question{Where: RandomWhere(r, ids, users, 2), Ordered: r.IntN(4) == 0}
	if r.IntN(3) == 0 {
		q.Where = map[string]any{}
	}
	if r.IntN(2) == 0 {
		fields := []string{"id", "createdAt", "flag", "count", "size", "ratio", "title", "note", "slug", "owner", "due", "done"}
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		for _, f := range fields[:1+r.IntN(2)] {
			q.Order = append(q.Order, Pick(r, []string{"", "-"})+f)
		}
	}
	if r.IntN(2) == 0 {
		q.Limit = 1 + r.IntN(6)
	}
	if r.IntN(4) == 0 {
		q.Offset = r.IntN(8)
	}
	return q
}

func RandomWhere(r *rand.Rand, ids, users []record.ID, depth int) map[string]any {
	where := map[string]any{}
	for range r.IntN(3) {
		switch n := r.IntN(12); {
		case n < 2 && depth > 0:
			var args []any
			for range r.IntN(4) {
				args = append(args, RandomWhere(r, ids, users, depth-1))
			}
			where[Pick(r, []string{"and", "or"})] = slices.Concat([]any{}, args)
		case n == 2 && depth > 0:
			where["not"] = RandomWhere(r, ids, users, depth-1)
		default:
			name := Pick(r, []string{"id", "flag", "count", "size", "ratio", "title", "note", "slug", "owner", "due", "done", "secret", "tags", "codes", "extra"})
			where[name] = randomTests(r, name, ids, users, true)
		}
	}
	return where
}

func randomTests(r *rand.Rand, name string, ids, users []record.ID, deep bool) any {
	value := func() any { return randomValue(r, name, ids, users) }
	if deep && r.IntN(6) == 0 {
		return map[string]any{"not": randomTests(r, name, ids, users, false)}
	}
	if r.IntN(6) == 0 || name == "extra" {
		return map[string]any{"exists": r.IntN(2) == 0}
	}
	if name == "tags" || name == "codes" {
		return map[string]any{"contains": value()}
	}
	switch r.IntN(8) {
	case 0, 1:
		if name != "id" && r.IntN(5) == 0 {
			return nil
		}
		return value()
	case 2:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, value())
		}
		return map[string]any{"in": list}
	case 3:
		if s, ok := value().(string); ok && (name == "title" || name == "note") {
			return map[string]any{"contains": s}
		}
		return map[string]any{"lte": value()}
	case 4, 5, 6:
		return map[string]any{Pick(r, []string{"gt", "gte"}): value(), Pick(r, []string{"lt", "lte"}): value()}
	default:
		return map[string]any{Pick(r, []string{"gt", "gte", "lt", "lte", "is"}): value()}
	}
}

// randomValue returns a random value, as a JSON decoder would.
func randomValue(r *rand.Rand, name string, ids, users []record.ID) any {
	switch name {
	case "id":
		return string(Pick(r, ids))
	case "owner":
		return string(Pick(r, users))
	case "flag":
		return r.IntN(2) == 0
	case "count":
		return float64(r.IntN(6) - 2)
	case "size", "codes":
		return float64(r.IntN(4))
	case "ratio":
		return Pick(r, ratios)
	case "slug":
		return fmt.Sprint("s", r.IntN(400))
	case "due", "done":
		return Epoch.Add(time.Duration(r.IntN(4)) * 1500 * time.Microsecond).Format(time.RFC3339Nano)
	case "tags":
		return Pick(r, Colors)
	default:
		return Pick(r, titles)
	}
}
