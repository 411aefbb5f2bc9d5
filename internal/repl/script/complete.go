package script

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// A Completion lists the possible replacements for the text from Start on.
type Completion struct {
	Start int               // offset in bytes into the completed text
	Items []string          // the possible texts in its place
	Notes map[string]string // explanations of items, such as the name of the record with an id
}

const completeWithin = 200 * time.Millisecond

// CompleteSoon is like [Evaluator.Complete], but for a person who is waiting: it
// returns after a short time or when ctx ends, with no items if necessary.
func (e *Evaluator) CompleteSoon(ctx context.Context, text string) Completion {
	ctx, cancel := context.WithTimeoutCause(ctx, completeWithin, ErrInterrupted)
	defer cancel()
	e.ctx = ctx
	defer e.interruptible(ctx)()
	return e.Complete(text)
}

// Complete finds the possible continuations of text. It reads properties of existing
// values and asks the application for names, but does not run the code. It must not run
// at the same time as other methods.
func (e *Evaluator) Complete(text string) (found Completion) {
	defer func() {
		if recover() != nil { // a getter threw; there is nothing to offer
			found = Completion{}
		}
	}()
	r := completer{e, show.Code{Text: text}}
	var s show.Lexer
	for _, t := range s.Scan(text) {
		if t.Kind == show.CommentToken && t.End == len(text) {
			return Completion{}
		}
		if t.Kind != show.SpaceToken && t.Kind != show.CommentToken {
			r.Tokens = append(r.Tokens, t)
		}
	}
	if s.Comment || s.InTemplate() {
		return Completion{}
	}
	last := len(r.Tokens) - 1
	if last >= 0 && r.Tokens[last].Kind == show.StringToken {
		return r.inText(last)
	}
	start, word := len(text), ""
	if last >= 0 && r.Tokens[last].End == len(text) && (r.Tokens[last].Kind == show.WordToken || r.Tokens[last].Kind == show.KeywordToken) {
		start = r.Tokens[last].Start
		word = text[start:]
		last--
	}
	var names []string
	switch {
	case r.is(last, "."):
		names = r.members(r.subject(last - 1))
	case r.keys(last) != nil:
		names = r.keys(last)
	case r.tested(last+1) != nil && r.tested(last+1).Type == "bool":
		names = []string{"true", "false"}
	default:
		names = append(e.globals(), "console", "exit")
		for _, m := range e.models {
			names = append(names, m.name)
		}
		sort.Strings(names)
	}
	return Completion{Start: start, Items: WithPrefix(names, word)}
}

// WithPrefix returns the names that begin with prefix.
func WithPrefix(names []string, prefix string) []string {
	var matching []string
	for _, fold := range []bool{false, true} {
		for _, name := range names {
			if len(name) >= len(prefix) && (name[:len(prefix)] == prefix || fold && strings.EqualFold(name[:len(prefix)], prefix)) {
				matching = append(matching, name)
			}
		}
		if len(matching) > 0 {
			break
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(matching, func(name string) bool {
		known := seen[name]
		seen[name] = true
		return known || name == "_"
	})
}

// A subject is the type of an expression, as far as it is known without evaluating the
// expression.
type subject struct {
	model *model // for a model, a query or a record
	what  subjectKind
	value goja.Value // for a plain value
	space *namespace // for a namespace
	route *wire.Route
}

type subjectKind uint8

const (
	unknownSubject subjectKind = iota
	modelSubject
	querySubject
	recordSubject
	plainSubject
	spaceSubject
	routeSubject // a function that calls an action or opens a cursor
)

// A completer reads backwards through the tokens before the cursor.
type completer struct {
	e *Evaluator
	show.Code
}

func (r *completer) is(i int, text string) bool { return r.Word(i) == text }

// subject returns the subject of the expression that ends at tokens[i].
func (r *completer) subject(i int) subject {
	if r.is(i, "?") { // part of ?.
		i--
	}
	switch {
	case r.is(i, ")"):
		return r.called(r.Enclosing(i - 1))
	case r.is(i, "]"):
		open := r.Enclosing(i - 1)
		if open < 1 {
			return subject{}
		}
		return r.e.indexed(r.subject(open - 1))
	case i >= 0 && (r.Tokens[i].Kind == show.WordToken || r.is(i, "globalThis")):
		if r.is(i-1, ".") {
			return r.e.property(r.subject(i-2), r.Word(i))
		}
		return r.e.classify(r.e.vm.Get(r.Word(i)))
	case i >= 0 && r.Tokens[i].Kind == show.StringToken:
		return subject{what: plainSubject, value: r.e.vm.ToValue("")}
	}
	return subject{}
}

// called returns the subject of the result of a call whose arguments begin at
// tokens[open].
func (r *completer) called(open int) subject {
	if open < 1 {
		return subject{}
	}
	name := r.Word(open - 1)
	if r.is(open-2, ".") {
		of := r.subject(open - 3)
		if of.what == spaceSubject && (name == "cursor" || name == "as") {
			return r.spaceCalled(name, open)
		}
		return r.e.called(of, name)
	}
	return r.spaceCalled(name, open)
}

// spaceCalled returns the subject of the result of as, at or cursor.
func (r *completer) spaceCalled(name string, open int) subject {
	switch name {
	case "as":
		return r.e.classify(r.e.as(goja.Null(), nil))
	case "at":
		return r.e.classify(r.e.atSeq(goja.FunctionCall{Arguments: []goja.Value{r.e.vm.ToValue(r.e.Hello.Seq)}}))
	case "cursor":
		if text := r.Word(open + 1); len(text) > 2 {
			if route := r.e.routeNamed(strings.Trim(text, "\"'")); route != nil {
				return r.e.called(subject{what: routeSubject, route: route}, "")
			}
		}
	}
	return subject{}
}

// called returns the subject of the result of a method of s.
func (e *Evaluator) called(s subject, method string) subject {
	if s.what == spaceSubject {
		s = e.property(s, method)
	}
	if s.what == routeSubject {
		for _, m := range e.models {
			if m.info.Name == s.route.Model && s.route.Kind == "cursor" {
				return subject{model: m, what: querySubject}
			} else if m.info.Name == s.route.Model {
				return subject{model: m, what: recordSubject}
			}
		}
		return subject{}
	}
	switch method {
	case "where", "asc", "desc", "limit", "offset", "all":
		if s.what == modelSubject || s.what == querySubject {
			return subject{model: s.model, what: querySubject}
		}
	case "find", "first", "last", "create", "update", "reload":
		if s.model != nil {
			return subject{model: s.model, what: recordSubject}
		}
	}
	return subject{}
}

func (e *Evaluator) classify(v goja.Value) subject {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return subject{}
	}
	if object, ok := v.(*goja.Object); ok {
		if m := e.modelOf(object); m != nil {
			return subject{model: m, what: modelSubject}
		}
		if q, ok := queryOf(object); ok {
			return subject{model: q.model, what: querySubject}
		}
		if m := e.recordModel(object); m != nil {
			return subject{model: m, what: recordSubject, value: v}
		}
		if n := namespaceOf(object); n != nil {
			return subject{what: spaceSubject, space: n}
		}
	}
	return subject{what: plainSubject, value: v}
}

// indexed returns the subject of an element of s.
func (e *Evaluator) indexed(s subject) subject {
	if s.what == querySubject {
		return subject{model: s.model, what: recordSubject}
	}
	return e.property(s, "0")
}

func (e *Evaluator) property(s subject, name string) subject {
	switch s.what {
	case spaceSubject:
		if route := e.routeNamed(s.space.what + "." + name); route != nil && route.IsAnnounced() {
			return subject{what: routeSubject, route: route}
		}
		return e.classify(s.space.member(name))
	case recordSubject:
		if r := s.model.ref(name); r != nil && r.many {
			return subject{model: r.to, what: querySubject}
		} else if r != nil {
			return subject{model: r.to, what: recordSubject}
		}
	}
	object, ok := s.value.(*goja.Object)
	if !ok {
		return subject{}
	}
	var found subject
	if e.catch(func() { found = e.classify(object.Get(name)) }) != nil {
		return subject{} // a getter threw; there is nothing to offer
	}
	return found
}

// members returns the names that may follow a dot after s.
func (r *completer) members(s subject) []string {
	switch s.what {
	case modelSubject:
		return slices.Concat(modelMethods, arrayMethods)
	case querySubject:
		return slices.Concat(queryMethods, arrayMethods, []string{"length"})
	case recordSubject:
		return slices.Concat(s.model.fieldNames(), s.model.refNames(), recordMethods)
	case spaceSubject:
		return s.space.names()
	case plainSubject:
		return r.e.properties(s.value)
	}
	return nil
}

// properties returns the names of the properties of v and then of its prototypes.
func (e *Evaluator) properties(v goja.Value) []string {
	var names []string
	_ = e.catch(func() { // keep the names found before a getter threw
		for object := v.ToObject(e.vm); object != nil; object = object.Prototype() {
			own := object.GetOwnPropertyNames()
			sort.Strings(own)
			for _, name := range own {
				if name != "constructor" && !strings.HasPrefix(name, "__") && identifier(name) {
					names = append(names, name)
				}
			}
		}
	})
	return names
}

func identifier(name string) bool {
	return name != "" && (name[0] < '0' || name[0] > '9') && show.Span(name, show.IsWordRune) == len(name)
}
