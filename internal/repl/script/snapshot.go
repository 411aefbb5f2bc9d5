package script

import (
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A copyLimit bounds a copy of a value from the engine.
type copyLimit struct {
	items, depth int
	queries      bool // fetch the records of queries inside the value
	strict       bool // fail on values that JSON cannot represent, instead of copying their text
	ids          bool // replace records inside the value by their ids
}

var (
	copyBrief = copyLimit{items: 50, depth: 4}
	copyAll   = copyLimit{items: math.MaxInt, depth: 200, queries: true}
	copySent  = copyLimit{items: math.MaxInt, depth: 200, queries: true, strict: true, ids: true}
)

// copyShown returns the limit of what is shown of a result.
func (e *Evaluator) copyShown() copyLimit {
	if e.Items == 0 {
		return copyAll
	}
	return copyLimit{items: e.Items, depth: 8}
}

// A copier copies one value. It may run code of the session, such as getters, so use it
// only where the engine may throw.
type copier struct {
	e     *Evaluator
	limit copyLimit
	above []*goja.Object // the objects around the current one
	path  []string       // the names and indexes that lead to it
}

// snapshot copies v. It may throw into the engine: use it in a call from JavaScript, or
// with [Evaluator.catch].
func (e *Evaluator) snapshot(v goja.Value, limit copyLimit) show.Value {
	c := copier{e: e, limit: limit}
	return c.copy(v)
}

func (c *copier) copy(v goja.Value) show.Value {
	if c.e.ctx.Err() != nil {
		c.e.throw(ErrInterrupted) // the engine cannot interrupt Go code
	}
	if object, ok := v.(*goja.Object); ok {
		return c.object(object)
	}
	switch {
	case v == nil || goja.IsUndefined(v):
		if c.limit.strict {
			c.undefined()
		}
		return show.Value{}
	case goja.IsNull(v):
		return show.Scalar(show.Null, "null")
	}
	if symbol, ok := v.(*goja.Symbol); ok {
		c.refuse("a symbol")
		return show.Scalar(show.Symbol, "Symbol("+symbol.String()+")")
	}
	switch x := v.Export().(type) {
	case bool:
		return show.Scalar(show.Bool, strconv.FormatBool(x))
	case string:
		return show.TextOrTime(x)
	case *big.Int:
		return show.Scalar(show.Number, x.String())
	case float64:
		if c.limit.strict && (math.IsNaN(x) || math.IsInf(x, 0)) {
			panic(c.e.usage("%s is not a number that can be stored", v.String()))
		}
		return show.Scalar(show.Number, v.String())
	}
	return show.Scalar(show.Number, v.String())
}

// member copies a member of the current object.
func (c *copier) member(name string, v goja.Value) show.Value {
	c.path = append(c.path, name)
	defer func() { c.path = c.path[:len(c.path)-1] }()
	return c.copy(v)
}

// undefined throws an error that points at the member that is undefined.
func (c *copier) undefined() {
	what, word := "the value", ""
	if len(c.path) > 0 {
		what = strings.TrimPrefix(strings.Join(c.path, ""), ".")
	}
	for _, name := range slices.Backward(c.path) {
		if member, named := strings.CutPrefix(name, "."); named {
			word = member
			break
		}
	}
	c.e.undefined(term.Clean(what), word)
}

// refuse throws if values must be stored as they are, and what is not such a value.
func (c *copier) refuse(what string) {
	if c.limit.strict {
		panic(c.e.usage("%s cannot be stored", what))
	}
}

func (c *copier) object(object *goja.Object) show.Value {
	for _, above := range c.above {
		if above == object {
			c.refuse("an object that contains itself")
			return show.Scalar(show.Symbol, "[circular]")
		}
	}
	if known, ok := c.known(object); ok {
		return known
	}
	if c.limit.ids && len(c.above) > 0 && c.e.recordModel(object) != nil {
		return c.copy(object.Get("id"))
	}
	if len(c.above) >= c.limit.depth {
		c.refuse("a value of more than " + strconv.Itoa(c.limit.depth) + " levels")
		return show.Scalar(show.Symbol, "…")
	}
	c.above = append(c.above, object)
	defer func() { c.above = c.above[:len(c.above)-1] }()
	switch exported := object.ExportType(); {
	case object.ClassName() == "Array":
		return c.array(object)
	case exported == mapType, exported == setType:
		return c.collection(object)
	}
	return c.properties(object)
}

// The Go types that the engine exports its own kinds of objects as.
var (
	mapType     = reflect.TypeFor[[][2]any]()
	setType     = reflect.TypeFor[[]any]() // and of arrays
	promiseType = reflect.TypeFor[*goja.Promise]()
	proxyType   = reflect.TypeFor[goja.Proxy]()
	// The type of the console's own dynamic objects.
	namespaceType = reflect.TypeFor[*namespace]()
)

func isPromise(v goja.Value) bool {
	object, ok := v.(*goja.Object)
	return ok && object.ExportType() == promiseType
}

// known copies objects that need more than a copy of their properties.
func (c *copier) known(object *goja.Object) (show.Value, bool) {
	if q, ok := queryOf(object); ok {
		if c.limit.queries {
			return c.copy(q.records()), true
		}
		return show.Scalar(show.Symbol, q.String()), true
	}
	if n := namespaceOf(object); n != nil {
		return c.namespace(n), true
	}
	if text := object.GetSymbol(c.e.textSymbol); text != nil {
		return c.described(object, text.String()), true
	}
	switch object.ClassName() {
	case "Function":
		c.refuse("a function")
		return show.Value{Kind: show.Function, Text: object.Get("name").String()}, true
	case "Error":
		c.refuse("an error")
		return show.Value{Kind: show.Error, Label: textOf(object, "name"), Text: textOf(object, "message")}, true
	case "Date":
		at, ok := object.Export().(time.Time)
		if !ok {
			c.refuse("an invalid date")
			return show.Scalar(show.Symbol, "Invalid Date"), true
		}
		return show.Scalar(show.Time, at.UTC().Format("2006-01-02T15:04:05.000Z")), true
	case "RegExp":
		c.refuse("a regular expression")
		return show.Scalar(show.Symbol, object.String()), true
	}
	switch object.ExportType() {
	case promiseType:
		if promise := object.Export().(*goja.Promise); promise.State() == goja.PromiseStateFulfilled {
			return c.copy(promise.Result()), true
		}
		c.refuse("a promise")
		return show.Scalar(show.Symbol, "Promise"), true
	case proxyType:
		c.refuse("a proxy")
		return show.Scalar(show.Symbol, "Proxy"), true
	}
	return show.Value{}, false
}

// described copies an object that has a description.
func (c *copier) described(object *goja.Object, text string) show.Value {
	out := show.Scalar(show.Text, text)
	if object.Prototype() == c.e.proseProto {
		return out
	}
	data := c.properties(object)
	if object.ClassName() == "Array" {
		data = c.array(object)
	}
	out.Data = &data
	return out
}

// namespace copies the value to show for a namespace.
func (c *copier) namespace(n *namespace) show.Value {
	if n.show != nil {
		return c.copy(n.show())
	}
	return show.Scalar(show.Symbol, n.what+" {"+strings.Join(n.names(), ", ")+"}")
}

func textOf(object *goja.Object, name string) string {
	if v := object.Get(name); v != nil {
		return v.String()
	}
	return ""
}

func (c *copier) array(array *goja.Object) show.Value {
	length := int(array.Get("length").ToInteger())
	out := show.Value{Kind: show.List, Total: length}
	for i := range min(length, c.limit.items) {
		out.Items = append(out.Items, c.member("["+strconv.Itoa(i)+"]", array.Get(strconv.Itoa(i))))
	}
	return out
}

func (c *copier) collection(object *goja.Object) show.Value {
	out := show.Value{Kind: show.List, Label: classOf(object)}
	c.e.vm.ForOf(object, func(item goja.Value) bool {
		if out.Total++; len(out.Items) < c.limit.items {
			out.Items = append(out.Items, c.copy(item))
		}
		return true
	})
	return out
}

func (c *copier) properties(object *goja.Object) show.Value {
	out := show.Value{Kind: show.Object, Label: classOf(object)}
	if m := c.e.recordModel(object); m != nil {
		out.Kind, out.Label = show.Record, m.name
	} else if c.limit.strict {
		c.checkOwn(object)
	}
	for _, name := range object.Keys() {
		v := c.member("."+name, object.Get(name))
		if v.Kind == show.Undefined && c.limit.queries {
			continue // as in JSON
		}
		if out.Total++; len(out.Fields) < c.limit.items {
			out.Fields = append(out.Fields, show.Field{Name: name, Value: v})
		}
	}
	return out
}

// checkOwn refuses members that a copy would drop: inherited ones, and those named by symbols.
func (c *copier) checkOwn(object *goja.Object) {
	if len(object.Symbols()) > 0 {
		c.refuse("a member that is named by a symbol")
	}
	root := c.e.vm.NewObject().Prototype()
	for above := object.Prototype(); above != nil && above != root; above = above.Prototype() {
		if names := above.Keys(); len(names) > 0 {
			c.refuse("the inherited member " + term.Clean(names[0]))
		}
	}
}

func classOf(object *goja.Object) string {
	constructor, ok := object.Get("constructor").(*goja.Object)
	if !ok || constructor.ClassName() != "Function" {
		return ""
	}
	if name := textOf(constructor, "name"); name != "Object" {
		return name
	}
	return ""
}
