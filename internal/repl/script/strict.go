package script

import (
	"slices"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A strictProto is at the end of an object's prototype chain. It throws when code reads
// a name that the object does not have, because the name is most likely misspelled.
type strictProto struct {
	e       *Evaluator
	unknown func(name string) *show.Failure
}

// lenient lists names that the language itself reads from objects.
var lenient = []string{"then", "toJSON", "constructor", "__proto__", "length"}

// strictObject returns an object that throws when an unknown member is read.
func (e *Evaluator) strictObject(unknown func(name string) *show.Failure) *goja.Object {
	return e.vm.CreateObject(e.vm.NewDynamicObject(&strictProto{e, unknown}))
}

// Get throws unless the name is one that every object has. It implements
// [goja.DynamicObject].
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

// Has returns false: a strictProto has no members.
func (p *strictProto) Has(string) bool { return false }

// Set returns false: a strictProto has no members.
func (p *strictProto) Set(string, goja.Value) bool { return false }

// Delete returns true: there is nothing to delete.
func (p *strictProto) Delete(string) bool { return true }

// Keys returns nil.
func (p *strictProto) Keys() []string { return nil }

// function returns a JavaScript function. It throws when an unknown member is read,
// because a call was probably meant.
func (e *Evaluator) function(what string, fn func(goja.FunctionCall) goja.Value) goja.Value {
	object := e.vm.ToValue(fn).(*goja.Object)
	e.must(object.SetPrototype(e.strictObject(func(name string) *show.Failure {
		return &show.Failure{Title: "TypeError", Message: what + " is a function", Hint: "did you mean " + term.Clean(what+"()."+name) + "?"}
	})))
	return object
}

// A namespace is an object whose members are looked up when they are read.
type namespace struct {
	e      *Evaluator
	what   string                       // its name in errors: "as(…).posts"
	names  func() []string              // names of its members
	member func(name string) goja.Value // returns nil if there is no such member
	show   func() goja.Value            // the value to show; nil shows the names
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

// Get returns a member and throws if there is none. It implements [goja.DynamicObject].
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

// Has reports whether there is a member with this name.
func (n *namespace) Has(name string) bool { return slices.Contains(n.names(), name) }

// Set returns false.
func (n *namespace) Set(string, goja.Value) bool { return false }

// Delete returns false.
func (n *namespace) Delete(string) bool { return false }

// Keys returns the names.
func (n *namespace) Keys() []string { return n.names() }
