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
		if t.Kind() == reflect.Struct {
			all = append(all, checkReceiver(t, "Allow"), checkReceiver(t, "Match"), checkReceiver(t, "Can"))
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
	if !ok || record.CallsValidate(pointer) {
		return nil
	}
	return uncalled(pointer, method, "Validate(problems *tower.Problems)")
}

// checkReceiver returns an error if a controller that is mounted by value lacks a rule
// because the rule has a pointer receiver.
func checkReceiver(t reflect.Type, name string) error {
	_, byValue := t.MethodByName(name)
	if _, byPointer := reflect.PointerTo(t).MethodByName(name); byPointer && !byValue {
		return fmt.Errorf("%s is mounted by value, and its method %s has a pointer receiver; mount a *%s", t, name, t.Name())
	}
	return nil
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
