package route

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// CheckRules returns an error for each method Allow, Match or Can of a controller, and for
// each method Validate of a model or an input, that the server could not call: a rule
// that is never called would permit everything.
//
//	Allow(action string) bool          reports whether the user may use an action or cursor
//	Match(record *models.T) bool       reports whether the user may see a record of model T
//	Can(action string, record *models.T) bool
//	                                   reports whether the user may call an action on a record
//	Validate(problems *tower.Problems) adds the problems of a record or an input
func (r *Router) CheckRules(models []*record.Model) error {
	var all []error
	for _, c := range r.Mounted {
		t := reflect.TypeOf(c.Zero)
		if t == nil {
			all = append(all, fmt.Errorf("controller %s is mounted as an interface, whose rules cannot be checked; mount its own type", c.Name))
			continue
		}
		for _, name := range []string{"Allow", "Match", "Can"} {
			all = append(all, checkPromoted(t, name))
		}
		if method, ok := t.MethodByName("Allow"); ok {
			all = append(all, checkAllow(t, method))
		}
		if method, ok := t.MethodByName("Match"); ok {
			all = append(all, checkMatch(t, method, c, models))
		}
		if method, ok := t.MethodByName("Can"); ok {
			all = append(all, checkCan(t, method, c, models))
		}
	}
	for _, model := range models {
		all = append(all, checkValidate(reflect.TypeOf(model.New())))
	}
	checked := map[reflect.Type]bool{}
	for _, rt := range r.Routes {
		if rt.In != nil && !checked[rt.In] {
			checked[rt.In] = true
			all = append(all, checkValidate(reflect.PointerTo(rt.In)))
		}
	}
	return errors.Join(all...)
}

// checkValidate checks the method Validate of a model or of an input.
func checkValidate(pointer reflect.Type) error {
	method, ok := pointer.MethodByName("Validate")
	if !ok {
		return errors.Join(checkPromoted(pointer, "Validate"), checkNested(pointer.Elem(), pointer.Elem(), "", map[reflect.Type]bool{}))
	}
	if record.CallsValidate(pointer) {
		return nil
	}
	return uncalled(pointer, method, "Validate(problems *tower.Problems)")
}

// checkNested returns an error if a type without a method Validate holds values that have one:
// only that of the whole is called.
func checkNested(whole, t reflect.Type, path string, seen map[reflect.Type]bool) error {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if path != "" && record.CallsValidate(reflect.PointerTo(t)) {
		return fmt.Errorf("%s has a field %s whose method Validate tower does not call; call it in a method Validate(problems *tower.Problems) of %s", whole, path, whole.Name())
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return nil
	}
	seen[t] = true
	var all []error
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && !f.Anonymous {
			all = append(all, checkNested(whole, f.Type, strings.TrimPrefix(path+"."+f.Name, "."), seen))
		}
	}
	return errors.Join(all...)
}

// checkPromoted returns an error if a type lacks a rule that it seems to have: because the rule
// has a pointer receiver and the type is used by value, because two types that it embeds have
// one, or because a field has the rule's name.
func checkPromoted(t reflect.Type, name string) error {
	if _, has := t.MethodByName(name); has {
		return nil
	}
	pointer := t
	if t.Kind() != reflect.Pointer {
		pointer = reflect.PointerTo(t)
	}
	of := pointer.Elem()
	if _, has := pointer.MethodByName(name); has {
		return fmt.Errorf("%s is mounted by value, and its method %s has a pointer receiver; mount a *%s", t, name, t.Name())
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	if field, has := of.FieldByName(name); has && field.Type.Kind() == reflect.Func {
		return fmt.Errorf("%s has a field %s, which tower does not call; declare a method %s, or give the field another name", t, name, name)
	}
	if from := embedded(of, name, map[reflect.Type]bool{}); len(from) > 0 {
		return fmt.Errorf("%s embeds a method %s of %s, which Go hides because there is more than one %s; declare the method on %s itself", t, name, strings.Join(from, " and of "), name, of.Name())
	}
	return nil
}

// embedded returns the types that a struct embeds, however deep, with a method of that name.
func embedded(t reflect.Type, name string, seen map[reflect.Type]bool) (from []string) {
	if seen[t] {
		return nil
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous {
			continue
		}
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		_, has := f.Type.MethodByName(name)
		if _, byPointer := reflect.PointerTo(of).MethodByName(name); has || byPointer && of.Kind() != reflect.Interface {
			from = append(from, f.Type.String())
		} else if of.Kind() == reflect.Struct {
			from = append(from, embedded(of, name, seen)...)
		}
	}
	return from
}

func checkAllow(t reflect.Type, method reflect.Method) error {
	m := method.Type
	if m.NumIn() == 2 && m.In(1).Kind() == reflect.String && m.In(1).PkgPath() == "" && returnsBool(m) {
		return nil
	}
	return uncalled(t, method, "Allow(action string) bool")
}

func checkMatch(t reflect.Type, method reflect.Method, c *Controller, models []*record.Model) error {
	m := method.Type
	if m.NumIn() == 2 && returnsBool(m) && m.In(1).Kind() == reflect.Pointer && m.In(1).Elem().Kind() == reflect.Struct {
		for _, model := range models {
			if model.Is(m.In(1)) {
				return nil
			}
		}
		return fmt.Errorf("%s.Match takes a %s, which is not a model of this application; add its model to Config.Models, or rename the method", t, m.In(1))
	}
	return uncalled(t, method, fmt.Sprintf("Match(record *%s) bool", ruledModel(m, c, models)))
}

func checkCan(t reflect.Type, method reflect.Method, c *Controller, models []*record.Model) error {
	m := method.Type
	if m.NumIn() == 3 && returnsBool(m) && m.In(1) == reflect.TypeFor[string]() && slices.ContainsFunc(models, func(model *record.Model) bool {
		return m.In(2).Kind() == reflect.Pointer && model.Is(m.In(2))
	}) {
		return nil
	}
	return uncalled(t, method, fmt.Sprintf("Can(action string, record *%s) bool", ruledModel(m, c, models)))
}

// ruledModel guesses the model that a rule is meant for: the model of a struct that it
// takes, or the model with the controller's name.
func ruledModel(m reflect.Type, c *Controller, models []*record.Model) string {
	for i := 1; i < m.NumIn(); i++ {
		for _, model := range models {
			if model.Is(m.In(i)) {
				return strings.TrimPrefix(m.In(i).String(), "*")
			}
		}
	}
	for _, model := range models {
		if model.Name == c.Name {
			return strings.TrimPrefix(reflect.TypeOf(model.New()).String(), "*")
		}
	}
	return "T"
}

func returnsBool(m reflect.Type) bool {
	return m.NumOut() == 1 && m.Out(0).Kind() == reflect.Bool && m.Out(0).PkgPath() == "" && !m.IsVariadic()
}

func uncalled(t reflect.Type, method reflect.Method, want string) error {
	in := make([]string, 0, method.Type.NumIn())
	for i := 1; i < method.Type.NumIn(); i++ {
		in = append(in, method.Type.In(i).String())
	}
	out := make([]string, 0, method.Type.NumOut())
	for i := range method.Type.NumOut() {
		out = append(out, method.Type.Out(i).String())
	}
	results := strings.Join(out, ", ")
	if len(out) > 1 {
		results = "(" + results + ")"
	}
	have := strings.TrimSpace(fmt.Sprintf("%s(%s) %s", method.Name, strings.Join(in, ", "), results))
	return fmt.Errorf("%s has a method %s, which tower does not call; declare it as %s, or give it another name", t, have, want)
}
