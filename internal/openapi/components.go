package openapi

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// components are the schemas that others refer to by name. An input and an output of one type
// are two schemas if they require different fields.
type components struct {
	types map[string]wire.NamedType
	names map[string]string // of the schemas, by the name of their type
	made  object
}

func newComponents(schema wire.Schema) *components {
	c := &components{types: map[string]wire.NamedType{}, names: map[string]string{}, made: object{}}
	used := map[string]int{}
	for _, named := range schema.Types {
		used[shortName(named.Name)]++
	}
	for _, named := range schema.Types {
		c.types[named.Name] = named
		if c.names[named.Name] = shortName(named.Name); used[shortName(named.Name)] > 1 {
			c.names[named.Name] = plain(named.Name)
		}
	}
	return c
}

// shortName returns "Post" for "example.com/blog/models.Post".
func shortName(name string) string { return plain(name[strings.LastIndex(name, ".")+1:]) }

// plain replaces what the name of a component may not contain.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if isLetter(r) || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
}

// schemas returns the schemas that something refers to.
func (c *components) schemas() object { return c.made }

func (c *components) input(shape wire.Shape) object  { return c.shape(shape, true) }
func (c *components) output(shape wire.Shape) object { return c.shape(shape, false) }

// fieldsOf returns the fields of a type that is an object.
func (c *components) fieldsOf(shape wire.Shape) (fields []wire.FieldShape, ok bool) {
	if shape.Is == "object" {
		return shape.Fields, true
	}
	named, ok := c.types[shape.Is]
	return named.Fields, ok
}

// refer returns a reference to the schema of a named type, which it makes the first time.
func (c *components) refer(name string, in bool) object {
	as := c.names[name]
	if in && !sameBothWays(c.types[name].Fields) {
		as += "Input"
	}
	if c.made[as] == nil {
		c.made[as] = object{} // the type may refer to itself
		c.made[as] = c.object(c.types[name].Fields, in)
	}
	return reference("schemas", as)
}

// storedFile has the fields of a file in a record.
var storedFile = []wire.FieldShape{
	{Name: "id", Shape: wire.Shape{Is: "id"}}, {Name: "name", Shape: wire.Shape{Is: "string"}}, {Name: "type", Shape: wire.Shape{Is: "string"}},
	{Name: "size", Shape: wire.Shape{Is: "int"}}, {Name: "sum", Shape: wire.Shape{Is: "string"}}, {Name: "url", Shape: wire.Shape{Is: "string"}},
}

func sameBothWays(fields []wire.FieldShape) bool {
	return !slices.ContainsFunc(fields, func(f wire.FieldShape) bool {
		return f.Required == f.Omitted || f.Is == "int64" || f.Is == "file" || f.Null != takesNull(f)
	})
}

// takesNull reports whether an input may have null in a field.
func takesNull(f wire.FieldShape) bool { return f.Clear && !f.Required }

// object describes the fields of an input, which has to have the required ones, or of an
// output, which has all but those that are left out when they are empty.
func (c *components) object(fields []wire.FieldShape, in bool) object {
	properties, required := object{}, []string{}
	for _, field := range fields {
		properties[field.Name] = c.field(field, in)
		if in && field.Required || !in && !field.Omitted {
			required = append(required, field.Name)
		}
	}
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (c *components) field(field wire.FieldShape, in bool) object {
	if in {
		field.Null = takesNull(field)
	}
	schema := c.shape(field.Shape, in)
	if len(field.Values) > 0 {
		schema["enum"] = field.Values
		if field.Null {
			schema["enum"] = append(slices.Clone(toAny(field.Values)), nil)
		}
	}
	if field.Ref != "" {
		schema["description"] = "the id of a record of " + field.Ref
	}
	return schema
}

func toAny(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// scalars are the schemas of the shapes that are no objects.
var scalars = map[string]object{
	"bool":   {"type": "boolean"},
	"int":    {"type": "integer"},
	"int64":  {"type": "integer", "format": "int64"},
	"float":  {"type": "number"},
	"string": {"type": "string"},
	"id":     {"type": "string"},
	"time":   {"type": "string", "format": "date-time"},
}

func (c *components) shape(shape wire.Shape, in bool) object {
	out := object{}
	switch scalar := scalars[shape.Is]; {
	case shape.Is == "int64" && in: // the digits of a large integer may be a text
		out["oneOf"] = []any{object{"type": "integer", "format": "int64"}, object{"type": "string", "pattern": "^-?[0-9]+$"}}
	case scalar != nil:
		for key, value := range scalar {
			out[key] = value
		}
	case shape.Is == "file" && in:
		out["type"], out["description"] = "string", "what an upload has answered"
	case shape.Is == "file":
		out = c.object(storedFile, false)
	case shape.Is == "list":
		out["type"], out["items"] = "array", c.shape(*shape.Of, in)
	case shape.Is == "map":
		out["type"], out["additionalProperties"] = "object", c.shape(*shape.Of, in)
	case shape.Is == "object":
		out = c.object(shape.Fields, in)
	case shape.Is == "any":
		return out // any value, and null
	default:
		if out = c.refer(shape.Is, in); shape.Null {
			return object{"nullable": true, "allOf": []any{out}}
		}
		return out
	}
	if shape.Null {
		out["nullable"] = true
	}
	return out
}
