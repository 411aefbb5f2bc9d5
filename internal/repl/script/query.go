package script

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// A query is a scope of records. It sends a request each time its records are needed.
// Its methods return narrower copies. In JavaScript it can be indexed and iterated like
// an array.
type query struct {
	model         *model
	cursor        *userCursor // the cursor it narrows; nil for all records of the model
	where         json.RawMessage
	order         []string
	limit, offset int
}

var (
	queryMethods = []string{"where", "asc", "desc", "limit", "offset", "all", "first", "last", "count", "pluck", "included", "updateAll", "deleteAll"}
	// arrayMethods are array methods that work on the records of a query.
	arrayMethods = []string{"map", "filter", "forEach", "reduce", "some", "every", "flatMap", "slice", "at", "indexOf", "join"}
)

// queryCalls are the methods of queries. Models have them too, to begin a query.
var queryCalls = map[string]func(q *query, call goja.FunctionCall) goja.Value{
	"where":  (*query).narrow,
	"asc":    func(q *query, call goja.FunctionCall) goja.Value { return q.ordered("asc", "", call.Arguments) },
	"desc":   func(q *query, call goja.FunctionCall) goja.Value { return q.ordered("desc", "-", call.Arguments) },
	"limit":  func(q *query, call goja.FunctionCall) goja.Value { return q.limited("limit", call.Argument(0)) },
	"offset": func(q *query, call goja.FunctionCall) goja.Value { return q.limited("offset", call.Argument(0)) },
	"all":    func(q *query, _ goja.FunctionCall) goja.Value { return q.records() },
	"first": func(q *query, call goja.FunctionCall) goja.Value {
		return q.end("first", q.model.e.given(call, 0, "the number of records"))
	},
	"last": func(q *query, call goja.FunctionCall) goja.Value {
		return q.end("last", q.model.e.given(call, 0, "the number of records"))
	},
	"count":    func(q *query, _ goja.FunctionCall) goja.Value { return q.model.e.vm.ToValue(q.count()) },
	"pluck":    func(q *query, call goja.FunctionCall) goja.Value { return q.pluck(call.Arguments) },
	"included": func(q *query, call goja.FunctionCall) goja.Value { return q.included(call.Argument(0)) },
	"updateAll": func(q *query, call goja.FunctionCall) goja.Value {
		return q.writeAll(wire.DoUpdateAll, "update", q.model.fields("updateAll", call.Argument(0)))
	},
	"deleteAll": func(q *query, _ goja.FunctionCall) goja.Value { return q.writeAll(wire.DoDeleteAll, "delete", nil) },
}

// mostArguments is how many arguments the methods of queries take that would otherwise drop
// some of them, and so reach more records than was meant.
var mostArguments = map[string]int{"where": 1, "limit": 1, "offset": 1, "all": 0, "first": 1, "last": 1, "count": 0, "included": 1, "updateAll": 1, "deleteAll": 0}

// checkArguments refuses the arguments that a method of queries does not take.
func (e *Evaluator) checkArguments(method string, call goja.FunctionCall) {
	most, bounded := mostArguments[method]
	switch {
	case !bounded || len(call.Arguments) <= most:
	case most == 0:
		panic(e.usage("%s takes no argument; where({…}).%[1]s() narrows", method))
	case method == "where":
		panic(e.usage("where takes one object; for one of several conditions: where({or: [{…}, {…}]})"))
	case method == "updateAll":
		panic(e.usage("updateAll takes one object, the new values; where({…}).updateAll({…}) narrows"))
	default:
		panic(e.usage("%s takes one argument", method))
	}
}

func (q *query) narrow(call goja.FunctionCall) goja.Value {
	m, v := q.model, call.Argument(0)
	if _, ok := goja.AssertFunction(v); ok {
		panic(m.e.usage("where takes an object of fields; to test records with a function: %s.filter(…)", m.name))
	}
	where := m.e.snapshot(v, copySent)
	if where.Kind != show.Object {
		panic(m.e.usage("where takes an object: {%s: …}", m.firstField()))
	}
	m.checkWhere(where)
	narrowed := *q
	narrowed.where = both(q.where, show.AppendJSON(nil, where))
	return narrowed.value()
}

// both returns the conjunction of two conditions.
func both(a, b json.RawMessage) json.RawMessage {
	if a == nil {
		return b
	}
	return json.RawMessage(fmt.Sprintf(`{"and":[%s,%s]}`, a, b))
}

func (q *query) ordered(method, sign string, fields []goja.Value) goja.Value {
	if len(fields) == 0 {
		panic(q.model.e.usage(`%s needs a field: .%s("createdAt")`, method, method))
	}
	ordered := *q
	ordered.order = slices.Clone(q.order)
	for _, field := range fields {
		ordered.order = append(ordered.order, sign+q.model.fieldOf(field))
	}
	return ordered.value()
}

func (q *query) limited(method string, v goja.Value) goja.Value {
	limited := *q
	if method == "limit" {
		limited.limit = q.model.e.whole(method, v, 1)
	} else {
		limited.offset = q.model.e.whole(method, v, 0)
	}
	return limited.value()
}

func (q *query) request(do string) wire.ControlRequest {
	req := q.model.request(do, "")
	if req.Where = q.where; q.cursor != nil {
		req.Model, req.Name, req.In, req.As = "", q.cursor.name, q.cursor.in, q.cursor.as
	}
	return req
}

// fetch returns the stored records.
func (q *query) fetch() []json.RawMessage {
	req := q.request(wire.DoQuery)
	req.Order, req.Limit, req.Offset = q.order, q.limit, q.offset
	skip := 0
	if q.cursor != nil { // a cursor does not accept another offset
		req.Offset, skip = 0, q.offset
		if req.Limit > 0 {
			req.Limit += skip
		}
	}
	var stored []json.RawMessage
	q.model.e.ask(req, &stored)
	return stored[min(skip, len(stored)):]
}

// records returns the records as an array.
func (q *query) records() *goja.Object {
	stored := q.fetch()
	records := make([]any, len(stored))
	for i, s := range stored {
		records[i] = q.model.fill(nil, s)
	}
	return q.model.e.vm.NewArray(records...)
}

func (q *query) count() int {
	var n int
	q.model.e.ask(q.request(wire.DoCount), &n)
	n = max(n-q.offset, 0)
	if q.limit > 0 {
		n = min(n, q.limit)
	}
	return n
}

// end returns the first or last record, or null; with a number, an array of that many
// records.
func (q *query) end(method string, v goja.Value) goja.Value {
	few := *q
	if method == "last" {
		if q.limit > 0 || q.offset > 0 || q.cursor != nil {
			return q.tail(v)
		}
		few.order = reversed(q.order)
	}
	n := 1
	if !goja.IsUndefined(v) {
		n = q.model.e.whole(method, v, 1)
	}
	if few.limit == 0 || few.limit > n {
		few.limit = n
	}
	found := few.records()
	if !goja.IsUndefined(v) {
		if method == "last" {
			q.model.e.method(found, "reverse")
		}
		return found
	}
	if first := found.Get("0"); first != nil {
		return first
	}
	return goja.Null()
}

// writeAll changes all records of the query in one commit and returns their number.
func (q *query) writeAll(do, verb string, set json.RawMessage) goja.Value {
	e := q.model.e
	if q.cursor != nil {
		panic(e.usage("%s shows what a user sees; to %s records: %s.where(…).%s(…)", q.cursor.name, verb, q.model.name, do))
	}
	n := q.count()
	if n > 0 {
		e.consent(verb + " " + show.Grouped(n) + " of " + q.model.info.Name)
		req := q.request(do)
		req.Order, req.Limit, req.Offset, req.Set, req.Expect = q.order, q.limit, q.offset, set, &n
		e.ask(req, nil)
	}
	return e.vm.ToValue(n)
}

// tail returns the end of a window, after fetching the whole window.
func (q *query) tail(v goja.Value) goja.Value {
	vm, found := q.model.e.vm, q.records()
	if !goja.IsUndefined(v) {
		return q.model.e.method(found, "slice", vm.ToValue(-q.model.e.whole("last", v, 1)))
	}
	if last := q.model.e.method(found, "at", vm.ToValue(-1)); !goja.IsUndefined(last) {
		return last
	}
	return goja.Null()
}

// reversed returns the opposite order. Records that are equal by an order are ordered by
// id, in the direction of its last term, so turning every term around is enough.
func reversed(order []string) []string {
	if len(order) == 0 {
		return []string{"-id"}
	}
	out := make([]string, len(order))
	for i, name := range order {
		if ascending, down := strings.CutPrefix(name, "-"); down {
			out[i] = ascending
		} else {
			out[i] = "-" + name
		}
	}
	return out
}

// pluck returns an array of the values of one field, or an array of arrays for several
// fields.
func (q *query) pluck(fields []goja.Value) goja.Value {
	e := q.model.e
	if len(fields) == 0 {
		panic(e.usage(`pluck needs a field: .pluck("%s")`, q.model.firstField()))
	}
	for _, field := range fields {
		q.model.fieldOf(field)
	}
	var plucked []any
	records := q.records()
	for i := range int(records.Get("length").ToInteger()) {
		record := records.Get(strconv.Itoa(i)).(*goja.Object)
		row := make([]any, len(fields))
		for j, name := range fields {
			row[j] = record.Get(name.String())
		}
		if len(row) == 1 {
			plucked = append(plucked, row[0])
		} else {
			plucked = append(plucked, e.vm.NewArray(row...))
		}
	}
	return e.vm.NewArray(plucked...)
}

// array calls an array method on the records.
func (q *query) array(name string, call goja.FunctionCall) goja.Value {
	return q.model.e.method(q.records(), name, call.Arguments...)
}

// String returns the query as JavaScript.
func (q *query) String() string {
	text := q.model.name
	switch {
	case q.cursor != nil:
		text = q.cursor.String()
	case q.model.at != nil:
		text = fmt.Sprintf("at(%d).%s", *q.model.at, q.model.name)
	}
	begins := text
	if q.where != nil {
		text += ".where(" + string(q.where) + ")"
	}
	for _, name := range q.order {
		if ascending, down := strings.CutPrefix(name, "-"); down {
			text += fmt.Sprintf(".desc(%q)", ascending)
		} else {
			text += fmt.Sprintf(".asc(%q)", name)
		}
	}
	if q.limit > 0 {
		text += fmt.Sprintf(".limit(%d)", q.limit)
	}
	if q.offset > 0 {
		text += fmt.Sprintf(".offset(%d)", q.offset)
	}
	if text == begins && q.cursor == nil {
		text += ".all()"
	}
	return text
}
