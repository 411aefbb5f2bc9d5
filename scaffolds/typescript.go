package scaffolds

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// A typeScript translates a schema to TypeScript. A Go type that is part of both an
// input and an output becomes two types, because an input may omit fields that are
// not required.
type typeScript struct {
	schema     wire.Schema
	types      map[string]wire.NamedType
	inputs     map[string]bool   // types that are part of an input
	outputs    map[string]bool   // types that are part of an output
	names      map[string]string // in TypeScript, by the name in the schema
	inputNames map[string]string // the same, of a type as part of an input
}

func newTypeScript(schema wire.Schema) *typeScript {
	t := &typeScript{schema: schema, types: map[string]wire.NamedType{}, inputs: map[string]bool{}, outputs: map[string]bool{}}
	for _, named := range schema.Types {
		t.types[named.Name] = named
	}
	for _, model := range schema.Models {
		t.reach(model.Record, t.outputs)
	}
	for _, route := range schema.Routes {
		t.reach(route.In, t.inputs)
		if route.Out != nil {
			t.reach(*route.Out, t.outputs)
		}
	}
	t.nameTypes()
	return t
}

// reach adds every type that a shape is made of to reached.
func (t *typeScript) reach(shape wire.Shape, reached map[string]bool) {
	if named, isNamed := t.types[shape.Is]; isNamed {
		if reached[shape.Is] {
			return
		}
		reached[shape.Is] = true
		shape.Fields = named.Fields
	}
	if shape.Of != nil {
		t.reach(*shape.Of, reached)
	}
	for _, field := range shape.Fields {
		t.reach(field.Shape, reached)
	}
}

// A direction is the way that a value is sent.
type direction bool

const (
	in  direction = true  // to the application
	out direction = false // from it
)

func (t *typeScript) reference(name string, way direction) string {
	if way == in {
		return t.inputNames[name]
	}
	return t.names[name]
}

// String returns the declarations of the models, actions, cursors and values, and of
// the types that they use.
func (t *typeScript) String() string {
	var b strings.Builder
	b.WriteString("\ndeclare module \"tower\" {\n")
	if names := t.imported(); len(names) > 0 {
		fmt.Fprintf(&b, "  import type { %s } from \"tower/types\";\n\n", strings.Join(names, ", "))
	}
	t.registry(&b, "Models", func(yield func(name, text string)) {
		for _, model := range t.schema.Models {
			yield(model.Name, t.text(model.Record, out))
		}
	})
	for _, kind := range []struct{ kind, name string }{{"action", "Actions"}, {"cursor", "Cursors"}, {"value", "Values"}} {
		b.WriteString("\n")
		t.registry(&b, kind.name, func(yield func(name, text string)) {
			for _, route := range t.schema.Routes {
				if route.Kind == kind.kind {
					yield(route.Name, t.route(route))
				}
			}
		})
	}
	files := ""
	if t.hasFiles() {
		files = ", StoredFile, Upload"
	}
	fmt.Fprintf(&b, "}\n\ndeclare module \"tower/types\" {\n  import type { ID, Int64, Time%s } from \"tower\";\n", files)
	for _, named := range t.schema.Types {
		for _, way := range []direction{out, in} {
			if way == out && t.outputs[named.Name] || way == in && t.inputs[named.Name] {
				fmt.Fprintf(&b, "\n  /** %s */\n  export interface %s {\n%s  }\n", goName(named.Name), t.reference(named.Name, way), t.body(named.Fields, way))
			}
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// hasFiles reports whether a type has a field that is a file.
func (t *typeScript) hasFiles() bool {
	for _, named := range t.schema.Types {
		if slices.ContainsFunc(named.Fields, func(f wire.FieldShape) bool { return f.Is == "file" }) {
			return true
		}
	}
	return false
}

// imported returns the names of the types that the registries use.
func (t *typeScript) imported() []string {
	var names []string
	var use func(shape wire.Shape, way direction)
	use = func(shape wire.Shape, way direction) {
		if t.names[shape.Is] != "" {
			names = append(names, t.reference(shape.Is, way))
		}
		if shape.Of != nil {
			use(*shape.Of, way)
		}
		for _, field := range shape.Fields {
			use(field.Shape, way)
		}
	}
	for _, model := range t.schema.Models {
		use(model.Record, out)
	}
	for _, route := range t.schema.Routes {
		use(route.In, in)
		if route.Out != nil {
			use(*route.Out, out)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (t *typeScript) registry(b *strings.Builder, name string, entries func(yield func(name, text string))) {
	fmt.Fprintf(b, "  interface %s {\n", name)
	entries(func(name, text string) { fmt.Fprintf(b, "    %s: %s;\n", property(name), text) })
	b.WriteString("  }\n")
}

func (t *typeScript) route(route wire.RouteSchema) string {
	parts := []string{"in: " + t.text(route.In, in)}
	switch route.Kind {
	case "action":
		parts = append(parts, "out: "+t.text(*route.Out, out))
	case "cursor":
		parts = append(parts, "record: "+t.text(*route.Out, out))
		fallthrough
	default:
		parts = append(parts, "narrow: "+union(route.Narrow))
	}
	return "{ " + strings.Join(parts, "; ") + " }"
}

// text returns a shape as a TypeScript type.
func (t *typeScript) text(shape wire.Shape, way direction) string {
	text := t.bare(shape, way)
	if shape.Null {
		text += " | null"
	}
	return text
}

func (t *typeScript) bare(shape wire.Shape, way direction) string {
	switch shape.Is {
	case "bool":
		return "boolean"
	case "int", "float":
		return "number"
	case "string":
		return "string"
	case "int64":
		return "Int64"
	case "id":
		return "ID"
	case "file":
		if way == in {
			return "Upload"
		}
		return "StoredFile"
	case "time":
		if way == in {
			return "Time | Date"
		}
		return "Time"
	case "list":
		element := t.text(*shape.Of, way)
		if strings.Contains(element, "|") || strings.HasPrefix(element, "readonly") {
			element = "(" + element + ")"
		}
		return "readonly " + element + "[]"
	case "map":
		return "{ readonly [key: string]: " + t.text(*shape.Of, way) + " }"
	case "object":
		return t.object(shape.Fields, way)
	}
	if t.names[shape.Is] != "" {
		return t.reference(shape.Is, way)
	}
	return "unknown"
}

// object returns a type without a name.
func (t *typeScript) object(fields []wire.FieldShape, way direction) string {
	switch {
	case len(fields) > 0:
		parts := make([]string, len(fields))
		for i, field := range fields {
			parts[i] = t.field(field, way)
		}
		return "{ " + strings.Join(parts, "; ") + " }"
	case way == in:
		return "{ [key: string]: never }"
	default:
		return "{}"
	}
}

// body returns what is between the braces of an interface.
func (t *typeScript) body(fields []wire.FieldShape, way direction) string {
	var b strings.Builder
	for _, field := range fields {
		b.WriteString("    " + t.field(field, way) + ";")
		if field.Ref != "" {
			b.WriteString(" // of " + field.Ref)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (t *typeScript) field(field wire.FieldShape, way direction) string {
	optional := field.Omitted
	name := property(field.Name)
	if way == in {
		optional = !field.Required
		field.Null = field.Clear && optional
	} else {
		name = "readonly " + name
	}
	if optional {
		name += "?"
	}
	text := t.text(field.Shape, way)
	if len(field.Values) > 0 {
		text = strings.Replace(text, "string", union(field.Values), 1)
	}
	return name + ": " + text
}

// union returns the type of a string that is one of the values.
func union(values []string) string {
	if len(values) == 0 {
		return "never"
	}
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = quote(value)
	}
	return strings.Join(quoted, " | ")
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// property returns the name of a field, quoted if it is not an identifier.
func property(name string) string {
	if identifier.MatchString(name) {
		return name
	}
	return quote(name)
}

func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string can always be encoded
	return string(quoted)
}
