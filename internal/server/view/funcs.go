package view

import (
	"errors"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// ref returns the record with an id, nil if the list does not include it or the user may
// not see it.
func (b *boundPartials) ref(id record.ID) (any, error) {
	for _, image := range b.with {
		if image.ID == id {
			return image.Record()
		}
	}
	return nil, nil
}

// functions returns the functions of all templates, beside those of html/template and the
// application's own. renderIn adds one that belongs to a set.
func functions(f formats) template.FuncMap {
	return template.FuncMap{"ref": noRef, "args": args, "time": f.time, "number": f.number, "percent": f.percent, "currency": f.currency}
}

// args returns arguments for a partial, from pairs of name and value:
//
//	{{template "posts/_card.html" (args "post" .Data.Post "wide" true)}}
func args(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("args takes pairs of name and value; one is missing")
	}
	out := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("args: %v is not a name", pairs[i])
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("args: %s is given twice", name)
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}

// renderIn returns the function render of a set of templates. It renders a template of the
// set, so that its HTML can be the argument of another:
//
//	{{template "_card.html" (args "title" "New" "body" (render "posts/_form.html" .))}}
func renderIn(set *template.Template) template.FuncMap {
	return template.FuncMap{"render": func(name string, data ...any) (template.HTML, error) {
		if len(data) > 1 {
			return "", fmt.Errorf("render %q: a template takes one value; join several by args", name)
		}
		named := set.Lookup(name)
		if named == nil {
			return "", fmt.Errorf("render: there is no template %q", name)
		}
		var out strings.Builder
		err := named.Execute(&out, slices.Concat(data, []any{nil})[0])
		return template.HTML(out.String()), err
	}}
}

// reserved are the functions that an application cannot replace.
var reserved = []string{"and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "call",
	"eq", "ne", "lt", "le", "gt", "ge", "render"}

// checkFuncs returns an error for a function that templates cannot call.
func checkFuncs(funcs template.FuncMap) (err error) {
	for _, name := range slices.Sorted(maps.Keys(funcs)) {
		if _, own := functions(formats{})[name]; own || slices.Contains(reserved, name) {
			return fmt.Errorf("Config.Funcs: %s is a function of tower's templates; choose another name", name)
		}
		err := func() (err error) {
			defer func() {
				if panicked := recover(); panicked != nil {
					err = fmt.Errorf("Config.Funcs: %s cannot be called by a template: %v", name, panicked)
				}
			}()
			template.New("").Funcs(template.FuncMap{name: funcs[name]})
			return nil
		}()
		if err != nil {
			return err
		}
	}
	return nil
}

// noRef is the function ref for lists that include nothing.
func noRef(id record.ID) (any, error) {
	return nil, errors.New("ref needs a live list whose scope includes the reference: .Include(&post.AuthorID)")
}
