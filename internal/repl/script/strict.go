package script

import (
	"slices"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A strictProto stands behind an object's prototypes. It throws where a name is asked
// for that the object does not have, which is a misspelling more often than a
// question.
type strictProto struct {
	e       *Evaluator
	unknown func(name string) *show.Failure
}

// lenient are names that the language itself asks objects for.
var lenient = []string{"then", "toJSON", "constructor", "__proto__", "length"}

// strictObject makes an object whose missing members are errors.
func (e *Evaluator) strictObject(unknown func(name string) *show.Failure) *goja.Object {
	return e.vm.CreateObject(e.vm.NewDynamicObject(&strictProto{e, unknown}))
}

// Get throws, unless every object knows the name.
func (p *strictProto) Get(name string) goja.Value {
	if slices.Contains(lenient, name) || p.e.plainObject.Get(name) != nil {
		return nil
	}
	f := p.unknown(name)
	if f == nil {
		return nil
	}
	f.Word = name
	p.e.throw(f)
	return nil
}

// Has reports that a strictProto has no member.
func (p *strictProto) Has(string) bool { return false }

// Set refuses: a strictProto has no member.
func (p *strictProto) Set(string, goja.Value) bool { return false }

// Delete has nothing to do.
func (p *strictProto) Delete(string) bool { return true }

// Keys are none.
func (p *strictProto) Keys() []string { return nil }

// function makes a function of which nothing is asked before it is called.
func (e *Evaluator) function(what string, fn func(goja.FunctionCall) goja.Value) goja.Value {
	object := e.vm.ToValue(fn).(*goja.Object)
	e.must(object.SetPrototype(e.strictObject(func(name string) *show.Failure {
		return &show.Failure{Title: "TypeError", Message: what + " is a function", Hint: "did you mean " + term.Clean(what+"()."+name) + "?"}
	})))
	return object
}

// A namespace is an object whose members are found when they are asked for.
type namespace struct {
	e      *Evaluator
	what   string                       // what it is called: "as(…).posts"
	names  func() []string              // of its members
	member func(name string) goja.Value // nil: there is none
	show   func() goja.Value            // what is shown of it, nil: its names
}

func (n *namespace) object() *goja.Object { return n.e.vm.NewDynamicObject(n) }

// namespaceOf returns the namespace behind an object, or nil.
func namespaceOf(object *goja.Object) *namespace {
	if object.ExportType() != namespaceType {
		return nil
	}
	n, _ := object.Export().(*namespace)
	return n
}

// Get returns a member, and throws where there is none.
func (n *namespace) Get(name string) goja.Value {
	if v := n.member(name); v != nil {
		return v
	}
	if slices.Contains(lenient, name) || n.e.plainObject.Get(name) != nil {
		return nil
	}
	hint := show.DidYouMean(name, n.names())
	if hint == "" {
		hint = "there is " + list(n.names())
	}
	n.e.throw(&show.Failure{Title: "TypeError", Message: n.what + " has no " + term.Clean(name), Hint: hint, Word: name})
	return nil
}

// Has reports whether there is such a member.
func (n *namespace) Has(name string) bool { return slices.Contains(n.names(), name) }

// Set refuses.
func (n *namespace) Set(string, goja.Value) bool { return false }

// Delete refuses.
func (n *namespace) Delete(string) bool { return false }

// Keys are the names.
func (n *namespace) Keys() []string { return n.names() }
